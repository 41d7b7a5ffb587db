"""What operators look at: lists of runs and tasks, their filters and cursors, and dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from core.ids import JobId
from core.model import RunStatus, TaskStatus
from core.outcome import ErrorInfo


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of a list of runs."""

    job_id: JobId
    run: int
    job_type: str
    tenant: str
    status: RunStatus
    paused: bool
    created_at: datetime
    updated_at: datetime
    error: ErrorInfo | None

    @property
    def cursor(self) -> RunCursor:
        return RunCursor(self.created_at, self.job_id, self.run)


class RunCursor(NamedTuple):
    """Where a page of runs ended: the next one goes on after it."""

    created_at: datetime
    job_id: JobId
    run: int


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list; a field that is ``None`` or empty admits all. ``created_before`` is exclusive."""

    job_type: str | None = None
    tenant: str | None = None
    statuses: frozenset[RunStatus] = frozenset()
    paused: bool | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks of a run to list; a field that is ``None`` or empty admits all."""

    stage: int | None = None
    statuses: frozenset[TaskStatus] = frozenset()


@dataclass(frozen=True, slots=True)
class NewDeadLetter:
    """A message that was dead-lettered, as the bus gives it."""

    queue: str
    message_id: str
    message_type: str
    body: bytes
    reason: str
    description: str


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A dead letter that was written down. ``replays`` counts how often it was sent again, last by ``replayed_by``."""

    record_id: int
    letter: NewDeadLetter
    recorded_at: datetime
    replays: int = 0
    replayed_at: datetime | None = None
    replayed_by: str = ""
