"""Runs and stages: submitting, opening, ending."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.errors import DefinitionError, IdempotencyConflict
from core.ids import JobId
from core.limits import check_error, check_json, check_text
from core.model import (
    NewJob,
    NewStage,
    Opened,
    OutboundMessage,
    OutboxRow,
    RunRecord,
    RunStatus,
    Submitted,
    TaskResult,
)
from core.outcome import ErrorInfo
from infrastructure.postgres.database import Database, Statements, lists
from infrastructure.postgres.rows import run_record, task_result
from infrastructure.postgres.run_keys import MAX_INTEGER, MAX_SMALL, RunKeys, can_be
from infrastructure.postgres.sql_blocks import load_blocks

_RUNS, _STAGES = load_blocks("runs.sql"), load_blocks("stages.sql")

MAX_SHARDS = 16
TASKS_A_SHARD = 8


class RunStatements:
    """The part of the store that knows runs and stages."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def submit_job(self, job: NewJob, now: datetime) -> Submitted:
        _check_job(job)
        while True:
            submitted = self._create(job, now) or self._existing(job)
            if submitted is not None:  # None: what was in the way has been deleted since
                return submitted

    def _create(self, job: NewJob, now: datetime) -> Submitted | None:
        row = self._database.row(
            _RUNS["submit_job"],
            job_id=job.job_id,
            tenant=job.tenant,
            idempotency_key=job.idempotency_key,
            job_type=job.job_type,
            parameters_json=job.parameters_json,
            retry_budget=job.retry_budget,
            deadline=job.deadline,
            now=now,
            **message_columns(job.message),
        )
        if row is None:
            return None
        self._keys.remember(job.job_id, 1, row.run_key)
        run = RunRecord(
            job_id=job.job_id,
            run=1,
            job_type=job.job_type,
            tenant=job.tenant,
            parameters_json=job.parameters_json,
            status=RunStatus.QUEUED,
            stages=(),
            created_at=now,
            updated_at=now,
            retry_budget=job.retry_budget,
            deadline=job.deadline,
        )
        return Submitted(run, True, (OutboxRow(row.row_id, job.message),))

    def load_run(self, job_id: JobId, run: int) -> RunRecord | None:
        return self._load(job_id, run)

    def latest_run(self, job_id: JobId) -> RunRecord | None:
        return self._load(job_id, None)

    def open_stage(self, job_id: JobId, run: int, stage: NewStage, now: datetime) -> Opened:
        key = self._keys.find(job_id, run)
        if key is None:
            return Opened(False, ())
        _check_stage(stage)
        if not 0 < stage.number <= MAX_SMALL:
            return Opened(False, ())
        opened = self._open(key, stage, now)
        if opened is None and (other := self._keys.other(job_id, run, key)) is not None:
            opened = self._open(other, stage, now)
        return opened or Opened(False, ())

    def _open(self, key: int, stage: NewStage, now: datetime) -> Opened | None:
        row = self._database.row(
            _STAGES["open_stage"],
            run_key=key,
            number=stage.number,
            name=stage.name,
            task_type=stage.task_type,
            failure_policy=stage.failure_policy.value,
            total=len(stage.tasks),
            shards=shard_count(len(stage.tasks)),
            task_queue=stage.tasks[0].message.queue if stage.tasks else None,
            now=now,
            **lists(
                names=[task.name for task in stage.tasks],
                parameters=[task.parameters_json for task in stage.tasks],
            ),
            **message_columns(stage.on_end, "end_"),
        )
        if row is None:
            return None
        if not stage.tasks:
            return Opened(True, (OutboxRow(row.end_row, stage.on_end),))
        if row.paused:
            return Opened(True, ())
        messages = [task.message for task in stage.tasks]
        return Opened(True, tuple(map(OutboxRow, row.task_rows, messages)))

    def finish_run(
        self,
        job_id: JobId,
        run: int,
        status: RunStatus,
        result_json: str | None,
        error: ErrorInfo | None,
        now: datetime,
        newest_stage: int | None = None,
        actor: str = "",
    ) -> bool:
        check_json(result_json or "", "result")
        check_text(actor, "actor")
        if error is not None:
            check_error(error)
        key = self._keys.find(job_id, run)
        if key is None or (newest_stage is not None and not 0 <= newest_stage <= MAX_SMALL):
            return False

        end = RunEnd(status, result_json, error, now, newest_stage, actor)
        if self._end(key, end):
            return True
        other = self._keys.other(job_id, run, key)
        return other is not None and self._end(other, end)

    def stage_results(self, job_id: JobId, run: int, stage: int) -> Sequence[TaskResult]:
        key = self._keys.find(job_id, run)
        if key is None:
            return ()
        rows = self._database.rows(_STAGES["stage_results"], run_key=key, stage=stage)
        if not rows and (other := self._keys.other(job_id, run, key)) is not None:
            rows = self._database.rows(_STAGES["stage_results"], run_key=other, stage=stage)
        return [task_result(row) for row in rows]

    def _end(self, key: int, end: RunEnd) -> bool:
        with self._database.transaction() as statements:
            return end_run(statements, key, end)

    def _load(self, job_id: JobId, run: int | None) -> RunRecord | None:
        if (run is not None and not 0 < run <= MAX_INTEGER) or not can_be(job_id):
            return None
        rows = self._database.rows(_RUNS["load_run"], job_id=job_id, run=run)
        if not rows:
            return None
        self._keys.remember(job_id, rows[0].run, rows[0].run_key)
        return run_record(rows)

    def _existing(self, job: NewJob) -> Submitted | None:
        if job.idempotency_key is not None:
            holder = self._database.row(
                _RUNS["idempotency_holder"], tenant=job.tenant, idempotency_key=job.idempotency_key
            )
            if holder is not None and holder.job_id != job.job_id:
                raise IdempotencyConflict("this idempotency key was used with other content")
        found = self.latest_run(job.job_id)
        return Submitted(found, False, ()) if found is not None else None


