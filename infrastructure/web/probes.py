"""Readiness checks: all at once, each in a thread, none waited for longer than it may take."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from core.boundary import guarded
from core.outcome import ErrorInfo, Failed
from infrastructure.web.errors import CheckTimeout

READY_SECONDS = 5.0
"""Orchestrators give a probe ten seconds or less."""

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a check came to; ``error`` is ``None`` where it passed."""

    name: str
    error: ErrorInfo | None
    milliseconds: float


class Probes:
    """However many ask, a check runs in one thread: who asks while it runs gets the same outcome, and one that hangs
    holds no other.
    """

    def __init__(self, seconds: float = READY_SECONDS) -> None:
        self._seconds = seconds
        self._running: dict[str, Future[Probe]] = {}
        self._lock = threading.Lock()

    async def run(self, checks: Mapping[str, Check]) -> Sequence[Probe]:
        """In the order of ``checks``. One that does not end in its time has the error ``CHECK_TIMEOUT``."""
        if not checks:
            return ()
        asked = [(name, asyncio.wrap_future(self._started(name, check))) for name, check in checks.items()]
        await asyncio.wait([future for _, future in asked], timeout=self._seconds)
        return [future.result() if future.done() else self._late(name) for name, future in asked]

    def _late(self, name: str) -> Probe:
        message = f"it did not end within {self._seconds:g} seconds"
        return Probe(name, ErrorInfo(CheckTimeout.code, message, CheckTimeout.retryable), self._seconds * 1000)

    def _started(self, name: str, check: Check) -> Future[Probe]:
        with self._lock:
            running = self._running.get(name)
            if running is not None and not running.done():
                return running
            future: Future[Probe] = Future()
            future.set_running_or_notify_cancel()
            self._running[name] = future
        # A daemon: a check that hangs must not keep the process from ending.
        threading.Thread(target=_perform, args=(name, check, future), name=f"check-{name}", daemon=True).start()
        return future


def _perform(name: str, check: Check, future: Future[Probe]) -> None:
    started = time.perf_counter()
    came = guarded(check)
    milliseconds = round(1000 * (time.perf_counter() - started), 3)
    future.set_result(Probe(name, came.error if isinstance(came, Failed) else None, milliseconds))
