"""Rows of the store's statements as the frozen records of the core, and ids as the columns that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from core.ids import JobId, TaskId, WorkerId, task_id_under, task_message_id
from core.listing import DeadLetterRecord, NewDeadLetter, RunSummary
from core.messages import TaskQueueMessage
from core.model import (
    AttemptRecord,
    Event,
    EventKind,
    FailurePolicy,
    Lease,
    LeaseExpired,
    OutboundMessage,
    OutboxRow,
    RunningTask,
    RunRecord,
    RunStatus,
    StageActivity,
    StageRecord,
    StageStatus,
    TaskRecord,
    TaskResult,
    TaskStatus,
)
from core.outcome import ErrorInfo
from infrastructure.postgres.database import Row


def task_id(prefix: str, stage: int, name: str) -> TaskId:
    """``prefix`` is ``job:run:``."""
    return cast("TaskId", f"{prefix}{stage}:{name}")


def error_of(row: Row) -> ErrorInfo | None:
    if row.error_code is None:
        return None
    return ErrorInfo(row.error_code, row.error_message, row.error_retryable)


def run_record(rows: Sequence[Row]) -> RunRecord:
    """``rows`` are one a stage, or a single one without a stage."""
    first = rows[0]
    return RunRecord(
        job_id=JobId(first.job_id),
        run=first.run,
        job_type=first.job_type,
        tenant=first.tenant,
        parameters_json=first.parameters_json,
        status=RunStatus(first.status),
        stages=tuple(_stage(row) for row in rows if row.number is not None),
        created_at=first.created_at,
        updated_at=first.updated_at,
        result_json=first.result_json,
        error=error_of(first),
        retries_used=first.retries_used,
        retry_budget=first.retry_budget,
        paused=first.paused,
        deadline=first.deadline,
    )


def _stage(row: Row) -> StageRecord:
    return StageRecord(
        number=row.number,
        name=row.name,
        task_type=row.task_type,
        status=StageStatus(row.stage_status),
        failure_policy=FailurePolicy(row.failure_policy),
        total=row.total,
        remaining=row.remaining,
        failed=row.failed,
    )


def run_summary(row: Row) -> RunSummary:
    return RunSummary(
        job_id=JobId(row.job_id),
        run=row.run,
        job_type=row.job_type,
        tenant=row.tenant,
        status=RunStatus(row.status),
        paused=row.paused,
        created_at=row.created_at,
        updated_at=row.updated_at,
        error=error_of(row),
    )


def task_record(job_id: JobId, run: int, row: Row) -> TaskRecord:
    return TaskRecord(
        task_id=task_id(f"{job_id}:{run}:", row.stage, row.name),
        job_id=job_id,
        run=run,
        stage=row.stage,
        name=row.name,
        task_type=row.task_type,
        status=TaskStatus(row.status),
        attempt=row.attempt,
        charged=row.charged,
        parameters_json=row.parameters_json,
        result_json=row.result_json,
        error=error_of(row),
        checkpoint_json=row.checkpoint_json,
        progress_percent=row.progress_percent,
        progress_message=row.progress_message,
        progress_at=row.progress_at,
        progress_rate=row.progress_rate,
    )


def stage_activity(rows: Sequence[Row]) -> StageActivity:
    """``rows`` are one a running task, or a single one without a task."""
    return StageActivity(rows[0].began_at, rows[0].ended, tuple(_running(row) for row in rows if row.name is not None))


def _running(row: Row) -> RunningTask:
    progress = (row.progress_percent, row.progress_message, row.progress_at, row.progress_rate)
    return RunningTask(row.name, row.attempt, row.started_at, *progress)


def task_result(row: Row) -> TaskResult:
    return TaskResult(row.name, TaskStatus(row.status), row.result_json, error_of(row))


def attempt_record(task: TaskId, row: Row) -> AttemptRecord:
    return AttemptRecord(
        task_id=task,
        attempt=row.attempt,
        owner=WorkerId(row.owner),
        token=row.token,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        error=error_of(row),
    )


def event(job_id: JobId, run: int, row: Row) -> Event:
    named = row.name is not None
    return Event(
        sequence=row.number,
        at=row.at,
        kind=EventKind(row.kind),
        job_id=job_id,
        run=run,
        stage=row.stage,
        task_id=task_id(f"{job_id}:{run}:", row.stage, row.name) if named else None,
        attempt=row.attempt,
        detail=row.detail,
        actor=row.actor,
    )


def lease_expired(row: Row) -> LeaseExpired:
    task = task_id(f"{row.job_id}:{row.run}:", row.stage, row.name)
    lease = Lease(task, row.attempt, row.token, WorkerId(row.owner), row.expires_at)
    return LeaseExpired(lease, row.job_type, row.task_type, row.charged, row.progressed)


def dead_letter(row: Row) -> DeadLetterRecord:
    letter = NewDeadLetter(row.queue, row.message_id, row.message_type, row.body, row.reason, row.description)
    return DeadLetterRecord(row.record_id, letter, row.recorded_at, row.replays, row.replayed_at, row.replayed_by)


def outbox_row(row: Row) -> OutboxRow:
    """A row of the outbox with the message that it stands for."""
    match row.wakes:
        case "task":
            message = task_wakeup(row)
        case "stage":
            message = OutboundMessage(row.end_queue, row.end_message_id, row.end_message_type, row.end_body)
        case "run":
            message = OutboundMessage(row.wake_queue, row.wake_message_id, row.wake_message_type, row.wake_body)
        case _:
            message = OutboundMessage(row.letter_queue, row.letter_message_id, row.letter_message_type, row.letter_body)
    return OutboxRow(row.row_id, message)


def task_wakeup(row: Row) -> OutboundMessage:
    """The message that wakes a task for one attempt, made of the ids that it carries."""
    task = task_id_under(f"{row.job_id}:{row.run}:{row.stage}:", row.name)
    message = TaskQueueMessage(
        job_id=row.job_id,
        run=row.run,
        job_type=row.job_type,
        stage=row.stage,
        task_id=task,
        task_type=row.task_type,
        attempt=row.attempt,
    )
    return OutboundMessage(
        row.task_queue, task_message_id(task, row.attempt), message.name, message.encode(), row.not_before
    )
