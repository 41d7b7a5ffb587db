"""CoreMachine: loads, decides, commits, publishes. The rules are in :mod:`core.decisions`.

Every ``process_*`` method may be called any number of times with the same message, in any order: what was
done already is a no-op. A :class:`core.errors.TransientError` leaves with the message to be delivered again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from core.boundary import guarded, parse_parameters, run_handler
from core.context import StopSignal, TaskContext
from core.decisions import (
    FailFinally,
    FinishRun,
    Nothing,
    OpenStage,
    Requeue,
    Transition,
    after_attempt,
    after_lost_lease,
    on_job_message,
    on_stage_complete,
)
from core.errors import CapacityExceeded, DefinitionError, LeaseLost, MessageInvalid, TransientError
from core.expansion import new_stage
from core.handlers import TaskHandler
from core.ids import MAX_ATTEMPT, WorkerId, job_id_for
from core.jobs import JobContext, StageDefinition
from core.jsontext import dump_json
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage
from core.model import (
    TERMINAL_RUN,
    Claimed,
    Finished,
    Lease,
    LeaseExpired,
    NewJob,
    NewStage,
    OutboundMessage,
    RunRecord,
    RunStatus,
    Submitted,
)
from core.outcome import HANDLER_ERROR, ErrorInfo, Failed, Interrupted, Outcome, Succeeded, describe
from core.ports import BlobStore, Clock, IdSource, MessageBus, StateStore
from core.registry import AnyJob, HandlerRegistry, JobRegistry
from core.relay import OutboxRelay

_log = logging.getLogger(__name__)

LEASE_MARGIN = 30.0
"""Seconds that a lease outlives its handler's timeout where nobody renews it."""

DEADLINE_EXCEEDED = ErrorInfo("DEADLINE_EXCEEDED", "the handler reached its timeout without saving a checkpoint", True)
"""What an interruption by nothing but the task's own timeout comes to: free of charge, it would repeat for ever."""

ATTEMPTS_EXHAUSTED = ErrorInfo("ATTEMPTS_EXHAUSTED", f"the task was tried {MAX_ATTEMPT} times")


@dataclass(frozen=True, slots=True)
class QueueNames:
    jobs: str = "jobs"
    tasks: str = "tasks"
    long_running: str = "long-running-tasks"

    def all(self) -> tuple[str, str, str]:
        return (self.jobs, self.tasks, self.long_running)


@dataclass(frozen=True, slots=True)
class Processed:
    """What a message came to. Its message is to be completed, whatever ``effect`` says.

    ``effect`` is ``applied``, or the reason why nothing was done; ``outcome`` is the handler's, where one ran.
    """

    effect: str
    outcome: Outcome | None = None


APPLIED = "applied"