class RunEnd(NamedTuple):
    """How a run ends; ``newest_stage`` is for a caller who may be late."""

    status: RunStatus
    result_json: str | None
    error: ErrorInfo | None
    now: datetime
    newest_stage: int | None = None
    actor: str = ""


def end_run(statements: Statements, key: int, end: RunEnd, cancelled: int = 0, failed_shard: int | None = None) -> bool:
    """End a run inside a transaction; whether it had not ended before.

    Tasks that are left are cancelled; ``cancelled`` is how many of them were already, ``failed_shard`` where the one is
    counted that failed and brings the run's end.
    """
    told = {"status": end.status.value, "now": end.now, "actor": end.actor}
    error = dict(zip(("error_code", "error_message", "error_retryable"), error_columns(end.error), strict=True))
    result = {"result_json": end.result_json, "newest_stage": end.newest_stage}
    ended = statements.row(_RUNS["end_run"], run_key=key, **told, **error, **result)
    if ended is None:
        return False
    if ended.stage_runs:
        where = {"run_key": key, "stage": ended.newest_stage}
        cancelled += statements.count(_RUNS["cancel_tasks"], spared=None, **where)
        counts = {"cancelled": cancelled, "failed_shard": failed_shard}
        statements.count(_RUNS["end_cancelled_stage"], **counts, **told, **where)
    return True


def message_columns(message: OutboundMessage | None, prefix: str = "") -> dict[str, object]:
    values: Sequence[object] = message[:4] if message is not None else (None,) * 4
    return {f"{prefix}{name}": value for name, value in zip(_MESSAGE_COLUMNS, values, strict=True)}


_MESSAGE_COLUMNS = ("queue", "message_id", "message_type", "body")


def error_columns(error: ErrorInfo | None) -> tuple[str | None, str | None, bool | None]:
    """Code, message and whether a retry may help."""
    if error is None:
        return (None, None, None)
    return (error.code, error.message, error.retryable)


def shard_count(tasks: int) -> int:
    """In how many rows a stage of ``tasks`` tasks is counted down."""
    return max(1, min(MAX_SHARDS, tasks // TASKS_A_SHARD)) if tasks else 0


def _check_job(job: NewJob) -> None:
    check_text(job.tenant, "tenant")
    check_text(job.idempotency_key or "", "idempotency key")
    check_json(job.parameters_json, "parameters")


def _check_stage(stage: NewStage) -> None:
    if len({task.name for task in stage.tasks}) != len(stage.tasks):
        raise DefinitionError(f"stage {stage.name!r}: two tasks have the same name")
    for task in stage.tasks:
        check_json(task.parameters_json, f"parameters of task {task.name}")
