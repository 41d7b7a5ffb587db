"""What operators ask of :class:`testing.mock_state.MockStateManager`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from core.errors import DefinitionError
from core.ids import JobId, TaskId, task_id_for
from core.limits import MAX_RESUMED, check_json, check_text
from core.listing import RunCursor, RunFilter, RunSummary, TaskFilter
from core.model import (
    AttemptRecord,
    Event,
    EventKind,
    NewRun,
    OutboxRow,
    ReplayedStage,
    RunRecord,
    RunStatus,
    StageActivity,
    StageStatus,
    Submitted,
    TaskRecord,
)
from testing.mock_letters import MockLetters
from testing.mock_tables import MockTables
from testing.rows import RunRow, StageRow, TaskRow

ATTEMPT_EVENTS = frozenset(
    {
        EventKind.TASK_STARTED,
        EventKind.TASK_COMPLETED,
        EventKind.TASK_FAILED,
        EventKind.TASK_REQUEUED,
        EventKind.TASK_PARKED,
    }
)
"""What the timeline tells of attempts, which goes with them."""


class MockOperations(MockLetters, MockTables):
    """:class:`core.ports.Operations`."""

    def latest_run(self, job_id: JobId) -> RunRecord | None:
        row = self._latest.get(job_id)
        return row.record() if row is not None else None

    def create_run(self, new: NewRun, now: datetime) -> Submitted | None:
        check_text(new.actor, "actor")
        for task in new.replayed.tasks if new.replayed else ():
            check_json(task.parameters_json, "parameters")
        source = self._latest.get(new.job_id)
        if source is None or source.run != new.run - 1 or not source.ended:
            self._note("create_run", new.job_id, "refused")
            return None
        _check_reuse(source, new)
        copied = source.stages[: new.reuse_stages + (new.replayed is not None)]
        self._check_room(sum(len(stage.tasks) for stage in copied))
        self._charge(len(source.parameters_json) + sum(task.size for stage in copied for task in stage.tasks))
        run = source.next_run(new.message, now)
        run.deadline = new.deadline
        self._add_run(run)
        self._event(run, EventKind.JOB_RESUBMITTED, now, actor=new.actor)
        for stage in source.stages[: new.reuse_stages]:
            self._copy_stage(stage, run)
        self._note("create_run", new.job_id, "created")
        outbox = self._replay(source, run, new, now) if new.replayed else self._wake(run, new, now)
        return Submitted(run.record(), True, outbox)

    def pause_run(self, job_id: JobId, run: int, actor: str, now: datetime) -> bool:
        check_text(actor, "actor")
        row = self._runs.get((job_id, run))
        if row is None or row.ended or row.paused:
            self._note("pause_run", job_id, "refused")
            return False
        self._set_paused(row, True, EventKind.JOB_PAUSED, actor, now)
        return True

    def resume_run(
        self, job_id: JobId, run: int, actor: str, now: datetime, limit: int = MAX_RESUMED
    ) -> Sequence[OutboxRow] | None:
        check_text(actor, "actor")
        row = self._runs.get((job_id, run))
        if row is None or not row.paused:
            self._note("resume_run", job_id, "refused")
            return None
        self._set_paused(row, False, EventKind.JOB_RESUMED, actor, now)
        return self._outbox.of_tasks(row)[:limit]

    def list_runs(self, filters: RunFilter, after: RunCursor | None, limit: int) -> Sequence[RunSummary]:
        for text in (filters.tenant, filters.job_type, after.job_id if after is not None else None):
            check_text(text or "", "filter")
        found = [run.summary() for run in self._runs.values() if _admits(filters, run)]
        found.sort(key=lambda summary: summary.cursor, reverse=True)
        return list(islice((summary for summary in found if after is None or summary.cursor < after), limit))

    def list_tasks(
        self, job_id: JobId, run: int, filters: TaskFilter, after: TaskId | None, limit: int
    ) -> Sequence[TaskRecord]:
        row = self._runs.get((job_id, run))
        tasks = _in_order(row) if row is not None else []
        place = _place(after) if after is not None else (0, "")
        found = (task for task in tasks if (task.stage.number, task.name) > place and _admits_task(filters, task))
        return [task.record() for task in islice(found, limit)]

    def stage_activity(self, job_id: JobId, run: int, stage: int, limit: int) -> StageActivity:
        row = self._runs.get((job_id, run))
        found = next((one for one in row.stages if one.number == stage), None) if row is not None else None
        if found is None:
            return StageActivity(None, 0, ())
        leased = sorted((task for task in found.tasks if task.lease is not None), key=lambda task: task.name)
        return StageActivity(found.began_at, found.ended, tuple(task.running() for task in leased[:limit]))

    def list_attempts(self, task_id: TaskId) -> Sequence[AttemptRecord]:
        task = self._tasks.get(task_id)
        return task.attempt_records() if task is not None else ()

    def list_events(self, job_id: JobId, run: int, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        row = self._runs.get((job_id, run))
        if row is None:
            return ()
        found = (cells for cells in row.events.rows() if cells[0] > after)
        return [Event(sequence, at, kind, job_id, run, *rest) for sequence, at, kind, *rest in islice(found, limit)]

    def ended_runs(self, before: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        ended = [(run.ended_at, run.key) for run in self._runs.values() if run.ended_at is not None]
        old = sorted((found for found in ended if found[0] < before), key=lambda found: found[0])
        return [key for _, key in old[:limit]]

    def delete_run(self, job_id: JobId, run: int, limit: int) -> bool:
        row = self._runs.get((job_id, run))
        if row is None:
            return True
        if not row.ended or (self._latest[job_id] is row and self._has_others(row)):
            return False
        some = _in_order(row)[:limit]
        for task in some:
            self._forget_task(task)
        gone = {task.task_id for task in some}
        row.events.drop(lambda event: event[2] in ATTEMPT_EVENTS and event[4] in gone)
        if len(some) == limit:
            return False
        self._forget_run(row)
        return True

    # --- helpers ---

    def _set_paused(self, run: RunRow, paused: bool, kind: EventKind, actor: str, now: datetime) -> None:
        run.paused = paused
        run.touch(now)
        self._event(run, kind, now, actor=actor)
        self._note("pause_run" if paused else "resume_run", run.job_id, kind.value)

    def _copy_stage(self, source: StageRow, run: RunRow) -> StageRow:
        stage = source.copy_for(run)
        run.stages.append(stage)
        for task in source.tasks:
            self._copy_task(task, stage)
        return stage

    def _copy_task(self, source: TaskRow, stage: StageRow) -> None:
        task = source.copy_for(stage, task_id_for(stage.run.job_id, stage.run.run, stage.number, source.name))
        self._tasks[task.task_id] = task
        stage.add_ended(task)

    def _wake(self, run: RunRow, new: NewRun, now: datetime) -> tuple[OutboxRow, ...]:
        assert new.message is not None
        if not run.stages:
            return (self._outbox.add(run, new.message, now),)
        run.stages[-1].on_end = new.message
        return (self._outbox.add(run.stages[-1], new.message, now),)

    def _replay(self, source: RunRow, run: RunRow, new: NewRun, now: datetime) -> tuple[OutboxRow, ...]:
        replayed = new.replayed
        assert replayed is not None
        run.status = RunStatus.PROCESSING
        before = source.stages[replayed.number - 1]
        stage = before.copy_for(run)
        stage.status, stage.on_end = StageStatus.RUNNING, replayed.on_end
        run.stages.append(stage)
        self._event(run, EventKind.STAGE_STARTED, now, stage.number)
        again = {task.name: task for task in replayed.tasks}
        for task in before.tasks:
            if task.name in again:
                chosen = again[task.name]
                queued = TaskRow(stage, chosen.task_id, chosen.name, chosen.parameters_json, chosen.message)
                self._tasks[queued.task_id] = queued
                stage.add(queued)
            else:
                self._copy_task(task, stage)
        texts = {task.name: task.parameters_json for task in before.tasks}
        for new_task in replayed.tasks:
            if new_task.parameters_json != texts[new_task.name]:
                self._event(run, EventKind.PARAMETERS_EDITED, now, stage.number, new_task.task_id, actor=new.actor)
        return tuple([self._outbox.add(self._tasks[task.task_id], task.message, now, False) for task in replayed.tasks])

    def _has_others(self, run: RunRow) -> bool:
        return any(other.job_id == run.job_id and other is not run for other in self._runs.values())

    def _forget_task(self, task: TaskRow) -> None:
        task.stage.tasks.remove(task)
        self._bytes -= task.size
        del self._tasks[task.task_id]

    def _forget_run(self, run: RunRow) -> None:
        self._bytes -= len(run.parameters_json) + len(run.result_json or "")
        del self._runs[run.key]
        if self._latest[run.job_id] is run:
            del self._latest[run.job_id]
            self._keys = {key: job_id for key, job_id in self._keys.items() if job_id != run.job_id}


def _check_reuse(source: RunRow, new: NewRun) -> None:
    if new.reuse_stages > len(source.stages) or any(
        stage.status is StageStatus.RUNNING for stage in source.stages[: new.reuse_stages]
    ):
        raise DefinitionError(f"run {source.run} has not {new.reuse_stages} stages to reuse")
    if new.replayed is not None:
        _check_replayed(source, new.replayed, new.reuse_stages)
    elif new.message is None:
        raise DefinitionError("a run needs a message that wakes it, or tasks that have their own")


def _check_replayed(source: RunRow, replayed: ReplayedStage, reused: int) -> None:
    if replayed.number != reused + 1 or replayed.number > len(source.stages):
        raise DefinitionError(f"stage {replayed.number} does not follow {reused} reused stages")
    known = {task.name for task in source.stages[replayed.number - 1].tasks}
    chosen = [task.name for task in replayed.tasks]
    if not chosen or len(set(chosen)) != len(chosen) or not known.issuperset(chosen):
        raise DefinitionError(f"stage {replayed.number} was not run with exactly these tasks")


def _admits(filters: RunFilter, run: RunRow) -> bool:
    return (
        filters.job_type in (None, run.job_type)
        and filters.tenant in (None, run.tenant)
        and (not filters.statuses or run.status in filters.statuses)
        and filters.paused in (None, run.paused)
        and (filters.created_from is None or run.created_at >= filters.created_from)
        and (filters.created_before is None or run.created_at < filters.created_before)
    )


def _admits_task(filters: TaskFilter, task: TaskRow) -> bool:
    return filters.stage in (None, task.stage.number) and (not filters.statuses or task.status in filters.statuses)


def _in_order(run: RunRow) -> list[TaskRow]:
    return [task for stage in run.stages for task in sorted(stage.tasks, key=lambda row: row.name)]


def _place(task_id: TaskId) -> tuple[int, str]:
    _, _, stage, name = task_id.split(":")
    return int(stage), name