class CoreMachine:
    """The orchestrator. One instance serves one worker at a time; any number may share store and bus."""

    def __init__(
        self,
        all_jobs: JobRegistry,
        all_handlers: HandlerRegistry,
        state_manager: StateStore,
        service_bus: MessageBus,
        *,
        blobs: BlobStore,
        clock: Clock,
        ids: IdSource,
        queues: QueueNames | None = None,
    ) -> None:
        self.jobs = all_jobs
        self.handlers = all_handlers
        self.store = state_manager
        self.blobs = blobs
        self.clock = clock
        self.queues = queues or QueueNames()
        self.relay = OutboxRelay(state_manager, service_bus, clock)
        self._ids = ids
        self._worker = WorkerId(ids.new_id())

    def submit(
        self,
        job_type: str,
        parameters: Mapping[str, object],
        *,
        tenant: str = "default",
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Submit a job; the same content again gives the same job.

        Raises :class:`core.errors.UnknownJobType`, :class:`core.errors.InvalidParameters` or
        :class:`core.errors.IdempotencyConflict`, with nothing written.
        """
        idempotency_key = idempotency_key or None
        job = self.jobs.find(job_type)
        parsed = parse_parameters(job.parameters, parameters, f"job type {job_type!r}")
        values = parsed.model_dump(mode="json", by_alias=True)
        job_id = job_id_for(job_type, values, tenant, idempotency_key or "")
        wakeup = JobQueueMessage(job_id=job_id, run=1, job_type=job_type)
        submitted = self.store.submit_job(
            NewJob(
                job_id=job_id,
                job_type=job_type,
                tenant=tenant,
                parameters_json=dump_json(parsed),
                idempotency_key=idempotency_key,
                retry_budget=job.retry_budget,
                message=OutboundMessage(self.queues.jobs, wakeup.message_id, wakeup.name, wakeup.encode()),
            ),
            self.clock.now(),
        )
        self.relay.publish(submitted.outbox)
        if submitted.created:
            _log.info("job_submitted", extra={"job_id": job_id, "job_type": job_type})
        return submitted

    def process_job_message(self, message: JobQueueMessage) -> Processed:
        """Open the first stage of a run."""
        run = self.store.load_run(message.job_id, message.run)
        advance = on_job_message(run)
        if isinstance(advance, OpenStage) and run is not None:
            return self._open_stage(run, self.jobs.find(run.job_type), advance.index)
        assert isinstance(advance, Nothing)
        return Processed(advance.reason)

    def process_stage_complete_message(self, message: StageCompleteMessage) -> Processed:
        """Open the next stage of a run, or finish it."""
        run = self.store.load_run(message.job_id, message.run)
        job = self.jobs.find(run.job_type if run is not None else message.job_type)
        advance = on_stage_complete(run, message.stage, len(job.stages))
        if run is None or isinstance(advance, Nothing):
            return Processed(advance.reason if isinstance(advance, Nothing) else "unknown_run")
        match advance:
            case OpenStage(index):
                return self._open_stage(run, job, index)
            case FinishRun(status):
                return self._finish_run(run, job, status)
        assert_never(advance)

    def process_task_message(
        self, message: TaskQueueMessage, stop: StopSignal | None = None, lease_seconds: float | None = None
    ) -> Processed:
        """Claim a task, call its handler outside any transaction, and commit what came of it.

        ``lease_seconds`` is for a caller that renews the lease while the handler runs; otherwise the lease
        outlives the handler's timeout. Raises :class:`core.errors.UnknownTaskType`, and
        :class:`core.errors.MessageInvalid` for a message that contradicts itself.
        """
        handler = self.handlers.find(message.task_type)
        _check_ids(message)
        seconds = handler.timeout + LEASE_MARGIN if lease_seconds is None else lease_seconds
        claim = self.store.claim_task(message.task_id, message.attempt, self._worker, seconds, self.clock.now())
        if isinstance(claim, Claimed):
            if claim.task_type != message.task_type:  # the store is the truth; the message only woke us
                message = message.model_copy(update={"task_type": claim.task_type})
                handler = self.handlers.find(claim.task_type)
            return self._run_attempt(message, handler, claim, stop or StopSignal(), seconds)
        if isinstance(claim, LeaseExpired):
            return self.end_lost_attempt(message, claim)
        return Processed(claim.value)

    def end_lost_attempt(self, message: TaskQueueMessage, expired: LeaseExpired) -> Processed:
        """End an attempt whose holder vanished, by its own fencing token."""
        policy = self.handlers.find(expired.task_type).retry
        transition = after_lost_lease(policy, expired.charged, expired.progressed)
        return self._end_attempt(message, expired.lease, transition, None)

    def _run_attempt(
        self, message: TaskQueueMessage, handler: TaskHandler, claim: Claimed, stop: StopSignal, lease_seconds: float
    ) -> Processed:
        writes = _Writes(self.store, self.clock, claim, lease_seconds)
        context = TaskContext(
            message,
            timeout=handler.timeout,
            blobs=self.blobs,
            clock=self.clock,
            stop=stop,
            writes=writes,
            checkpoint_json=claim.checkpoint_json,
        )
        try:
            outcome = run_handler(handler, claim.parameters_json, context)
        except LeaseLost as lost:
            return Processed("lease_lost", Failed(ErrorInfo(lost.code, lost.message), lost))
        if isinstance(outcome, Interrupted) and context.stop_reason == "deadline" and not writes.progressed:
            outcome = Failed(DEADLINE_EXCEEDED)
        if isinstance(outcome, Succeeded):
            return self._end_attempt(message, claim.lease, outcome, outcome)
        transition = after_attempt(outcome, handler.retry, claim.charged, self._ids.jitter(), self.clock.now())
        return self._end_attempt(message, claim.lease, transition, outcome)

    def _end_attempt(
        self, message: TaskQueueMessage, lease: Lease, transition: Transition, outcome: Outcome | None
    ) -> Processed:
        wakeup = None
        if isinstance(transition, Requeue):
            if lease.attempt < MAX_ATTEMPT:
                wakeup = self._wakeup(message, lease.attempt + 1, transition)
            else:
                transition = FailFinally(ATTEMPTS_EXHAUSTED)
        try:
            finished = self.store.finish_attempt(lease, transition, wakeup, self.clock.now())
        except LeaseLost:
            return Processed("lease_lost", outcome)
        except CapacityExceeded as error:
            if isinstance(transition, FailFinally):
                raise
            failed = Failed(describe(error), error)
            return self._end_attempt(message, lease, FailFinally(failed.error), failed)
        if finished.outbox:
            self.relay.publish(finished.outbox)
        if _log.isEnabledFor(logging.INFO):
            _log_attempt(message, transition, finished)
        return Processed(APPLIED, outcome)

    def _wakeup(self, message: TaskQueueMessage, attempt: int, transition: Requeue) -> OutboundMessage:
        again = message.model_copy(update={"attempt": attempt})
        queue = self._queue_for(self.handlers.find(message.task_type))
        return OutboundMessage(queue, again.message_id, again.name, again.encode(), transition.not_before)

    def _queue_for(self, handler: TaskHandler) -> str:
        return self.queues.long_running if handler.long_running else self.queues.tasks

    def _open_stage(self, run: RunRecord, job: AnyJob, index: int) -> Processed:
        stage = job.stages[index]
        built = guarded(self._build_stage, run, job, stage)
        if isinstance(built, Failed):
            return self._fail_run(run, built)
        try:
            opened = self.store.open_stage(run.job_id, run.run, built, self.clock.now())
        except (DefinitionError, CapacityExceeded) as error:
            return self._fail_run(run, Failed(describe(error), error))
        self.relay.publish(opened.outbox)
        if opened.opened:
            extra = {"job_id": run.job_id, "run": run.run, "stage": stage.number, "tasks": len(built.tasks)}
            _log.info("stage_opened", extra=extra)
        return Processed(APPLIED if opened.opened else "already_opened")

    def _build_stage(self, run: RunRecord, job: AnyJob, stage: StageDefinition) -> NewStage:
        previous = self.store.stage_results(run.job_id, run.run, stage.number - 1) if stage.number > 1 else ()
        params = job.parameters.model_validate_json(run.parameters_json)
        specs = job.create_tasks_for_stage(stage, params, run.job_id, previous)
        handler = self.handlers.find(stage.task_type)
        return new_stage(run, stage, specs, handler, self._queue_for(handler), self.queues.jobs)

    def _finish_run(self, run: RunRecord, job: AnyJob, status: RunStatus) -> Processed:
        result = guarded(self._finalize, run, job)
        if isinstance(result, Failed):
            return self._fail_run(run, result)
        return self._end_run(run, status, result, None, None)

    def _finalize(self, run: RunRecord, job: AnyJob) -> str:
        context = JobContext(
            job_id=run.job_id,
            run=run.run,
            parameters=job.parameters.model_validate_json(run.parameters_json),
            failed_tasks=sum(stage.failed for stage in run.stages),
            _load=lambda stage: self.store.stage_results(run.job_id, run.run, stage),
        )
        result = job.finalize_job(context)
        if not isinstance(result, job.result):
            raise DefinitionError(f"job type {job.job_type!r}: finalize_job returned {type(result).__name__}")
        return dump_json(result)

    def _fail_run(self, run: RunRecord, failed: Failed) -> Processed:
        """End a run whose definition raised. An absent store or bus is raised, so that the message comes again.

        A definition's own error ends the run whatever its class says: a definition is pure, and no attempts
        are counted that could bound its retries.
        """
        if isinstance(failed.cause, TransientError):
            raise failed.cause
        error = failed.error
        if error.code == HANDLER_ERROR:
            error = ErrorInfo(DefinitionError.code, f"the definition raised {type(failed.cause).__name__}")
        return self._end_run(run, RunStatus.FAILED, None, error, failed)

    def _end_run(
        self, run: RunRecord, status: RunStatus, result: str | None, error: ErrorInfo | None, outcome: Outcome | None
    ) -> Processed:
        now, stage = self.clock.now(), run.current_stage
        try:
            ended = self.store.finish_run(run.job_id, run.run, status, result, error, now, stage)
        except CapacityExceeded as full:
            if result is None:
                raise
            return self._fail_run(run, Failed(describe(full), full))
        if not ended:
            return Processed("already_advanced", outcome)
        _log.info("job_ended", extra={"job_id": run.job_id, "run": run.run, "status": status.value})
        return Processed(APPLIED, outcome)


class _Writes:
    """A running attempt's ways to the store, under its lease."""

    __slots__ = ("_checkpoint_json", "_clock", "_lease", "_lease_seconds", "_store", "progressed")

    def __init__(self, store: StateStore, clock: Clock, claim: Claimed, lease_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._lease = claim.lease
        self._checkpoint_json = claim.checkpoint_json
        self._lease_seconds = lease_seconds
        self.progressed = False

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self._store.save_checkpoint(self._lease, checkpoint_json, self._lease_seconds, self._clock.now())
        self.progressed = self.progressed or checkpoint_json != self._checkpoint_json

    def report_progress(self, percent: float, message: str) -> None:
        self._store.report_progress(self._lease, percent, message, self._clock.now())


def _check_ids(message: TaskQueueMessage) -> None:
    if not message.task_id.startswith(f"{message.job_id}:{message.run}:{message.stage}:"):
        raise MessageInvalid("the task id is not of the job, run and stage that the message names")


def _log_attempt(message: TaskQueueMessage, transition: Transition, finished: Finished) -> None:
    extra = {"task_id": message.task_id, "attempt": message.attempt, "status": finished.task_status.value}
    if isinstance(transition, FailFinally):
        extra["code"] = transition.error.code
    _log.info("attempt_ended", extra=extra)
    if finished.run_status in TERMINAL_RUN:
        extra = {"job_id": message.job_id, "run": message.run, "status": finished.run_status.value}
        _log.info("job_ended", extra=extra)
