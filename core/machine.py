"""CoreMachine: loads, decides, commits, publishes. The rules are in :mod:`core.decisions`.

Every ``process_*`` method may be called any number of times with the same message, in any order: what was
done already is a no-op. A :class:`core.errors.TransientError` leaves with the message to be delivered again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import assert_never

from core.attempts import APPLIED, Attempts, Processed
from core.boundary import guarded, parse_parameters
from core.context import StopSignal
from core.decisions import (
    FinishRun,
    Nothing,
    OpenStage,
    on_job_message,
    on_stage_complete,
)
from core.errors import CapacityExceeded, DefinitionError, TransientError
from core.expansion import new_stage
from core.heartbeat import Heartbeat
from core.ids import job_id_for
from core.jobs import JobContext, StageDefinition
from core.jsontext import dump_json
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage
from core.model import (
    LeaseExpired,
    NewJob,
    NewStage,
    OutboundMessage,
    RunRecord,
    RunStatus,
    Submitted,
)
from core.outcome import HANDLER_ERROR, ErrorInfo, Failed, Outcome, describe
from core.ports import BlobStore, Clock, IdSource, MessageBus, StateStore
from core.queues import QueueNames
from core.registry import AnyJob, HandlerRegistry, JobRegistry
from core.relay import OutboxRelay
from core.runner import HandlerRunner, InProcess

_log = logging.getLogger(__name__)


class CoreMachine:
    """The orchestrator, for as many threads as its store and bus are for. Any number may share store and bus.

    ``relay`` publishes what is committed, by default at once and in the caller's thread; there ``runner`` calls the
    handlers, too.
    """

    def __init__(  # noqa: PLR0913 - the seams, and what is registered
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
        heartbeat: Heartbeat | None = None,
        relay: OutboxRelay | None = None,
        runner: HandlerRunner | None = None,
    ) -> None:
        self.jobs = all_jobs
        self.handlers = all_handlers
        self.store = state_manager
        self.blobs = blobs
        self.clock = clock
        self.queues = queues or QueueNames()
        self.relay = relay or OutboxRelay(state_manager, service_bus, clock)
        self.attempts = Attempts(
            all_handlers,
            state_manager,
            self.relay,
            blobs=blobs,
            clock=clock,
            ids=ids,
            queues=self.queues,
            heartbeat=heartbeat,
            runner=runner or InProcess(),
        )

    def submit(
        self,
        job_type: str,
        parameters: Mapping[str, object],
        *,
        tenant: str = "default",
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Submit a job; the same content again gives the same job.

        Raises :class:`core.errors.UnknownJobType`, :class:`core.errors.InvalidParameters`,
        :class:`core.errors.IdempotencyConflict` or what the definition's ``kept`` does, with nothing written.
        """
        idempotency_key = idempotency_key or None
        job = self.jobs.find(job_type)
        parsed = job.kept(parse_parameters(job.parameters, parameters, f"job type {job_type!r}"))
        values = parsed.model_dump(mode="json", by_alias=True)
        job_id = job_id_for(job_type, values, tenant, idempotency_key or "")
        wakeup = JobQueueMessage(job_id=job_id, run=1, job_type=job_type)
        now = self.clock.now()
        submitted = self.store.submit_job(
            NewJob(
                job_id=job_id,
                job_type=job_type,
                tenant=tenant,
                parameters_json=dump_json(parsed),
                idempotency_key=idempotency_key,
                retry_budget=job.retry_budget,
                message=OutboundMessage(self.queues.jobs, wakeup.message_id, wakeup.name, wakeup.encode()),
                deadline=job.deadline(now),
            ),
            now,
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

    def process_task_message(self, message: TaskQueueMessage, stop: StopSignal | None = None) -> Processed:
        """Claim a task, call its handler outside any transaction, and commit what came of it.

        Raises :class:`core.errors.UnknownTaskType`, and :class:`core.errors.MessageInvalid` for a message that
        contradicts itself.
        """
        started = self.attempts.claim(message)
        if isinstance(started, Processed):
            return started
        ended = self.attempts.run(started, stop or StopSignal())
        return ended if isinstance(ended, Processed) else self.attempts.commit(ended)

    def end_lost_attempt(self, message: TaskQueueMessage, expired: LeaseExpired) -> Processed:
        """End an attempt whose holder vanished, by its own fencing token."""
        return self.attempts.end_lost(message, expired)

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
        return new_stage(run, stage, specs, handler, self.queues.of(handler), self.queues.jobs)

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
