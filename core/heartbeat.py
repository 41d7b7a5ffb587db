"""Heartbeats: a thread that renews the leases of the attempts that run, so that a lease can be short.

What a process held that died is free again within a lease, and not only when the handlers' timeouts would be over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import NamedTuple

from core.context import StopReason, StopSignal
from core.errors import CoreMachineError, LeaseLost
from core.model import Lease, TaskStatus
from core.ports import Clock, Transitions

_log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
RENEWALS_A_LEASE = 4
"""A lease outlives three heartbeats that come to nothing."""

RETRIES_A_LEASE = 12
"""How often a store that is away is asked: when it is back, holders are to be quicker than those who end their leases.
"""


class _Held(NamedTuple):
    until: datetime
    stop: StopSignal


class Heartbeat:
    """Renews, four times a lease, what is held by :meth:`holding`, and tries it more often while the store is away. For
    any number of threads.

    The thread begins with the first attempt, and ends with :meth:`close`. ``wait`` waits for the event of closing up to
    a number of seconds, and says whether it came.
    """

    def __init__(
        self,
        store: Transitions,
        clock: Clock,
        lease_seconds: float = LEASE_SECONDS,
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        self.lease_seconds = lease_seconds
        self._store = store
        self._clock = clock
        self._wait = wait
        self._lock = Lock()
        self._held: dict[Lease, _Held] = {}
        self._closed = Event()
        self._thread: Thread | None = None
        self.renewed = 0
        """How often a lease was renewed."""
        self.lost = 0
        """How often one turned out to be lost."""

    @contextmanager
    def holding(self, lease: Lease, seconds: float, stop: StopSignal) -> Iterator[None]:
        """Renew ``lease`` within the block, for ``seconds`` at most: who hangs loses it in the end.

        ``stop`` is set where it was lost or is not renewed any more, with :attr:`StopReason.CANCELLED` or
        :attr:`StopReason.LEASE_LOST`.
        """
        with self._lock:
            self._held[lease] = _Held(self._clock.now() + timedelta(seconds=seconds), stop)
            if self._thread is None and not self._closed.is_set():
                self._thread = Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(lease, None)

    def close(self) -> None:
        self._closed.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def beat(self) -> float:
        """Renew each lease once; seconds until the next time. One that was lost is let go, and its attempt is told."""
        now, away = self._clock.now(), False
        with self._lock:
            held = list(self._held.items())
        for lease, one in held:
            renewed = self._renewed(lease, one.stop, now) if now < one.until else _given_up(lease, one.stop)
            away = away or renewed is None
            if renewed is False:
                with self._lock:
                    self._held.pop(lease, None)
        return self.lease_seconds / (RETRIES_A_LEASE if away else RENEWALS_A_LEASE)

    def _renewed(self, lease: Lease, stop: StopSignal, now: datetime) -> bool | None:
        """``None`` where it is not known."""
        try:
            self._store.renew_lease(lease, self.lease_seconds, now)
        except LeaseLost:
            self.lost += 1
            stop.set(self._why_lost(lease))
            return False
        except CoreMachineError as error:
            _log.warning("lease_not_renewed", extra={"task_id": lease.task_id, "code": error.code})
            return None
        self.renewed += 1
        return True

    def _why_lost(self, lease: Lease) -> StopReason:
        with suppress(CoreMachineError):
            task = self._store.load_task(lease.task_id)
            if task is not None and task.status is TaskStatus.CANCELLED:
                return StopReason.CANCELLED
        return StopReason.LEASE_LOST

    def _run(self) -> None:
        pause = self.lease_seconds / RENEWALS_A_LEASE
        while not self._wait(self._closed, pause):
            pause = self.beat()


def _given_up(lease: Lease, stop: StopSignal) -> bool:
    _log.warning("lease_given_up", extra={"task_id": lease.task_id, "attempt": lease.attempt})
    stop.set(StopReason.LEASE_LOST)
    return False
