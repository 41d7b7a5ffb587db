"""Readiness checks: all at once, each in a thread of its own, none waited for longer than it may take."""

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

Check = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a check came to: what it returned, and ``error``, which is ``None`` where it passed."""

    name: str
    error: ErrorInfo | None
    milliseconds: float
    value: object = None


@dataclass(frozen=True, slots=True)
class _Running:
    since: float
    future: Future[Probe]


class Probes:
    """However many ask, a check runs in one thread: who asks while it runs gets the same outcome, and one that hangs
    holds no other.

    ``monotonic`` is seconds. A check is waited for until ``seconds`` after it began, whoever began it: one that still
    hangs from an earlier call is told at once.
    """

    def __init__(self, seconds: float = READY_SECONDS, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()

    async def run(self, checks: Mapping[str, Check], began: float | None = None) -> Sequence[Probe]:
        """In the order of ``checks``. One that does not end in its time has the error ``CHECK_TIMEOUT``.

        ``began``, a time of :meth:`now`, is that of what these checks are a part of: all end in its time.
        """
        latest = (self.now() if began is None else began) + self._seconds
        started = {name: self._started(name, check) for name, check in checks.items()}
        return await asyncio.gather(*(self._outcome(name, running, latest) for name, running in started.items()))

    def now(self) -> float:
        return self._monotonic()

    async def _outcome(self, name: str, running: _Running, latest: float) -> Probe:
        left = min(latest, running.since + self._seconds) - self.now()
        if left > 0:
            await asyncio.wait([asyncio.wrap_future(running.future)], timeout=left)
        return running.future.result() if running.future.done() else self._late(name, running)

    def _late(self, name: str, running: _Running) -> Probe:
        seconds = self.now() - running.since
        message = f"it did not end within {self._seconds:g} seconds, and has been running for {seconds:.1f}"
        return Probe(name, ErrorInfo(CheckTimeout.code, message, CheckTimeout.retryable), round(1000 * seconds, 3))

    def _started(self, name: str, check: Check) -> _Running:
        with self._lock:
            running = self._running.get(name)
            if running is not None and not running.future.done():
                return running
            future: Future[Probe] = Future()
            future.set_running_or_notify_cancel()
            running = self._running[name] = _Running(self.now(), future)
        # A daemon: a check that hangs must not keep the process from ending.
        threading.Thread(target=self._perform, args=(name, check, running), name=f"check-{name}", daemon=True).start()
        return running

    def _perform(self, name: str, check: Check, running: _Running) -> None:
        came = guarded(check)
        milliseconds = round(1000 * (self.now() - running.since), 3)
        error, value = (came.error, None) if isinstance(came, Failed) else (None, came)
        running.future.set_result(Probe(name, error, milliseconds, value))
