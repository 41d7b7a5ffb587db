"""MockStateManager: the state store in memory, with the transitions of :class:`core.ports.StateStore`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count
from typing import Any

from core.decisions import FailFinally, Requeue, Transition, refusal, stage_end, within_budget
from core.errors import CapacityExceeded, DefinitionError, IdempotencyConflict, JobNotFound, LeaseLost
from core.ids import JobId, TaskId, WorkerId, job_id_for, parse_job_id, task_id_for, task_message_id
from core.messages import JobQueueMessage, TaskQueueMessage
from core.model import (
    TERMINAL_TASK,
    AttemptRecord,
    Claimed,
    ClaimResult,
    Event,
    EventKind,
    FailurePolicy,
    Finished,
    Lease,
    LeaseExpired,
    NewJob,
    NewStage,
    NewTask,
    NotClaimed,
    Opened,
    OutboundMessage,
    OutboxRow,
    RunRecord,
    RunStatus,
    StageStatus,
    Submitted,
    TaskRecord,
    TaskResult,
    TaskStatus,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import Clock
from testing.clock import FakeClock
from testing.rows import FlatLog, Outbox, RunRow, StageRow, TaskRow, Wakeup

NO_OUTBOX: tuple[OutboxRow, ...] = ()

# Bound once for the transitions that every task goes through: on Python 3.11 an enum's member costs six times more
# to read from its class.
_QUEUED, _RUNNING, _COMPLETED = TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.COMPLETED
_TASK_STARTED, _TASK_COMPLETED = EventKind.TASK_STARTED, EventKind.TASK_COMPLETED


@lru_cache(maxsize=64)
def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


class MockStateManager:
    """:class:`core.ports.StateStore` in dictionaries, and the ways that tests look into it.

    For one thread at a time. ``max_tasks`` and ``max_bytes`` (of parameters, results and checkpoints) bound
    it: over them a transition raises :class:`CapacityExceeded` and changes nothing.
    """

    def __init__(self, clock: Clock | None = None, *, max_tasks: int = 1_000_000, max_bytes: int = 1 << 30) -> None:
        self._clock = clock or FakeClock()
        self._runs: dict[tuple[JobId, int], RunRow] = {}
        self._tasks: dict[TaskId, TaskRow] = {}
        self._keys: dict[tuple[str, str], JobId] = {}
        self._outbox = Outbox()
        self._operations = FlatLog(3)
        self._sequence = count(1)
        self._max_tasks = max_tasks
        self._max_bytes = max_bytes
        self._bytes = 0

    # --- StateStore ---

    def submit_job(self, job: NewJob, now: datetime) -> Submitted:
        key = (job.tenant, job.idempotency_key) if job.idempotency_key is not None else None
        if key is not None and self._keys.get(key, job.job_id) != job.job_id:
            raise IdempotencyConflict("this idempotency key was used with other content")
        existing = self._runs.get((job.job_id, 1))
        if existing is not None:
            self._note("submit_job", job.job_id, "existing")
            return Submitted(existing.record(), False, NO_OUTBOX)
        self._charge(len(job.parameters_json))
        run = RunRow(job.job_id, 1, job.job_type, job.tenant, job.parameters_json, job.retry_budget, job.message, now)
        self._runs[run.key] = run
        if key is not None:
            self._keys[key] = job.job_id
        self._event(run, EventKind.JOB_SUBMITTED, now)
        self._note("submit_job", job.job_id, "created")
        return Submitted(run.record(), True, (self._outbox.add(run.wakeup, now),))

    def load_run(self, job_id: JobId, run: int) -> RunRecord | None:
        row = self._runs.get((job_id, run))
        return row.record() if row is not None else None

    def open_stage(self, job_id: JobId, run: int, stage: NewStage, now: datetime) -> Opened:
        row = self._runs.get((job_id, run))
        if row is None or not row.may_open(stage.number):
            self._note("open_stage", job_id, "refused")
            return Opened(False, NO_OUTBOX)
        self._check_new_tasks(stage)
        row.status = RunStatus.PROCESSING
        row.updated_at = now
        opened = StageRow(stage, row)
        row.stages.append(opened)
        self._event(row, EventKind.STAGE_STARTED, now, stage.number)
        self._note("open_stage", job_id, f"stage {stage.number}, {len(stage.tasks)} tasks")
        outbox = tuple([self._add_task(opened, task, now) for task in stage.tasks])
        if not stage.tasks:
            outbox = (self._end_stage(opened, now),)
        return Opened(True, outbox)

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        task = self._tasks.get(task_id)
        if task is None:
            self._note("claim_task", task_id, NotClaimed.UNKNOWN)
            return NotClaimed.UNKNOWN
        refused = refusal(task.status, task.attempt, attempt)
        if refused is not None:
            if task.lease is not None and task.lease.expires_at <= now:
                self._note("claim_task", task_id, "lease_expired")
                return task.expired()
            self._note("claim_task", task_id, refused)
            return refused
        task.status = _RUNNING
        task.token += 1
        task.progressed = False
        lease = task.lease = Lease(task_id, attempt, task.token, worker, now + _seconds(lease_seconds))
        task.tries.append((attempt, worker, task.token, now, None, None, None))
        stage = task.stage
        stage.run.events.add((next(self._sequence), now, _TASK_STARTED, stage.number, task_id, attempt, ""))
        self._operations.add(("claim_task", task_id, "claimed"))
        return Claimed(lease, stage.task_type, task.parameters_json, task.checkpoint_json, task.charged)

    def renew_lease(self, lease: Lease, lease_seconds: float, now: datetime) -> Lease:
        task = self._held(lease, "renew_lease")
        renewed = lease._replace(expires_at=now + _seconds(lease_seconds))
        task.lease = renewed
        return renewed

    def save_checkpoint(self, lease: Lease, checkpoint_json: str, lease_seconds: float, now: datetime) -> Lease:
        task = self._held(lease, "save_checkpoint")
        self._charge(len(checkpoint_json) - len(task.checkpoint_json or ""))
        task.progressed = task.progressed or checkpoint_json != task.checkpoint_json
        task.checkpoint_json = checkpoint_json
        return self.renew_lease(lease, lease_seconds, now)

    def report_progress(self, lease: Lease, percent: float, message: str, now: datetime) -> None:
        task = self._held(lease, "report_progress")
        task.progress = (percent, message)
        task.stage.run.updated_at = now

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        task = self._held(lease, "finish_attempt")
        run = task.stage.run
        if isinstance(transition, Succeeded):
            return Finished(_COMPLETED, run.status, self._complete(task, transition.result_json, now))
        applied = within_budget(transition, run.retries_used, run.retry_budget)
        if isinstance(applied, FailFinally):
            outbox = self._fail(task, applied.error, now)
        else:
            outbox = self._requeue(task, applied, wakeup, now)
        return Finished(task.status, run.status, outbox)

    def finish_run(
        self,
        job_id: JobId,
        run: int,
        status: RunStatus,
        result_json: str | None,
        error: ErrorInfo | None,
        now: datetime,
        newest_stage: int | None = None,
    ) -> bool:
        row = self._runs.get((job_id, run))
        if row is None or row.ended or newest_stage not in (None, row.newest_stage):
            self._note("finish_run", job_id, "refused")
            return False
        self._charge(len(result_json or ""))
        self._end_run(row, status, result_json, error, now)
        return True

    def stage_results(self, job_id: JobId, run: int, stage: int) -> Sequence[TaskResult]:
        row = self._runs.get((job_id, run))
        if row is None:
            return ()
        return [task.outcome() for found in row.stages if found.number == stage for task in found.tasks]

    def load_task(self, task_id: TaskId) -> TaskRecord | None:
        task = self._tasks.get(task_id)
        return task.record() if task is not None else None

    def list_attempts(self, task_id: TaskId) -> Sequence[AttemptRecord]:
        task = self._tasks.get(task_id)
        return task.attempt_records() if task is not None else ()

    def list_events(self, job_id: JobId, run: int) -> Sequence[Event]:
        row = self._runs.get((job_id, run))
        if row is None:
            return ()
        return [Event(sequence, at, kind, job_id, run, *rest) for sequence, at, kind, *rest in row.events.rows()]

    def unpublished(self, limit: int, before: datetime) -> Sequence[OutboxRow]:
        return self._outbox.oldest(limit, before)

    def mark_published(self, row_ids: Sequence[int], now: datetime) -> None:
        self._outbox.publish(row_ids, now)

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        held = [task for task in self._tasks.values() if task.lease and task.stage.task_type in task_types]
        expired = [task.expired() for task in held if task.lease and task.lease.expires_at <= now]
        return sorted(expired, key=lambda found: found.lease.expires_at)[:limit]

    def stale_wakeups(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboundMessage]:
        stale = [wakeup for wakeup in self._needed_wakeups() if wakeup.stale(before)][:limit]
        for wakeup in stale:
            wakeup.published_at = now
        return [wakeup.message for wakeup in stale]

    # --- for tests ---

    def create_test_job(
        self,
        job_type: str,
        parameters: Mapping[str, object] | None = None,
        *,
        job_id: str | None = None,
        status: RunStatus = RunStatus.PROCESSING,
        retry_budget: int | None = None,
    ) -> RunRecord:
        """Put a run in place without submitting it; its message is not sent.

        Raises :class:`core.errors.InvalidIdentifier` for a ``job_id`` that is not 64 hex digits.
        """
        values = dict(parameters or {})
        key = parse_job_id(job_id) if job_id is not None else job_id_for(job_type, values, "test")
        wakeup = JobQueueMessage(job_id=key, run=1, job_type=job_type)
        message = OutboundMessage("jobs", wakeup.message_id, wakeup.name, wakeup.encode())
        run = RunRow(key, 1, job_type, "test", json.dumps(values), retry_budget, message, self._clock.now())
        run.status = status
        self._runs[run.key] = run
        return run.record()

    def create_test_task(
        self,
        job_id: str,
        task_type: str,
        parameters: Mapping[str, object] | None = None,
        *,
        parameters_json: str | None = None,
        stage: int = 1,
        name: str = "0",
        failure_policy: FailurePolicy = FailurePolicy.FAIL_FAST,
    ) -> TaskRecord:
        """Put a queued task into a run, and its stage if that is not there. Nothing is sent.

        ``parameters_json`` is JSON text, in place of ``parameters``. Raises :class:`JobNotFound`, and
        :class:`DefinitionError` for a name that the stage has already.
        """
        run = self._runs.get((JobId(job_id), 1))
        if run is None:
            raise JobNotFound(f"there is no job {job_id[:80]}")
        task_id = task_id_for(run.job_id, 1, stage, name)
        if task_id in self._tasks:
            raise DefinitionError(f"stage {stage}: there is a task {name!r} already")
        row = next((found for found in run.stages if found.number == stage), None)
        row = row or StageRow.for_test(run, stage, task_type, failure_policy)
        message = TaskQueueMessage(
            job_id=run.job_id,
            run=1,
            job_type=run.job_type,
            stage=stage,
            task_id=task_id,
            task_type=task_type,
            attempt=1,
        )
        outbound = OutboundMessage("tasks", task_message_id(task_id, 1), message.name, message.encode())
        task = TaskRow(row, NewTask(task_id, name, parameters_json or json.dumps(dict(parameters or {})), outbound))
        row.add(task)
        self._tasks[task_id] = task
        return task.record()

    def get_state_snapshot(self) -> dict[str, Any]:
        """Everything as JSON values: ``jobs`` by job id, ``tasks`` by task id, ``stage_stats`` by job:run:stage."""
        return {
            "jobs": {run.job_id: run.snapshot() for run in self._runs.values()},
            "tasks": {task_id: task.snapshot() for task_id, task in self._tasks.items()},
            "stage_stats": {
                f"{run.job_id}:{run.run}:{stage.number}": stage.stats()
                for run in self._runs.values()
                for stage in run.stages
            },
        }

    def get_operation_log(self) -> list[dict[str, str]]:
        """The transitions that were asked for, in order: ``operation``, ``key`` and ``result``."""
        return [{"operation": name, "key": key, "result": str(result)} for name, key, result in self._operations.rows()]

    def open_runs(self) -> list[RunRecord]:
        """The runs that have not ended."""
        return [run.record() for run in self._runs.values() if not run.ended]

    def task_ended(self, task_id: TaskId) -> bool:
        return self._tasks[task_id].status in TERMINAL_TASK

    def mark_injected(self, task_id: TaskId, now: datetime) -> None:
        """The task's wake-up was sent by hand: from now on it can be missed."""
        self._tasks[task_id].wakeup.published_at = now

    def failed_runs(self) -> list[RunRecord]:
        return [run.record() for run in self._runs.values() if run.status is RunStatus.FAILED]

    def next_due(self) -> datetime | None:
        """When the next lease runs out."""
        return min((task.lease.expires_at for task in self._tasks.values() if task.lease), default=None)

    # --- transitions ---

    def _complete(self, task: TaskRow, result_json: str, now: datetime) -> tuple[OutboxRow, ...]:
        self._charge(len(result_json))
        task.result_json = result_json
        self._close_attempt(task, _COMPLETED, _TASK_COMPLETED, None, now)
        stage = task.stage
        stage.remaining -= 1
        return NO_OUTBOX if stage.remaining else (self._end_stage(stage, now),)

    def _fail(self, task: TaskRow, error: ErrorInfo, now: datetime) -> tuple[OutboxRow, ...]:
        task.error = error
        task.charged += 1
        task.stage.failed += 1
        run = task.stage.run
        self._close_attempt(task, TaskStatus.FAILED, EventKind.TASK_FAILED, error, now)
        task.stage.remaining -= 1
        if task.stage.failure_policy is FailurePolicy.TOLERATE:
            return NO_OUTBOX if task.stage.remaining else (self._end_stage(task.stage, now),)
        self._end_run(run, RunStatus.FAILED, None, error, now)
        return NO_OUTBOX

    def _requeue(
        self, task: TaskRow, transition: Requeue, message: OutboundMessage | None, now: datetime
    ) -> tuple[OutboxRow, ...]:
        if message is None:
            raise ValueError("a requeued task needs a wake-up")
        if transition.charged:
            task.charged += 1
            task.stage.run.retries_used += 1
        self._close_attempt(task, TaskStatus.QUEUED, EventKind.TASK_REQUEUED, transition.error, now, transition.cause)
        task.attempt += 1
        task.wakeup = Wakeup(message)
        return (self._outbox.add(task.wakeup, now),)

    def _close_attempt(
        self,
        task: TaskRow,
        status: TaskStatus,
        kind: EventKind,
        error: ErrorInfo | None,
        now: datetime,
        cause: str | None = None,
    ) -> None:
        ended_as = cause or status
        task.end_attempt(now, ended_as, error)
        task.status = status
        stage, task_id = task.stage, task.task_id
        detail = error.code if error is not None else cause or ""
        stage.run.events.add((next(self._sequence), now, kind, stage.number, task_id, task.attempt, detail))
        self._operations.add(("finish_attempt", task_id, ended_as))

    def _end_stage(self, stage: StageRow, now: datetime) -> OutboxRow:
        stage.status = stage_end(stage.failure_policy, stage.failed)
        stage.run.updated_at = now
        self._event(stage.run, EventKind.STAGE_ENDED, now, stage.number, None, None, stage.status.value)
        return self._outbox.add(stage.wakeup, now)

    def _end_run(
        self, run: RunRow, status: RunStatus, result_json: str | None, error: ErrorInfo | None, now: datetime
    ) -> None:
        run.status, run.result_json, run.error, run.updated_at = status, result_json, error, now
        cancelled = sum([self._cancel(task, now) for stage in run.stages for task in stage.tasks])
        if cancelled:
            self._event(run, EventKind.TASKS_CANCELLED, now, None, None, None, str(cancelled))
        for stage in run.stages:
            if stage.close_with(status):
                self._event(run, EventKind.STAGE_ENDED, now, stage.number, None, None, stage.status.value)
        self._outbox.drop(run.job_id, run.run)
        self._event(run, EventKind.JOB_ENDED, now, None, None, None, status.value)
        self._note("finish_run", run.job_id, status.value)

    def _cancel(self, task: TaskRow, now: datetime) -> bool:
        if task.status not in (TaskStatus.QUEUED, TaskStatus.RUNNING):
            return False
        task.end_attempt(now, TaskStatus.CANCELLED, None)
        task.status = TaskStatus.CANCELLED
        task.stage.remaining -= 1
        return True

    # --- helpers ---

    def _check_new_tasks(self, stage: NewStage) -> None:
        ids = {task.task_id for task in stage.tasks}
        if len(ids) != len(stage.tasks):
            raise DefinitionError(f"stage {stage.name!r}: two tasks have the same name")
        if len(self._tasks) + len(ids) > self._max_tasks:
            raise CapacityExceeded(f"more than {self._max_tasks} tasks", limit=self._max_tasks)
        self._charge(sum([len(task.parameters_json) for task in stage.tasks]))

    def _add_task(self, stage: StageRow, new: NewTask, now: datetime) -> OutboxRow:
        task = TaskRow(stage, new)
        stage.add(task)
        self._tasks[new.task_id] = task
        return self._outbox.add(task.wakeup, now)

    def _held(self, lease: Lease, operation: str) -> TaskRow:
        task = self._tasks.get(lease.task_id)
        if task is None or task.lease is None or task.token != lease.token:
            self._note(operation, lease.task_id, "lease_lost")
            raise LeaseLost("the task is no longer held under this lease", task_id=lease.task_id)
        return task

    def _needed_wakeups(self) -> Iterator[Wakeup]:
        for run in self._runs.values():
            if run.ended:
                continue
            if not run.stages:
                yield run.wakeup
                continue
            last = run.stages[-1]
            if last.status is StageStatus.RUNNING:
                yield from (task.wakeup for task in last.tasks if task.status is TaskStatus.QUEUED)
            else:
                yield last.wakeup

    def _charge(self, size: int) -> None:
        if self._bytes + size > self._max_bytes:
            raise CapacityExceeded(f"state: more than {self._max_bytes} bytes", limit=self._max_bytes)
        self._bytes += size

    def _event(
        self,
        run: RunRow,
        kind: EventKind,
        now: datetime,
        stage: int | None = None,
        task_id: TaskId | None = None,
        attempt: int | None = None,
        detail: str = "",
    ) -> None:
        run.events.add((next(self._sequence), now, kind, stage, task_id, attempt, detail))

    def _note(self, operation: str, key: str, result: str) -> None:
        self._operations.add((operation, key, result))
