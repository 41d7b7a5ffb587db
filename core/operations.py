"""What people do to jobs: look at them, cancel, pause, resume, run them again, whole or in part."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.boundary import parse_parameters
from core.errors import (
    InvalidParameters,
    JobNotFound,
    OperationConflict,
    RunEnded,
    RunNotEnded,
    RunNotFound,
)
from core.ids import MAX_STAGE, TaskId, parse_job_id, task_id_for, task_message_id
from core.jsontext import dump_json
from core.limits import check_actor
from core.listing import RunFilter, RunSummary, TaskFilter
from core.machine import CoreMachine
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage
from core.model import (
    Event,
    NewRun,
    NewTask,
    OutboundMessage,
    ReplayedStage,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
    Submitted,
    TaskRecord,
    TaskStatus,
)
from core.paging import Page, checked_after, checked_limit, run_cursor, run_cursor_text, task_cursor, task_cursor_text
from core.replay import REPLAYABLE, reusable_stages, stage_to_replay, tasks_to_replay
from core.stage_progress import LOOKED_AT, StageProgress, stage_progress

_log = logging.getLogger(__name__)

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A run and how far it is. ``state`` is the run's status, or ``paused``; ``percent`` counts each stage alike,
    0 to 100, and ``stage_count`` those of the job's definition. ``progress`` is that of the newest stage while it goes
    on.
    """

    run: RunRecord
    state: str
    percent: float
    stage_count: int
    progress: StageProgress | None = None


