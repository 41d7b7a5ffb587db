"""What operators do to jobs, and look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.ids import JobId, TaskId
from core.limits import check_json, check_text
from core.listing import DeadLetterRecord, NewDeadLetter, RunCursor, RunFilter, RunSummary, TaskFilter
from core.model import AttemptRecord, Event, NewRun, OutboxRow, ReplayedStage, Submitted, TaskRecord
from infrastructure.postgres.database import Database, Row, Statements, joined
from infrastructure.postgres.recovery import outbox_rows
from infrastructure.postgres.rows import (
    attempt_record,
    dead_letter,
    event,
    run_record,
    run_summary,
    task_record,
)
from infrastructure.postgres.run_keys import RunKeys
from infrastructure.postgres.runs import message_columns
from infrastructure.postgres.sql_blocks import load_blocks

_SQL, _RUNS, _TASKS = load_blocks("operations.sql"), load_blocks("runs.sql"), load_blocks("tasks.sql")


class OperationStatements:
    """The part of the store that operators use."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        check_text(new.actor, "actor")
        for task in new.replayed.tasks if new.replayed is not None else ():
            check_json(task.parameters_json, f"parameters of task {task.name}")
        with self._database.transaction() as statements:
            latest = statements.row(_SQL["lock_latest_run"], job_id=new.job_id)
            if latest is None or latest.run != new.run - 1 or not latest.ended:
                return None
            key = _create_run(statements, new, latest.run_key, now)
            outbox = _wake(statements, new, key, latest.run_key, now)
            rows = statements.rows(_RUNS["load_run"], job_id=new.job_id, run=new.run)
        self._keys.remember(new.job_id, new.run, key)
        return Submitted(run_record(rows), True, outbox)

    def pause_run(self, job_id: JobId, run: int, actor: str, now: datetime) -> bool:
        check_text(actor, "actor")
        key = self._keys.find(job_id, run, afresh=True)
        if key is None:
            return False
        return self._database.row(_SQL["pause_run"], run_key=key, actor=actor, now=now) is not None

    def resume_run(self, job_id: JobId, run: int, actor: str, now: datetime) -> Sequence[OutboxRow] | None:
        check_text(actor, "actor")
        key = self._keys.find(job_id, run, afresh=True)
        if key is None:
            return None
        with self._database.transaction() as statements:
            if statements.row(_SQL["resume_run"], run_key=key, actor=actor, now=now) is None:
                return None
            rows = statements.rows(_SQL["task_rows_of_run"], run_key=key)
            return outbox_rows(statements, [row.row_id for row in rows])

    def list_runs(self, filters: RunFilter, after: RunCursor | None, limit: int) -> Sequence[RunSummary]:
        rows = self._database.rows(
            _SQL["list_runs"],
            job_type=filters.job_type,
            tenant=filters.tenant,
            statuses=sorted(filters.statuses) or None,
            paused=filters.paused,
            created_from=filters.created_from,
            created_before=filters.created_before,
            after_at=after.created_at if after is not None else None,
            after_job=after.job_id if after is not None else None,
            after_run=after.run if after is not None else None,
            limit=limit,
        )
        return [run_summary(row) for row in rows]

    def list_tasks(
        self, job_id: JobId, run: int, filters: TaskFilter, after: TaskId | None, limit: int
    ) -> Sequence[TaskRecord]:
        key = self._keys.find(job_id, run, afresh=True)
        last = self._keys.place(after) if after is not None else None
        if key is None:
            return ()
        rows = self._database.rows(
            _SQL["list_tasks"],
            run_key=key,
            stage=filters.stage,
            statuses=sorted(filters.statuses) or None,
            after_stage=last.stage if last is not None else None,
            after_name=last.name if last is not None else None,
            limit=limit,
        )
        return [task_record(job_id, run, row) for row in rows]

    def list_attempts(self, task_id: TaskId) -> Sequence[AttemptRecord]:
        place = self._keys.place(task_id, afresh=True)
        if place is None:
            return ()
        return [attempt_record(task_id, row) for row in self._database.rows(_TASKS["list_attempts"], **place.columns)]

    def list_events(self, job_id: JobId, run: int, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        key = self._keys.find(job_id, run, afresh=True)
        if key is None:
            return ()
        rows = self._database.rows(_SQL["list_events"], run_key=key, after=after, limit=limit)
        return [event(job_id, run, row) for row in rows]

    def record_dead_letters(self, letters: Sequence[NewDeadLetter], now: datetime) -> int:
        for letter in letters:
            check_text(f"{letter.reason}{letter.description}", "dead letter")
        with self._database.transaction() as statements:
            return sum(_record(statements, letter, now) for letter in letters)

    def list_dead_letters(self, after: int, limit: int) -> Sequence[DeadLetterRecord]:
        return [dead_letter(row) for row in self._database.rows(_SQL["list_dead_letters"], after=after, limit=limit)]

    def replay_dead_letter(
        self, record_id: int, replays: int, message_id: str, actor: str, now: datetime
    ) -> OutboxRow | None:
        check_text(actor, "actor")
        with self._database.transaction() as statements:
            row = statements.row(
                _SQL["replay_dead_letter"],
                record_id=record_id,
                replays=replays,
                message_id=message_id,
                actor=actor,
                now=now,
            )
            return outbox_rows(statements, [row.row_id])[0] if row is not None else None

    def ended_runs(self, before: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        rows = self._database.rows(_SQL["ended_runs"], before=before, limit=limit)
        return [(JobId(row.job_id), row.run) for row in rows]

    def delete_run(self, job_id: JobId, run: int, limit: int) -> bool:
        key = self._keys.find(job_id, run, afresh=True)
        if key is None:
            return True
        with self._database.transaction() as statements:
            if statements.row(_SQL["lock_ended_run"], run_key=key) is None:
                return False
            if statements.count(_SQL["delete_tasks"], run_key=key, limit=limit) == limit:
                return False
            statements.count(_SQL["delete_run"], run_key=key)
        self._keys.forget(job_id, run)
        return True


def _create_run(statements: Statements, new: NewRun, source: int, now: datetime) -> int:
    """The new run's row, and what it reuses."""
    replayed = new.replayed
    row = statements.row(
        _SQL["create_run"],
        job_id=new.job_id,
        run=new.run,
        source=source,
        status="processing" if replayed is not None else "queued",
        newest_stage=replayed.number if replayed is not None else new.reuse_stages,
        deadline=new.deadline,
        actor=new.actor,
        now=now,
        **message_columns(new.message),
    )
    assert row is not None
    if new.reuse_stages:
        statements.count(_SQL["copy_stages"], run_key=row.run_key, source=source, stages=new.reuse_stages, now=now)
    return int(row.run_key)


def _wake(statements: Statements, new: NewRun, key: int, source: int, now: datetime) -> tuple[OutboxRow, ...]:
    """The outbox rows that set the new run going."""
    outbox: list[OutboxRow] = []
    if new.message is not None:
        if new.reuse_stages:
            where = {"run_key": key, "stage": new.reuse_stages}
            statements.count(_SQL["point_stage_end"], **where, **message_columns(new.message))
        wakes, stage = ("stage", new.reuse_stages) if new.reuse_stages else ("run", None)
        row = statements.row(_SQL["wake_run"], run_key=key, wakes=wakes, stage=stage, now=now)
        assert row is not None
        outbox.append(OutboxRow(row.row_id, new.message))
    if new.replayed is not None:
        row_ids = _replay(statements, new.replayed, new.actor, key, source, now)
        outbox += map(OutboxRow, row_ids, [task.message for task in new.replayed.tasks])
    return tuple(outbox)


def _replay(
    statements: Statements, stage: ReplayedStage, actor: str, key: int, source: int, now: datetime
) -> Sequence[int]:
    row: Row = statements.row(
        _SQL["replay_stage"],
        run_key=key,
        source=source,
        stage=stage.number,
        names=joined([task.name for task in stage.tasks]),
        parameters=joined([task.parameters_json for task in stage.tasks]),
        task_queue=stage.tasks[0].message.queue,
        actor=actor,
        now=now,
        **message_columns(stage.on_end, "end_"),
    )
    return row.task_rows or ()


def _record(statements: Statements, letter: NewDeadLetter, now: datetime) -> bool:
    row = statements.row(
        _SQL["record_dead_letter"],
        queue=letter.queue,
        message_id=letter.message_id,
        message_type=letter.message_type,
        body=letter.body,
        reason=letter.reason,
        description=letter.description,
        now=now,
    )
    return row is not None
