"""State stores whose transitions are not atomic: a place in the middle of one, where others may go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from core.decisions import Transition
from core.ids import JobId, TaskId, WorkerId
from core.model import ClaimResult, Finished, Lease, NewStage, Opened, OutboundMessage, TaskStatus
from core.ports import Clock
from testing.mock_state import MockStateManager
from testing.rows import StageRow


class InParts(MockStateManager):
    """``yield_point`` is called where another transaction may come between a read and the write that follows it."""

    def __init__(self, clock: Clock, yield_point: Callable[[], None]) -> None:
        super().__init__(clock)
        self._yield_point = yield_point


class CountsWithoutALock(InParts):
    """Reads a stage's counter, and writes what it has read less one: updates get lost."""

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        stage = self._tasks[lease.task_id].stage
        read = stage.remaining
        self._yield_point()
        self._held(lease, "finish_attempt")
        stage.remaining = read
        return super().finish_attempt(lease, transition, wakeup, now)


class ClaimsWithoutComparing(InParts):
    """Looks whether a task is free, and then takes it, free or not."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        task = self._tasks.get(task_id)
        free = task is not None and task.status is TaskStatus.QUEUED and task.attempt == attempt
        self._yield_point()
        if task is not None and free:
            task.status, task.attempt = TaskStatus.QUEUED, attempt
        return super().claim_task(task_id, attempt, worker, lease_seconds, now)


class OpensWithoutComparing(InParts):
    """Looks whether a stage may be opened, and then opens it, there or not."""

    def open_stage(self, job_id: JobId, run: int, stage: NewStage, now: datetime) -> Opened:
        row = self._runs.get((job_id, run))
        free = row is not None and row.may_open(stage.number)
        self._yield_point()
        if row is not None and free:
            there: list[StageRow] = [found for found in row.stages if found.number < stage.number]
            row.stages[:] = there
        return super().open_stage(job_id, run, stage, now)