class JobOperations:
    """Every method raises :class:`JobNotFound`, and :class:`RunNotFound` where a run is named; ``run`` is the latest
    unless it is. What changes something is written down with its ``actor``, 1 to 200 characters.
    """

    def __init__(self, machine: CoreMachine) -> None:
        self._machine = machine
        self._store = machine.store

    # --- looking ---

    def status(self, job_id: str, run: int | None = None) -> JobStatus:
        return self._status(self._run(job_id, run))

    def result(self, job_id: str, run: int | None = None) -> RunRecord:
        """The run once it has ended, with its result or its error. Raises :class:`RunNotEnded`."""
        found = self._run(job_id, run)
        if not found.ended:
            raise RunNotEnded(f"run {found.run} of the job goes on: it is {found.status}")
        return found

    def list_runs(
        self, filters: RunFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[RunSummary]:
        """Runs of all jobs, newest first."""
        runs = self._store.list_runs(filters or RunFilter(), run_cursor(cursor), checked_limit(limit) + 1)
        return Page.of(runs, limit, run_cursor_text)

    def tasks(
        self,
        job_id: str,
        run: int | None = None,
        filters: TaskFilter | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[TaskRecord]:
        """The tasks of a run, by stage and name."""
        found = self._run(job_id, run)
        after, chosen = task_cursor(cursor, found), filters or TaskFilter()
        if chosen.stage is not None and not 1 <= chosen.stage <= MAX_STAGE:
            raise InvalidParameters(f"stage: 1 to {MAX_STAGE}")
        tasks = self._store.list_tasks(found.job_id, found.run, chosen, after, checked_limit(limit) + 1)
        return Page.of(tasks, limit, task_cursor_text)

    def failed_tasks(
        self, job_id: str, run: int | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[TaskRecord]:
        """The tasks that failed, with their parameters and errors, as :meth:`replay` takes them."""
        return self.tasks(job_id, run, TaskFilter(statuses=frozenset({TaskStatus.FAILED})), cursor, limit)

    def events(self, job_id: str, run: int | None = None, after: int = 0, limit: int = 100) -> Page[Event]:
        """The run's timeline from behind the event of sequence ``after``; the page's ``next`` is the next ``after``.

        Of a run that has not ended, events that are committed late may be passed over, as
        :meth:`core.ports.Operations.list_events` says: whoever wants them all reads once more from 0 when it has.
        """
        found = self._run(job_id, run)
        events = self._store.list_events(found.job_id, found.run, checked_after(after), checked_limit(limit) + 1)
        return Page.of(events, limit, lambda event: str(event.sequence))

    # --- changing ---

    def cancel(self, job_id: str, actor: str, run: int | None = None) -> JobStatus:
        """End a run: what is queued is dropped, what runs learns it at its next write. Again it changes nothing.

        Raises :class:`RunEnded` where it had ended in another way.
        """
        found = self._run(job_id, run)
        status, now = RunStatus.CANCELLED, self._machine.clock.now()
        if self._store.finish_run(found.job_id, found.run, status, None, None, now, actor=_actor(actor)):
            self._told("job_cancelled", found, actor)
        after = self._run(job_id, found.run)
        if after.status is not RunStatus.CANCELLED:
            raise RunEnded(f"run {after.run} of the job has ended: it is {after.status}")
        return self._status(after)

    def pause(self, job_id: str, actor: str, run: int | None = None) -> JobStatus:
        """Start no more tasks of a run until it is resumed; those that run go on. Again it changes nothing.

        Raises :class:`RunEnded`.
        """
        found = self._run(job_id, run)
        if self._store.pause_run(found.job_id, found.run, _actor(actor), self._machine.clock.now()):
            self._told("job_paused", found, actor)
        return self._status(self._going(job_id, found.run))

    def resume(self, job_id: str, actor: str, run: int | None = None) -> JobStatus:
        """End a run's pause. Where there is none it changes nothing. Raises :class:`RunEnded`."""
        found = self._run(job_id, run)
        rows = self._store.resume_run(found.job_id, found.run, _actor(actor), self._machine.clock.now())
        if rows is not None:
            self._machine.relay.publish(rows)
            self._told("job_resumed", found, actor)
        return self._status(self._going(job_id, found.run))

    def resubmit(self, job_id: str, actor: str, *, reuse_finished_stages: bool = False) -> JobStatus:
        """Run a job once more, as the next run; the history of those before stays.

        ``reuse_finished_stages`` takes over the stages, from the first, that completed without an error. Raises
        :class:`RunNotEnded`, and :class:`OperationConflict` where somebody did the same at the same time.
        """
        before = self.result(job_id)
        reuse = reusable_stages(before) if reuse_finished_stages else 0
        return self._create(
            before,
            NewRun(
                job_id=before.job_id,
                run=before.run + 1,
                message=self._message(before, reuse),
                deadline=self._machine.jobs.find(before.job_type).deadline(self._machine.clock.now()),
                actor=_actor(actor),
                reuse_stages=reuse,
            ),
        )

    def replay(
        self, job_id: str, actor: str, tasks: Mapping[str, Mapping[str, object] | None] | None = None
    ) -> JobStatus:
        """Do again what failed or was cancelled in the latest run, as the next run, and go on from there.

        What completed is taken over. ``tasks`` chooses failed tasks by name, each with other parameters or ``None`` for
        its own; ``None`` chooses all. Raises :class:`RunNotEnded`, :class:`NothingToReplay`, :class:`InvalidParameters`
        and :class:`OperationConflict`.
        """
        before = self.result(job_id)
        stage = stage_to_replay(before)
        replayable = list(self._replayable(before, stage))
        chosen = tasks_to_replay(stage, replayable, tasks.keys() if tasks is not None else None)
        edits = {name: edit for name, edit in (tasks or {}).items() if edit is not None}
        on_end = StageCompleteMessage(
            job_id=before.job_id, run=before.run + 1, job_type=before.job_type, stage=stage.number
        )
        replayed = ReplayedStage(
            number=stage.number,
            tasks=tuple(self._again(before, stage, task, edits.get(task.name)) for task in chosen),
            on_end=OutboundMessage(self._machine.queues.jobs, on_end.message_id, on_end.name, on_end.encode()),
        )
        return self._create(
            before,
            NewRun(
                job_id=before.job_id,
                run=before.run + 1,
                message=None,
                deadline=self._machine.jobs.find(before.job_type).deadline(self._machine.clock.now()),
                actor=_actor(actor),
                reuse_stages=stage.number - 1,
                replayed=replayed,
            ),
        )

    # --- helpers ---

    def _run(self, job_id: str, run: int | None) -> RunRecord:
        latest = self._store.latest_run(parse_job_id(job_id))
        if latest is None:
            raise JobNotFound(f"there is no job {job_id}")
        if run is None or run == latest.run:
            return latest
        found = self._store.load_run(latest.job_id, run)
        if found is None:
            raise RunNotFound(f"the job has no run {run}; the latest is {latest.run}")
        return found

    def _going(self, job_id: str, run: int) -> RunRecord:
        found = self._run(job_id, run)
        if found.ended:
            raise RunEnded(f"run {found.run} of the job has ended: it is {found.status}")
        return found

    def _status(self, run: RunRecord) -> JobStatus:
        job = self._machine.jobs.get(run.job_type)
        count = max(len(job.stages) if job is not None else 0, len(run.stages), 1)
        state = "paused" if run.paused else run.status.value
        progress = self._progress(run)
        return JobStatus(run, state, _percent(run, count, progress), count, progress)

    def _progress(self, run: RunRecord) -> StageProgress | None:
        if run.ended or not run.stages or run.stages[-1].status is not StageStatus.RUNNING:
            return None
        stage = run.stages[-1]
        activity = self._store.stage_activity(run.job_id, run.run, stage.number, LOOKED_AT)
        return stage_progress(stage, activity, self._machine.clock.now())

    def _message(self, before: RunRecord, reuse: int) -> OutboundMessage:
        """What wakes the machine for the next run."""
        ids = {"job_id": before.job_id, "run": before.run + 1, "job_type": before.job_type}
        message: JobQueueMessage | StageCompleteMessage = (
            StageCompleteMessage.model_validate(ids | {"stage": reuse})
            if reuse
            else JobQueueMessage.model_validate(ids)
        )
        return OutboundMessage(self._machine.queues.jobs, message.message_id, message.name, message.encode())

    def _replayable(self, run: RunRecord, stage: StageRecord) -> Iterator[TaskRecord]:
        filters, after = TaskFilter(stage.number, REPLAYABLE), None
        while page := self._store.list_tasks(run.job_id, run.run, filters, after, PAGE):
            yield from page
            after = page[-1].task_id

    def _again(
        self, before: RunRecord, stage: StageRecord, task: TaskRecord, edit: Mapping[str, object] | None
    ) -> NewTask:
        handler = self._machine.handlers.find(stage.task_type)
        parameters = task.parameters_json
        if edit is not None:
            parsed = parse_parameters(handler.params_model, edit, f"task {task.name!r}")
            parameters = dump_json(handler.kept(parsed))
        task_id: TaskId = task_id_for(before.job_id, before.run + 1, stage.number, task.name)
        message = TaskQueueMessage(
            job_id=before.job_id,
            run=before.run + 1,
            job_type=before.job_type,
            stage=stage.number,
            task_id=task_id,
            task_type=stage.task_type,
            attempt=1,
        )
        wakeup = OutboundMessage(
            self._machine.queues.of(handler), task_message_id(task_id, 1), message.name, message.encode()
        )
        return NewTask(task_id, task.name, parameters, wakeup)

    def _create(self, before: RunRecord, new: NewRun) -> JobStatus:
        created: Submitted | None = self._store.create_run(new, self._machine.clock.now())
        if created is None:
            raise OperationConflict(f"somebody made run {new.run} of the job at the same time")
        self._machine.relay.publish(created.outbox)
        self._told("job_resubmitted", created.run, new.actor)
        return self._status(created.run)

    def _told(self, what: str, run: RunRecord, actor: str) -> None:
        _log.info(what, extra={"job_id": run.job_id, "run": run.run, "actor": actor})


def _percent(run: RunRecord, stage_count: int, progress: StageProgress | None) -> float:
    if run.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS):
        return 100.0
    stages = run.stages if progress is None else run.stages[:-1]
    done = sum((stage.total - stage.remaining) / stage.total if stage.total else 1.0 for stage in stages)
    going = progress.pace.percent if progress is not None else 0.0
    return round((100 * done + going) / stage_count, 1)


def _actor(actor: str) -> str:
    check_actor(actor)
    return actor
