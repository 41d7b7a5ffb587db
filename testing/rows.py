"""The rows behind :class:`testing.mock_state.MockStateManager`. They change in place, as table rows do;
what leaves the store is a frozen record made from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from core.ids import JobId, WorkerId
from core.messages import StageCompleteMessage
from core.model import (
    TERMINAL_RUN,
    AttemptRecord,
    FailurePolicy,
    Lease,
    LeaseExpired,
    NewStage,
    NewTask,
    OutboundMessage,
    OutboxRow,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
    TaskRecord,
    TaskResult,
    TaskStatus,
)
from core.outcome import ErrorInfo

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


class Wakeup:
    """A message that somebody waits for. ``published_at`` is ``None`` while it is in the outbox."""

    __slots__ = ("message", "published_at")

    def __init__(self, message: OutboundMessage) -> None:
        self.message = message
        self.published_at: datetime | None = None

    def stale(self, before: datetime) -> bool:
        if self.published_at is None:
            return False
        return max(self.published_at, self.message.not_before or self.published_at) < before


class Outbox:
    """Committed messages that are not known to be published, by row id."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[Wakeup, datetime]] = {}
        self._ids = count(1)

    def add(self, wakeup: Wakeup, now: datetime) -> OutboxRow:
        row_id = next(self._ids)
        self._rows[row_id] = (wakeup, now)
        return OutboxRow(row_id, wakeup.message)

    def oldest(self, limit: int, before: datetime) -> Sequence[OutboxRow]:
        found = (OutboxRow(row_id, wakeup.message) for row_id, (wakeup, at) in self._rows.items() if at < before)
        return [row for row, _ in zip(found, range(limit), strict=False)]

    def publish(self, row_ids: Sequence[int], now: datetime) -> None:
        for row_id in row_ids:
            row = self._rows.pop(row_id, None)
            if row is not None:
                row[0].published_at = now

    def drop(self, job_id: JobId, run: int) -> None:
        prefix = f"{job_id}:{run}:"
        for row_id in [key for key, (wakeup, _) in self._rows.items() if wakeup.message.message_id.startswith(prefix)]:
            del self._rows[row_id]


class RunRow:
    __slots__ = (
        "created_at",
        "error",
        "events",
        "job_id",
        "job_type",
        "parameters_json",
        "result_json",
        "retries_used",
        "retry_budget",
        "run",
        "stages",
        "status",
        "tenant",
        "updated_at",
        "wakeup",
    )

    def __init__(
        self,
        job_id: JobId,
        run: int,
        job_type: str,
        tenant: str,
        parameters_json: str,
        retry_budget: int | None,
        message: OutboundMessage,
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
        self.stages: list[StageRow] = []
        self.events = FlatLog(7)
        self.result_json: str | None = None
        self.error: ErrorInfo | None = None
        self.created_at = now
        self.updated_at = now
        self.wakeup = Wakeup(message)

    @property
    def key(self) -> tuple[JobId, int]:
        return (self.job_id, self.run)

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_RUN

    @property
    def newest_stage(self) -> int:
        return self.stages[-1].number if self.stages else 0

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
        )

    def snapshot(self) -> dict[str, Any]:
        return {
            "job_type": self.job_type,
            "run": self.run,
            "status": self.status.value,
            "current_stage": self.newest_stage,
            "parameters": json.loads(self.parameters_json),
            "result": _loads(self.result_json),
            "error": _error(self.error),
            "retries_used": self.retries_used,
        }


class StageRow:
    __slots__ = (
        "failed",
        "failure_policy",
        "name",
        "number",
        "remaining",
        "run",
        "status",
        "task_type",
        "tasks",
        "wakeup",
    )

    def __init__(self, new: NewStage, run: RunRow) -> None:
        self.run = run
        self.number = new.number
        self.name = new.name
        self.task_type = new.task_type
        self.failure_policy = new.failure_policy
        self.status = StageStatus.RUNNING
        self.tasks: list[TaskRow] = []
        self.remaining = 0
        self.failed = 0
        self.wakeup = Wakeup(new.on_end)

    @classmethod
    def for_test(cls, run: RunRow, number: int, task_type: str, policy: FailurePolicy) -> StageRow:
        message = StageCompleteMessage(job_id=run.job_id, run=run.run, job_type=run.job_type, stage=number)
        on_end = OutboundMessage("jobs", message.message_id, message.name, message.encode())
        stage = cls(NewStage(number, f"stage {number}", task_type, policy, (), on_end), run)
        run.stages = sorted([*run.stages, stage], key=lambda row: row.number)
        return stage

    def add(self, task: TaskRow) -> None:
        self.tasks.append(task)
        self.remaining += 1

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
            total=len(self.tasks),
            remaining=self.remaining,
            failed=self.failed,
        )

    def stats(self) -> dict[str, Any]:
        by_status = dict.fromkeys((status.value for status in TaskStatus), 0)
        for task in self.tasks:
            by_status[task.status.value] += 1
        return {
            "name": self.name,
            "task_type": self.task_type,
            "status": self.status.value,
            "total": len(self.tasks),
        } | by_status


class TaskRow:
    __slots__ = (
        "attempt",
        "charged",
        "checkpoint_json",
        "error",
        "lease",
        "name",
        "parameters_json",
        "progress",
        "progressed",
        "result_json",
        "stage",
        "status",
        "task_id",
        "token",
        "tries",
        "wakeup",
    )

    def __init__(self, stage: StageRow, new: NewTask) -> None:
        self.stage = stage
        self.task_id = new.task_id
        self.name = new.name
        self.parameters_json = new.parameters_json
        self.wakeup = Wakeup(new.message)
        self.status = TaskStatus.QUEUED
        self.attempt = 1
        self.charged = 0
        self.token = 0
        self.lease: Lease | None = None
        self.tries: list[TryRow] = []
        self.progressed = False
        self.progress: tuple[float, str] | None = None
        self.checkpoint_json: str | None = None
        self.result_json: str | None = None
        self.error: ErrorInfo | None = None

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

    def record(self) -> TaskRecord:
        percent, message = self.progress or (None, "")
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
        )

    def snapshot(self) -> dict[str, Any]:
        return {
            "job_id": self.stage.run.job_id,
            "stage": self.stage.number,
            "name": self.name,
            "task_type": self.stage.task_type,
            "status": self.status.value,
            "attempt": self.attempt,
            "parameters": json.loads(self.parameters_json),
            "result": _loads(self.result_json),
            "error": _error(self.error),
        }


def _loads(text: str | None) -> Any:
    return json.loads(text) if text is not None else None


def _error(error: ErrorInfo | None) -> dict[str, Any] | None:
    return {"code": error.code, "message": error.message, "retryable": error.retryable} if error else None
