"""What the worker is doing, written down by its threads and read by whoever looks at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from threading import Lock

from core.attempts import APPLIED, Processed, Started
from core.ports import Clock
from core.progress import Report, first_reports, rate_per_minute, remaining_seconds, with_report


class WorkerState(StrEnum):
    """``waiting`` is for the database or the queue, which does not answer."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    WAITING = "waiting"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """The attempt that runs. ``percent`` is 0 to 100, ``None`` until the handler reports any.

    ``reports`` are kept as for the job's status, so that both tell the same pace.
    """

    task_id: str
    task_type: str
    attempt: int
    token: int
    started_at: datetime
    percent: float | None = None
    message: str = ""
    reports: tuple[Report, ...] = ()

    def rate(self) -> float | None:
        """Percent a minute; ``None`` where it cannot be told yet."""
        return rate_per_minute(self.reports)

    def remaining(self, now: datetime) -> float | None:
        """Seconds from ``now``; ``None`` where they cannot be told."""
        since_report = max(0.0, (now - self.reports[-1].at).total_seconds()) if self.reports else 0.0
        return remaining_seconds(self.percent, self.rate(), since_report)


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """``ended`` counts attempts by outcome: its class's name in lower case, or the effect where it did not count.

    ``waiting_for`` is the code of what is away, ``last_poll`` when the queue was last asked. ``locks_lost`` counts
    messages whose lock ended while their task ran on.
    """

    state: WorkerState
    current: CurrentTask | None
    ended: Mapping[str, int]
    busy_seconds: float
    last_poll: datetime | None
    waiting_for: str | None
    locks_lost: int = 0


class WorkerStatus:
    """For any number of threads. Once it is draining no state but ``stopped`` follows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._state = WorkerState.STARTING
        self._current: CurrentTask | None = None
        self._ended: Counter[str] = Counter()
        self._busy_seconds = 0.0
        self._last_poll: datetime | None = None
        self._waiting_for: str | None = None
        self._locks_lost = 0

    def snapshot(self) -> WorkerSnapshot:
        with self._lock:
            return WorkerSnapshot(
                self._state,
                self._current,
                dict(self._ended),
                self._busy_seconds,
                self._last_poll,
                self._waiting_for,
                self._locks_lost,
            )

    def polled(self) -> None:
        """The queue answered, with a message or none."""
        with self._lock:
            self._last_poll, self._waiting_for = self._clock.now(), None
            self._enter(WorkerState.IDLE)

    def waits(self, code: str) -> None:
        with self._lock:
            self._waiting_for = code
            self._enter(WorkerState.WAITING)

    def began(self, started: Started) -> None:
        claim, now = started.claim, self._clock.now()
        lease = claim.lease
        reports = first_reports(now, claim.checkpoint_json)
        current = CurrentTask(
            lease.task_id, claim.task_type, lease.attempt, lease.token, started_at=now, reports=reports
        )
        with self._lock:
            self._current, self._waiting_for = current, None
            self._enter(WorkerState.BUSY)

    def progressed(self, percent: float, message: str) -> None:
        now = self._clock.now()
        with self._lock:
            if self._current is not None:
                reports = with_report(self._current.reports, Report(now, percent))
                self._current = replace(self._current, percent=percent, message=message, reports=reports)

    def ended(self, processed: Processed | None) -> None:
        """``None`` where what the attempt came to could not be committed yet."""
        with self._lock:
            if self._current is not None:
                self._busy_seconds += (self._clock.now() - self._current.started_at).total_seconds()
            self._current = None
            self._ended[_name(processed)] += 1
            self._enter(WorkerState.IDLE)

    def lock_lost(self) -> None:
        with self._lock:
            self._locks_lost += 1

    def drains(self) -> None:
        with self._lock:
            self._enter(WorkerState.DRAINING)

    def stopped(self) -> None:
        with self._lock:
            self._state = WorkerState.STOPPED

    def _enter(self, state: WorkerState) -> None:
        if self._state not in (WorkerState.DRAINING, WorkerState.STOPPED):
            self._state = state


def _name(processed: Processed | None) -> str:
    if processed is None:
        return "not_committed"
    if processed.effect != APPLIED or processed.outcome is None:
        return processed.effect
    return type(processed.outcome).__name__.lower()
