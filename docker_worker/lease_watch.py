"""Ends the leases that dead workers left, as soon as they have run out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event

from core.errors import CoreMachineError
from core.heartbeat import RENEWALS_A_LEASE
from core.machine import CoreMachine
from core.reconciler import end_expired
from docker_worker.backoff import Backoff
from docker_worker.loop_thread import LoopThread

_log = logging.getLogger(__name__)

LOOKS_A_LEASE = 12
LIMIT = 100
"""Leases that are ended at a time."""

SPREAD = 0.1
"""How much of the time between two looks it may be late, so that many workers do not ask at once."""


class LeaseWatch:
    """A thread that looks for expired leases of long-running tasks twelve times a lease, and when the next one will be.

    What a worker held that died is so free again when its lease is over, and not when the reconciler comes by. Any
    number of watches may run: a lease is ended once, and only as it was seen.

    Where a look comes late, because the store was away or this process stood still, whoever holds a lease could not
    renew it either, or not be seen to. Then nothing is ended until a holder that lives has had time for it.

    ``jitter`` is uniform in [0, 1); ``wait`` waits for an event up to a number of seconds.
    """

    def __init__(
        self,
        machine: CoreMachine,
        lease_seconds: float,
        *,
        jitter: Callable[[], float],
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        self._machine = machine
        self._types = frozenset(handler.task_type for handler in machine.handlers.values() if handler.long_running)
        self._every = timedelta(seconds=lease_seconds / LOOKS_A_LEASE)
        self._renewal = timedelta(seconds=lease_seconds / RENEWALS_A_LEASE)
        self._jitter = jitter
        self._wait = wait
        self._backoff = Backoff(jitter, self._every.total_seconds())
        self._seen_at: datetime | None = None
        self._spare_until: datetime | None = None
        self._stopping = Event()
        self._thread = LoopThread("lease-watch", self.run)

    @property
    def alive(self) -> bool:
        return self._thread.alive

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self, timeout: float) -> bool:
        return self._thread.join(timeout)

    def run(self) -> None:
        """Watch until it is told to stop, in the thread that calls."""
        while not self._stopping.is_set():
            self._wait(self._stopping, self.step())

    def step(self) -> float:
        """One look; seconds until the next."""
        try:
            pause = self._look()
        except CoreMachineError as error:
            if not self._backoff.failing:
                _log.warning("lease_watch_waits", extra={"code": error.code})
            return self._backoff.failed()
        self._backoff.answered()
        return pause.total_seconds()

    def _look(self) -> timedelta:
        now = self._machine.clock.now()
        found = self._machine.store.expired_leases(now + self._every, LIMIT, self._types)
        if not self._spares(now):
            ended, _ = end_expired(self._machine, [one for one in found if one.lease.expires_at <= now])
            if ended:
                _log.warning("leases_ended", extra={"count": ended})
        ahead = [one.lease.expires_at - now for one in found if one.lease.expires_at > now]
        return min([self._every, *ahead]) + self._every * (SPREAD * self._jitter())

    def _spares(self, now: datetime) -> bool:
        """Whether it is to be waited until those who live have renewed their leases."""
        if self._seen_at is not None and now - self._seen_at > self._renewal:
            self._spare_until = now + self._renewal + 2 * self._every
        self._seen_at = now
        return self._spare_until is not None and now < self._spare_until
