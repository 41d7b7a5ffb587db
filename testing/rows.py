"""The rows behind :class:`testing.mock_state.MockStateManager`. They change in place, as table rows do;
what leaves the store is a frozen record made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from core.ids import JobId, TaskId, WorkerId
from core.listing import RunSummary
from core.messages import StageCompleteMessage
from core.model import (
    TERMINAL_RUN,
    AttemptRecord,
    FailurePolicy,
    Lease,
    LeaseExpired,
    NewStage,
    OutboundMessage,
    RunningTask,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
    TaskRecord,
    TaskResult,
    TaskStatus,
)
from core.outcome import ErrorInfo

NO_GRACE = timedelta(0)

TryRow = tuple[int, WorkerId, int, datetime, datetime | None, str | None, ErrorInfo | None]


class FlatLog:
    """Append-only rows of one width, in one flat list.

    A row leaves no object behind, so that a log of every task's every step does not slow the garbage
    collector down. ``add`` takes a row as a tuple.
    """

    __slots__ = ("_cells", "_width", "add")

    def __init__(self, width: int) -> None:
        self._cells: list[Any] = []
        self._width = width
        self.add = self._cells.extend

    def rows(self) -> Iterator[tuple[Any, ...]]:
        return zip(*[iter(self._cells)] * self._width, strict=True)

    def drop(self, unwanted: Callable[[tuple[Any, ...]], bool]) -> None:
        self._cells[:] = [cell for row in self.rows() if not unwanted(row) for cell in row]


class RunRow:
    """``woken_at`` is when its job message was last published, and its ``grace`` later where it was reissued."""

    __slots__ = (
        "created_at",
        "deadline",
        "ended_at",
        "error",
        "events",
        "grace",
        "job_id",
        "job_type",
        "message",
        "parameters_json",
        "paused",
        "result_json",
        "retries_used",
        "retry_budget",
        "run",
        "stages",
        "status",
        "tenant",
        "updated_at",
        "woken_at",
    )

    def __init__(
        self,
        job_id: JobId,
        run: int,
        job_type: str,
        tenant: str,
        parameters_json: str,
        retry_budget: int | None,
        message: OutboundMessage | None,
        now: datetime,
    ) -> None:
        self.job_id = job_id
        self.run = run
        self.job_type = job_type
        self.tenant = tenant
        self.parameters_json = parameters_json
        self.retry_budget = retry_budget
        self.retries_used = 0
        self.status = RunStatus.QUEUED
        self.paused = False
        self.stages: list[StageRow] = []
        self.events = FlatLog(8)
        self.result_json: str | None = None
        self.error: ErrorInfo | None = None
        self.created_at = now
        self.updated_at = now
        self.ended_at: datetime | None = None
        self.deadline: datetime | None = None
        self.message = message
        self.woken_at: datetime | None = None
        self.grace = NO_GRACE

    def next_run(self, message: OutboundMessage | None, now: datetime) -> RunRow:
        """Another run of the same content."""
        return RunRow(
            self.job_id,
            self.run + 1,
            self.job_type,
            self.tenant,
            self.parameters_json,
            self.retry_budget,
            message,
            now,
        )

    @property
    def key(self) -> tuple[JobId, int]:
        return (self.job_id, self.run)

    @property
    def wakeup(self) -> OutboundMessage | None:
        return self.message

    @property
    def due(self) -> datetime | None:
        return self.woken_at

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_RUN

    @property
    def newest_stage(self) -> int:
        return self.stages[-1].number if self.stages else 0

    def published(self, message: OutboundMessage, now: datetime, single: bool) -> None:
        self.woken_at = now + self.grace

    def touch(self, now: datetime) -> None:
        self.updated_at = max(self.updated_at, now)

    def may_open(self, number: int) -> bool:
        if self.ended:
            return False
        if not self.stages:
            return number == 1
        last = self.stages[-1]
        return last.number == number - 1 and last.status is not StageStatus.RUNNING

    def record(self) -> RunRecord:
        return RunRecord(
            job_id=self.job_id,
            run=self.run,
            job_type=self.job_type,
            tenant=self.tenant,
            parameters_json=self.parameters_json,
            status=self.status,
            stages=tuple(stage.record() for stage in self.stages),
            created_at=self.created_at,
            updated_at=self.updated_at,
            result_json=self.result_json,
            error=self.error,
            retries_used=self.retries_used,
            retry_budget=self.retry_budget,
            paused=self.paused,
            deadline=self.deadline,
        )

    def summary(self) -> RunSummary:
        return RunSummary(
            job_id=self.job_id,
            run=self.run,
            job_type=self.job_type,
            tenant=self.tenant,
            status=self.status,
            paused=self.paused,
            created_at=self.created_at,
            updated_at=self.updated_at,
            error=self.error,
        )


class StageRow:
    """``tasks_woken_at`` is when a wake-up of a first attempt was last published, ``woken_at`` when ``on_end`` was, and
    its ``grace`` later where that was reissued.
    """

    __slots__ = (
        "began_at",
        "ended",
        "failed",
        "failure_policy",
        "grace",
        "name",
        "number",
        "on_end",
        "remaining",
        "run",
        "status",
        "task_type",
        "tasks",
        "tasks_woken_at",
        "total",
        "woken_at",
    )

    def __init__(self, run: RunRow, number: int, name: str, task_type: str, policy: FailurePolicy) -> None:
        self.run = run
        self.number = number
        self.name = name
        self.task_type = task_type
        self.failure_policy = policy
        self.status = StageStatus.RUNNING
        self.tasks: list[TaskRow] = []
        self.total = 0
        self.remaining = 0
        self.failed = 0
        self.began_at: datetime | None = None
        self.ended = 0
        self.on_end: OutboundMessage | None = None
        self.woken_at: datetime | None = None
        self.tasks_woken_at: datetime | None = None
        self.grace = NO_GRACE

    def count_ended(self, started_at: datetime) -> None:
        """Count an attempt that ended its task, and began at that time."""
        self.ended += 1
        if self.began_at is None or started_at < self.began_at:
            self.began_at = started_at

    @classmethod
    def opened(cls, new: NewStage, run: RunRow) -> StageRow:
        stage = cls(run, new.number, new.name, new.task_type, new.failure_policy)
        stage.on_end = new.on_end
        return stage

    @classmethod
    def for_test(cls, run: RunRow, number: int, task_type: str, policy: FailurePolicy) -> StageRow:
        stage = cls(run, number, f"stage {number}", task_type, policy)
        message = StageCompleteMessage(job_id=run.job_id, run=run.run, job_type=run.job_type, stage=number)
        stage.on_end = OutboundMessage("jobs", message.message_id, message.name, message.encode())
        run.stages = sorted([*run.stages, stage], key=lambda row: row.number)
        return stage

    def copy_for(self, run: RunRow) -> StageRow:
        """The stage as it ended, without its tasks, for another run."""
        stage = StageRow(run, self.number, self.name, self.task_type, self.failure_policy)
        stage.status = self.status
        return stage

    def add(self, task: TaskRow) -> None:
        self.tasks.append(task)
        self.total += 1
        self.remaining += 1

    def add_ended(self, task: TaskRow) -> None:
        self.tasks.append(task)
        self.total += 1
        self.failed += task.status is TaskStatus.FAILED

    def published(self, message: OutboundMessage, now: datetime, single: bool) -> None:
        self.woken_at = now + self.grace

    @property
    def wakeup(self) -> OutboundMessage | None:
        return self.on_end

    @property
    def due(self) -> datetime | None:
        return self.woken_at

    def close_with(self, status: RunStatus) -> bool:
        """Give a stage that still runs the end that its run has; whether it still ran."""
        if self.status is not StageStatus.RUNNING:
            return False
        self.status = StageStatus.FAILED if status is RunStatus.FAILED else StageStatus.CANCELLED
        return True

    def record(self) -> StageRecord:
        return StageRecord(
            number=self.number,
            name=self.name,
            task_type=self.task_type,
            status=self.status,
            failure_policy=self.failure_policy,
            total=self.total,
            remaining=self.remaining,
            failed=self.failed,
        )


class TaskRow:
    """``woken_at`` is when its wake-up was published and due, and its ``grace`` later where that was reissued; where it
    has no time of its own, that of its stage counts.
    """

    __slots__ = (
        "attempt",
        "charged",
        "checkpoint_json",
        "error",
        "grace",
        "lease",
        "message",
        "name",
        "parameters_json",
        "progress",
        "progressed",
        "result_json",
        "stage",
        "status",
        "task_id",
        "tries",
        "woken_at",
    )

    def __init__(
        self, stage: StageRow, task_id: TaskId, name: str, parameters_json: str, message: OutboundMessage | None
    ) -> None:
        self.stage = stage
        self.task_id = task_id
        self.name = name
        self.parameters_json = parameters_json
        self.message = message
        self.woken_at: datetime | None = None
        self.grace = NO_GRACE
        self.status = TaskStatus.QUEUED
        self.attempt = 1
        self.charged = 0
        self.lease: Lease | None = None
        self.tries: list[TryRow] = []
        self.progressed = False
        self.progress: tuple[float, str, datetime, float | None] | None = None
        self.checkpoint_json: str | None = None
        self.result_json: str | None = None
        self.error: ErrorInfo | None = None

    def copy_for(self, stage: StageRow, task_id: TaskId) -> TaskRow:
        """The task as it ended, without its history, for a stage of another run."""
        task = TaskRow(stage, task_id, self.name, self.parameters_json, None)
        task.status, task.attempt, task.charged = self.status, self.attempt, self.charged
        task.result_json, task.error = self.result_json, self.error
        task.checkpoint_json, task.progress = self.checkpoint_json, self.progress
        return task

    @property
    def size(self) -> int:
        return len(self.parameters_json) + len(self.result_json or "") + len(self.checkpoint_json or "")

    def wake(self, message: OutboundMessage, grace: timedelta = NO_GRACE) -> None:
        """Wait for a wake-up of its own."""
        self.message, self.woken_at, self.grace = message, None, grace

    def published(self, message: OutboundMessage, now: datetime, single: bool) -> None:
        if not single:
            self.stage.tasks_woken_at = now
        elif message is self.message:
            self.woken_at = max(now, message.not_before or now) + self.grace

    @property
    def wakeup(self) -> OutboundMessage | None:
        return self.message

    @property
    def due(self) -> datetime | None:
        """When its wake-up was published and due, and its grace over."""
        return self.woken_at or self.stage.tasks_woken_at

    def expired(self) -> LeaseExpired:
        assert self.lease is not None
        return LeaseExpired(self.lease, self.stage.run.job_type, self.stage.task_type, self.charged, self.progressed)

    def outcome(self) -> TaskResult:
        return TaskResult(self.name, self.status, self.result_json, self.error)

    def attempt_records(self) -> list[AttemptRecord]:
        return [AttemptRecord(self.task_id, *row) for row in self.tries]

    def end_attempt(self, now: datetime, outcome: str, error: ErrorInfo | None) -> None:
        """Take the lease away and write down how the attempt ended."""
        if self.lease is not None:
            self.tries[-1] = (*self.tries[-1][:4], now, str(outcome), error)
            self.lease = None

    def running(self) -> RunningTask:
        started_at = self.tries[-1][3]
        own = self.progress is not None and self.progress[2] >= started_at
        said = self.progress if own or self.checkpoint_json is not None else None
        return RunningTask(self.name, self.attempt, started_at, *(said or ()))

    def record(self) -> TaskRecord:
        percent, message, at, rate = self.progress or (None, "", None, None)
        return TaskRecord(
            task_id=self.task_id,
            job_id=self.stage.run.job_id,
            run=self.stage.run.run,
            stage=self.stage.number,
            name=self.name,
            task_type=self.stage.task_type,
            status=self.status,
            attempt=self.attempt,
            charged=self.charged,
            parameters_json=self.parameters_json,
            result_json=self.result_json,
            error=self.error,
            checkpoint_json=self.checkpoint_json,
            progress_percent=percent,
            progress_message=message,
            progress_at=at,
            progress_rate=rate,
        )
