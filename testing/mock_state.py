"""MockStateManager: the state store in memory, with the transitions of :class:`core.ports.StateStore`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from core.decisions import FailFinally, Requeue, Transition, check_transition, refusal, within_budget
from core.errors import DefinitionError, IdempotencyConflict, LeaseLost
from core.ids import JobId, TaskId, WorkerId
from core.limits import check_error, check_json, check_text
from core.model import (
    Claimed,
    ClaimResult,
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
    Submitted,
    TaskRecord,
    TaskResult,
    TaskStatus,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd, ClaimRequest
from testing.mock_aids import MockAids
from testing.mock_operations import MockOperations
from testing.mock_recovery import MockRecovery
from testing.mock_tables import NO_OUTBOX, MockTables
from testing.rows import RunRow, StageRow, TaskRow

# Bound once for the transitions that every task goes through: on Python 3.11 an enum's member costs six times more
# to read from its class.
_QUEUED, _RUNNING, _COMPLETED = TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.COMPLETED
_TASK_STARTED, _TASK_COMPLETED = EventKind.TASK_STARTED, EventKind.TASK_COMPLETED


@lru_cache(maxsize=64)
def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


class MockStateManager(MockRecovery, MockOperations, MockAids, MockTables):
    """:class:`core.ports.StateStore` in dictionaries, and the ways that tests look into it.

    For one thread at a time; bounded as :class:`testing.mock_tables.MockTables` says.
    """

    def submit_job(self, job: NewJob, now: datetime) -> Submitted:
        _check_job(job)
        key = (job.tenant, job.idempotency_key) if job.idempotency_key is not None else None
        if key is not None and self._keys.get(key, job.job_id) != job.job_id:
            raise IdempotencyConflict("this idempotency key was used with other content")
        existing = self._latest.get(job.job_id)
        if existing is not None:
            self._note("submit_job", job.job_id, "existing")
            return Submitted(existing.record(), False, NO_OUTBOX)
        self._charge(len(job.parameters_json))
        run = RunRow(job.job_id, 1, job.job_type, job.tenant, job.parameters_json, job.retry_budget, job.message, now)
        run.deadline = job.deadline
        self._add_run(run)
        if key is not None:
            self._keys[key] = job.job_id
        self._event(run, EventKind.JOB_SUBMITTED, now)
        self._note("submit_job", job.job_id, "created")
        return Submitted(run.record(), True, (self._outbox.add(run, job.message, now),))

    def load_run(self, job_id: JobId, run: int) -> RunRecord | None:
        row = self._runs.get((job_id, run))
        return row.record() if row is not None else None

    def open_stage(self, job_id: JobId, run: int, stage: NewStage, now: datetime) -> Opened:
        row = self._runs.get((job_id, run))
        if row is not None:
            _check_stage(stage)
        if row is None or not row.may_open(stage.number):
            self._note("open_stage", job_id, "refused")
            return Opened(False, NO_OUTBOX)
        self._check_room(len(stage.tasks))
        self._charge(sum([len(task.parameters_json) for task in stage.tasks]))
        row.status = RunStatus.PROCESSING
        row.touch(now)
        opened = StageRow.opened(stage, row)
        row.stages.append(opened)
        self._event(row, EventKind.STAGE_STARTED, now, stage.number)
        self._note("open_stage", job_id, f"stage {stage.number}, {len(stage.tasks)} tasks")
        if not stage.tasks:
            return Opened(True, (self._end_stage(opened, now),))
        outbox = tuple([self._add_task(opened, task, now) for task in stage.tasks])
        return Opened(True, NO_OUTBOX if row.paused else outbox)

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        check_text(worker, "worker id")
        task = self._tasks.get(task_id)
        if task is None:
            self._note("claim_task", task_id, NotClaimed.UNKNOWN)
            return NotClaimed.UNKNOWN
        stage = task.stage
        run = stage.run
        refused = refusal(task.status, task.attempt, attempt, run.paused)
        if refused is not None:
            if task.lease is not None and task.lease.expires_at <= now:
                self._note("claim_task", task_id, "lease_expired")
                return task.expired()
            self._note("claim_task", task_id, refused)
            return refused
        task.status = _RUNNING
        task.progressed = False
        token = next(self._sequence)
        lease = task.lease = Lease(task_id, attempt, token, worker, now + _seconds(lease_seconds))
        task.tries.append((attempt, worker, token, now, None, None, None))
        run.events.add((token, now, _TASK_STARTED, stage.number, task_id, attempt, "", ""))
        self._operations.add(("claim_task", task_id, "claimed"))
        return Claimed(lease, stage.task_type, task.parameters_json, task.checkpoint_json, task.charged)

    def claim_tasks(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimResult]:
        for request in requests:
            check_text(request.worker, "worker id")
        return [self.claim_task(*request) for request in requests]

    def park_task(
        self, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> bool:
        check_text(worker, "worker id")
        task = self._tasks.get(task_id)
        if task is None or not task.stage.run.paused or (task.status, task.attempt) != (_QUEUED, attempt):
            self._note("park_task", task_id, "refused")
            return False
        task.tries.append((attempt, worker, 0, now, now, "parked", None))
        self._event(task.stage.run, EventKind.TASK_PARKED, now, task.stage.number, task_id, attempt)
        task.attempt += 1
        task.wake(wakeup)
        self._outbox.add(task, wakeup, now)
        self._note("park_task", task_id, "parked")
        return True

    def renew_lease(self, lease: Lease, lease_seconds: float, now: datetime) -> Lease:
        task = self._held(lease, "renew_lease")
        renewed = lease._replace(expires_at=now + _seconds(lease_seconds))
        task.lease = renewed
        return renewed

    def save_checkpoint(self, lease: Lease, checkpoint_json: str, lease_seconds: float, now: datetime) -> Lease:
        check_json(checkpoint_json, "checkpoint")
        task = self._held(lease, "save_checkpoint")
        self._charge(len(checkpoint_json) - len(task.checkpoint_json or ""))
        task.progressed = task.progressed or checkpoint_json != task.checkpoint_json
        task.checkpoint_json = checkpoint_json
        return self.renew_lease(lease, lease_seconds, now)

    def report_progress(
        self, lease: Lease, percent: float, message: str, now: datetime, rate: float | None = None
    ) -> None:
        check_text(message, "progress message")
        self._held(lease, "report_progress").progress = (percent, message, now, rate)

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        if isinstance(transition, Succeeded):
            check_json(transition.result_json, "result")
            task = self._held(lease, "finish_attempt")
            return Finished(_COMPLETED, task.stage.run.status, self._complete(task, transition.result_json, now))
        check_transition(transition, wakeup)
        task = self._held(lease, "finish_attempt")
        run = task.stage.run
        applied = within_budget(transition, run.retries_used, run.retry_budget)
        if isinstance(applied, FailFinally):
            outbox = self._fail(task, applied.error, now)
        else:
            assert wakeup is not None
            outbox = self._requeue(task, applied, wakeup, now)
        return Finished(task.status, run.status, outbox)

    def finish_attempts(self, ends: Sequence[AttemptEnd]) -> Sequence[Finished | None]:
        for end in ends:
            check_transition(end.transition, end.wakeup)
        return [self._finish_unless_lost(end) for end in ends]

    def end_lost_attempt(
        self, expired: LeaseExpired, transition: FailFinally | Requeue, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        check_transition(transition, wakeup)
        task = self._held(expired.lease, "end_lost_attempt")
        seen = (expired.lease.expires_at, expired.progressed)
        if task.lease is None or (task.lease.expires_at, task.progressed) != seen:
            self._note("end_lost_attempt", expired.lease.task_id, "renewed")
            raise LeaseLost("the holder is there after all", task_id=expired.lease.task_id)
        return self.finish_attempt(expired.lease, transition, wakeup, now)

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
        row = self._runs.get((job_id, run))
        if row is None or row.ended or newest_stage not in (None, row.newest_stage):
            self._note("finish_run", job_id, "refused")
            return False
        self._charge(len(result_json or ""))
        self._end_run(row, status, result_json, error, now, actor)
        return True

    def stage_results(self, job_id: JobId, run: int, stage: int) -> Sequence[TaskResult]:
        row = self._runs.get((job_id, run))
        if row is None:
            return ()
        return [task.outcome() for found in row.stages if found.number == stage for task in found.tasks]

    def load_task(self, task_id: TaskId) -> TaskRecord | None:
        task = self._tasks.get(task_id)
        return task.record() if task is not None else None

    # --- transitions ---

    def _finish_unless_lost(self, end: AttemptEnd) -> Finished | None:
        try:
            return self.finish_attempt(end.lease, end.transition, end.wakeup, end.now)
        except LeaseLost:
            return None

    def _complete(self, task: TaskRow, result_json: str, now: datetime) -> tuple[OutboxRow, ...]:
        self._charge(len(result_json))
        task.result_json = result_json
        stage = task.stage
        stage.count_ended(task.tries[-1][3])
        self._close_attempt(task, _COMPLETED, _TASK_COMPLETED, None, now)
        stage.remaining -= 1
        return NO_OUTBOX if stage.remaining else (self._end_stage(stage, now),)

    def _fail(self, task: TaskRow, error: ErrorInfo, now: datetime) -> tuple[OutboxRow, ...]:
        task.error = error
        task.charged += 1
        task.stage.failed += 1
        self._close_attempt(task, TaskStatus.FAILED, EventKind.TASK_FAILED, error, now)
        task.stage.remaining -= 1
        if task.stage.failure_policy is FailurePolicy.TOLERATE:
            task.stage.count_ended(task.tries[-1][3])
            return NO_OUTBOX if task.stage.remaining else (self._end_stage(task.stage, now),)
        self._end_run(task.stage.run, RunStatus.FAILED, None, error, now)
        return NO_OUTBOX

    def _requeue(
        self, task: TaskRow, transition: Requeue, message: OutboundMessage, now: datetime
    ) -> tuple[OutboxRow, ...]:
        run = task.stage.run
        if transition.charged:
            task.charged += 1
            run.retries_used += 1
        self._close_attempt(task, _QUEUED, EventKind.TASK_REQUEUED, transition.error, now, transition.cause)
        task.attempt += 1
        task.wake(message)
        row = self._outbox.add(task, message, now)
        return NO_OUTBOX if run.paused else (row,)

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
        stage.run.events.add((next(self._sequence), now, kind, stage.number, task_id, task.attempt, detail, ""))
        self._operations.add(("finish_attempt", task_id, ended_as))

    def _add_task(self, stage: StageRow, new: NewTask, now: datetime) -> OutboxRow:
        task = TaskRow(stage, new.task_id, new.name, new.parameters_json, new.message)
        stage.add(task)
        self._tasks[new.task_id] = task
        return self._outbox.add(task, new.message, now, False)


def _check_job(job: NewJob) -> None:
    check_text(job.tenant, "tenant")
    check_text(job.idempotency_key or "", "idempotency key")
    check_json(job.parameters_json, "parameters")


def _check_stage(stage: NewStage) -> None:
    if len({task.task_id for task in stage.tasks}) != len(stage.tasks):
        raise DefinitionError(f"stage {stage.name!r}: two tasks have the same name")
    for task in stage.tasks:
        check_json(task.parameters_json, "parameters")
