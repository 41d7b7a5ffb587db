"""What operators do to jobs, and look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.errors import DefinitionError
from core.ids import JobId, TaskId
from core.limits import MAX_RESUMED, check_json, check_letter, check_text
from core.listing import DeadLetterRecord, NewDeadLetter, RunCursor, RunFilter, RunSummary, TaskFilter
from core.model import AttemptRecord, Event, NewRun, OutboxRow, ReplayedStage, StageActivity, Submitted, TaskRecord
from infrastructure.postgres.database import Database, Row, Statements, lists
from infrastructure.postgres.recovery import outbox_rows
from infrastructure.postgres.rows import (
    attempt_record,
    dead_letter,
    event,
    run_record,
    run_summary,
    stage_activity,
    task_record,
)
from infrastructure.postgres.run_keys import MAX_INTEGER, MAX_SMALL, RunKeys, can_be, position
from infrastructure.postgres.runs import message_columns
from infrastructure.postgres.sql_blocks import load_blocks

_SQL, _RUNS, _TASKS = load_blocks("operations.sql"), load_blocks("runs.sql"), load_blocks("tasks.sql")


class OperationStatements:
    """The part of the store that operators use."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        _check_run(new)
        with self._database.transaction() as statements:
            source = _source(statements, new)
            if source is None:
                return None
            _check_reuse(new, source)
            key = _create_run(statements, new, source, now)
            outbox = _wake(statements, new, key, source, now)
            rows = statements.rows(_RUNS["load_run"], job_id=new.job_id, run=new.run)
        self._keys.remember(new.job_id, new.run, key)
        return Submitted(run_record(rows), True, outbox)

    def pause_run(self, job_id: JobId, run: int, actor: str, now: datetime) -> bool:
        check_text(actor, "actor")
        key = self._keys.find(job_id, run, afresh=True)
        if key is None:
            return False
        return self._database.row(_SQL["pause_run"], run_key=key, actor=actor, now=now) is not None

    def resume_run(
        self, job_id: JobId, run: int, actor: str, now: datetime, limit: int = MAX_RESUMED
    ) -> Sequence[OutboxRow] | None:
        check_text(actor, "actor")
        key = self._keys.find(job_id, run, afresh=True)
        if key is None:
            return None
        with self._database.transaction() as statements:
            if statements.row(_SQL["resume_run"], run_key=key, actor=actor, now=now) is None:
                return None
            rows = statements.rows(_SQL["task_rows_of_run"], run_key=key, limit=limit)
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
        stage, name = position(after) if after is not None else (None, None)
        key = self._keys.find(job_id, run, afresh=True)
        if key is None or (filters.stage is not None and not 0 <= filters.stage <= MAX_SMALL):
            return ()
        rows = self._database.rows(
            _SQL["list_tasks"],
            run_key=key,
            stage=filters.stage,
            statuses=sorted(filters.statuses) or None,
            after_stage=stage,
            after_name=name,
            limit=limit,
        )
        return [task_record(job_id, run, row) for row in rows]

    def stage_activity(self, job_id: JobId, run: int, stage: int, limit: int) -> StageActivity:
        key = self._keys.find(job_id, run)
        if key is None or not 0 <= stage <= MAX_SMALL:
            return StageActivity(None, 0, ())
        return stage_activity(self._database.rows(_SQL["stage_activity"], run_key=key, stage=stage, limit=limit))

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
            check_letter(letter)
        columns = {
            "queues": [letter.queue for letter in letters],
            "message_ids": [letter.message_id for letter in letters],
            "message_types": [letter.message_type for letter in letters],
            "bodies": [letter.body for letter in letters],
            "reasons": [letter.reason for letter in letters],
            "descriptions": [letter.description for letter in letters],
        }
        return self._database.count(_SQL["record_dead_letters"], now=now, **columns) if letters else 0

    def list_dead_letters(self, after: int, limit: int) -> Sequence[DeadLetterRecord]:
        return [dead_letter(row) for row in self._database.rows(_SQL["list_dead_letters"], after=after, limit=limit)]

    def replay_dead_letter(
        self, record_id: int, replays: int, message_id: str, actor: str, now: datetime
    ) -> OutboxRow | None:
        check_text(message_id, "message id")
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

    def delete_dead_letters(self, before: datetime, limit: int) -> int:
        with self._database.transaction() as statements:
            held = statements.rows(_SQL["hold_old_letters"], before=before, limit=limit)
            record_ids = [row.record_id for row in held]
            return statements.count(_SQL["delete_letters"], record_ids=record_ids) if record_ids else 0

    def ended_runs(self, before: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        rows = self._database.rows(_SQL["ended_runs"], before=before, limit=limit)
        return [(JobId(row.job_id), row.run) for row in rows]

    def delete_run(self, job_id: JobId, run: int, limit: int) -> bool:
        if not can_be(job_id) or not 0 < run <= MAX_INTEGER:
            return True
        with self._database.transaction() as statements:
            gone = _delete_run(statements, job_id, run, limit)
        if gone:
            self._keys.forget(job_id, run)
        return gone


def _check_run(new: NewRun) -> None:
    check_text(new.actor, "actor")
    tasks = new.replayed.tasks if new.replayed is not None else ()
    for task in tasks:
        check_json(task.parameters_json, f"parameters of task {task.name}")
    if new.replayed is None and new.message is None:
        raise DefinitionError("a run needs a message that wakes it, or tasks that have their own")
    if new.replayed is not None and (not tasks or len({task.name for task in tasks}) != len(tasks)):
        raise DefinitionError(f"stage {new.replayed.number}: no tasks to do again, or one of them twice")


def _source(statements: Statements, new: NewRun) -> Row | None:
    """The run before, where it is the job's latest and has ended. The job is held, so it stays that."""
    if not can_be(new.job_id):
        return None
    job = statements.row(_SQL["lock_job"], job_id=new.job_id)
    if job is None or job.latest_run != new.run - 1:
        return None
    run = statements.row(_SQL["source_run"], job_id=new.job_id, run=job.latest_run)
    return run if run is not None and run.ended else None


def _check_reuse(new: NewRun, source: Row) -> None:
    """Every stage of a run that has ended has ended, too."""
    if not 0 <= new.reuse_stages <= source.newest_stage:
        raise DefinitionError(f"run {new.run - 1} has not {new.reuse_stages} stages to reuse")
    if new.replayed is not None and not new.replayed.number == new.reuse_stages + 1 <= source.newest_stage:
        raise DefinitionError(f"stage {new.replayed.number} does not follow {new.reuse_stages} reused stages")


def _delete_run(statements: Statements, job_id: JobId, run: int, limit: int) -> bool:
    job = statements.row(_SQL["lock_job"], job_id=job_id)
    if job is None:
        return True
    found = statements.row(_SQL["lock_run_to_delete"], job_id=job_id, run=run, latest=job.latest_run)
    if found is None:
        return True
    if not found.may_go or statements.count(_SQL["delete_tasks"], run_key=found.run_key, limit=limit) >= limit:
        return False
    for step in ("delete_stages", "delete_run"):
        statements.count(_SQL[step], run_key=found.run_key)
    statements.count(_SQL["delete_job"], job_id=job_id)
    return True


def _create_run(statements: Statements, new: NewRun, source: Row, now: datetime) -> int:
    """The new run's row, and what it reuses."""
    replayed = new.replayed
    row: Row = statements.row(
        _SQL["create_run"],
        job_id=new.job_id,
        run=new.run,
        source=source.run_key,
        status="processing" if replayed is not None else "queued",
        newest_stage=replayed.number if replayed is not None else new.reuse_stages,
        deadline=new.deadline,
        actor=new.actor,
        now=now,
        **message_columns(new.message),
    )
    if new.reuse_stages:
        where = {"run_key": row.run_key, "source": source.run_key, "stages": new.reuse_stages}
        copied: Row = statements.row(_SQL["copy_stages"], now=now, **where)
        _refuse_missing(new, copied.missing)
    return int(row.run_key)


def _wake(statements: Statements, new: NewRun, key: int, source: Row, now: datetime) -> tuple[OutboxRow, ...]:
    """The outbox rows that set the new run going."""
    if new.replayed is not None:
        return _replay(statements, new, new.replayed, key, source, now)
    assert new.message is not None
    if new.reuse_stages:
        where = {"run_key": key, "stage": new.reuse_stages}
        statements.count(_SQL["point_stage_end"], **where, **message_columns(new.message))
    wakes, stage = ("stage", new.reuse_stages) if new.reuse_stages else ("run", None)
    row: Row = statements.row(_SQL["wake_run"], run_key=key, wakes=wakes, stage=stage, now=now)
    return (OutboxRow(row.row_id, new.message),)


def _replay(
    statements: Statements, new: NewRun, stage: ReplayedStage, key: int, source: Row, now: datetime
) -> tuple[OutboxRow, ...]:
    row: Row = statements.row(
        _SQL["replay_stage"],
        run_key=key,
        source=source.run_key,
        stage=stage.number,
        task_queue=stage.tasks[0].message.queue,
        actor=new.actor,
        now=now,
        **lists(
            names=[task.name for task in stage.tasks],
            parameters=[task.parameters_json for task in stage.tasks],
        ),
        **message_columns(stage.on_end, "end_"),
    )
    _refuse_missing(new, row.missing)
    if len(row.task_rows or ()) != len(stage.tasks):
        raise DefinitionError(f"stage {stage.number} was not run with all of these tasks")
    return tuple(map(OutboxRow, row.task_rows, [task.message for task in stage.tasks]))


def _refuse_missing(new: NewRun, missing: int) -> None:
    if missing:
        raise DefinitionError(f"of run {new.run - 1} a part was deleted, so its stages cannot be reused")
