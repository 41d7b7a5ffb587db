"""The emulator in a thread of its own, for a test that speaks to it with an SDK."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from testing.service_bus_emulator.broker.faults import FaultPlan
from testing.service_bus_emulator.broker.journal import Journal
from testing.service_bus_emulator.broker.namespace import Namespace
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.server import Limits, Server, utc_now

_T = TypeVar("_T")


class RunningEmulator:
    """What is done to it is done in its thread. Its time is the real one, plus what was skipped by :meth:`advance`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._skipped = timedelta()
        self.server: Server

    @property
    def connection_string(self) -> str:
        return self.server.connection_string()

    def now(self) -> datetime:
        return utc_now() + self._skipped

    def advance(self, seconds: float) -> None:
        """Let time pass, and what comes due in it happen."""

        def skip() -> None:
            self._skipped += timedelta(seconds=seconds)
            self.server.wake()

        self.call(skip)

    def call(self, act: Callable[[], _T]) -> _T:
        async def run() -> _T:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=30)


@contextmanager
def run_emulator(
    queues: Mapping[str, QueueRules],
    *,
    limits: Limits | None = None,
    faults: FaultPlan | None = None,
    journal: Journal | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[RunningEmulator]:
    """An emulator that listens on a free port of this machine, and ends with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="service-bus-emulator", daemon=True)
    thread.start()
    running = RunningEmulator(loop)
    try:
        namespace = Namespace(queues, journal=journal)
        server = Server(namespace, now=running.now, token_now=utc_now, limits=limits, faults=faults)
        running.server = server
        asyncio.run_coroutine_threadsafe(server.listen(tls=tls), loop).result(timeout=30)
        try:
            yield running
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(timeout=30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=30)
        loop.close()
