"""Watches every transition that a store makes, and says at once when one breaks a promise of the engine.

It keeps books of its own: who holds which task under which token, what each attempt may come to, and which
messages are still needed. They are kept from what the store answers, so that any store can be watched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from core.context import TaskContext
from core.decisions import Requeue, Transition
from core.ids import JobId, TaskId, WorkerId
from core.model import (
    Claimed,
    ClaimResult,
    Finished,
    Lease,
    LeaseExpired,
    NewJob,
    NewRun,
    NewStage,
    NotClaimed,
    Opened,
    OutboundMessage,
    OutboxRow,
    RunStatus,
    Submitted,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import AttemptEnd, ClaimRequest
from testing.simulation.actions import Conduct
from testing.simulation.call import Call
from testing.simulation.jobs import JOBS, SumParams
from testing.simulation.message_witness import MessageWitness
from testing.simulation.ports import Observed
from testing.simulation.rules import Violation
from testing.simulation.run_book import RunBook
from testing.simulation.task_book import Ending

if TYPE_CHECKING:
    from testing.simulation.worker import Worker
    from testing.simulation.world import World


class ObservedStore(Observed):
    hooks: ClassVar[Mapping[str, str]] = {
        "submit_job": "submitted",
        "open_stage": "opened",
        "claim_task": "claimed",
        "claim_tasks": "all_claimed",
        "renew_lease": "renewed",
        "save_checkpoint": "saved",
        "report_progress": "reported",
        "finish_attempt": "finished",
        "finish_attempts": "all_finished",
        "end_lost_attempt": "lost_ended",
        "finish_run": "run_finished",
        "create_run": "created",
        "pause_run": "paused",
        "resume_run": "resumed",
        "park_task": "parked",
        "unpublished": "listed",
        "mark_published": "published",
        "reissue_stale": "reissued",
        "expired_leases": "expired",
    }


class ObservedBus(Observed):
    hooks: ClassVar[Mapping[str, str]] = {"send": "sent", "complete": "settled", "dead_letter": "dead_lettered"}


class Witness(MessageWitness):
    """The hooks have the parameters of the calls that they watch, after the result."""

    def __init__(self, world: World) -> None:
        super().__init__(world.bus)
        self._world = world
        self._calls = 0

    @property
    def all_ended(self) -> bool:
        return all(run.ended is not None for run in self.runs.values())

    def begin(self, worker: Worker, context: TaskContext) -> Call:
        """A handler is called."""
        lease, task = worker.leases.get(context.task_id), self.tasks[context.task_id]
        if lease is None or lease.attempt != context.attempt:
            raise Violation("a handler runs under a lease", f"{context.task_id} attempt {context.attempt}")
        self._calls += 1
        conduct = self._world.conduct(context.task_id)
        if conduct is Conduct.FAIL_FINALLY and not task.run.job.may_fail:
            conduct = Conduct.SUCCEED
        return Call(self._calls, worker, lease, task, conduct)

    # --- runs and stages ---

    def submitted(self, result: Submitted, job: NewJob, now: datetime) -> None:
        key = (result.run.job_id, result.run.run)
        if result.created == (key in self.runs):
            raise Violation("submitting twice is submitting once", f"created: {result.created}")
        if result.created:
            parameters = SumParams.model_validate_json(job.parameters_json)
            self.runs[key] = RunBook(job.job_id, 1, JOBS[job.job_type], parameters, job.deadline)
        self.issue(result.outbox)

    def opened(self, result: Opened, job_id: JobId, run: int, stage: NewStage, now: datetime) -> None:
        self.issue(result.outbox)
        if result.opened:
            book = self.runs[(job_id, run)]
            for task in book.open_stage(stage):
                self.tasks[task.task_id] = task

    def run_finished(
        self,
        result: bool,
        job_id: JobId,
        run: int,
        status: RunStatus,
        result_json: str | None,
        error: ErrorInfo | None,
        now: datetime,
        *_newest_stage: int | None,
        actor: str = "",
    ) -> None:
        if result:
            self.runs[(job_id, run)].finish(status, result_json, error, actor, now)

    def created(self, result: Submitted | None, new: NewRun, now: datetime) -> None:
        if result is None:
            return
        key = (new.job_id, new.run)
        if key in self.runs:
            raise Violation("a run is made once", f"run {new.run}")
        run = self.runs[key] = self.runs[(new.job_id, new.run - 1)].next_run(new)
        self.tasks.update({task.task_id: task for stage in run.stages for task in stage})
        self.issue(result.outbox)

    def paused(self, result: bool, job_id: JobId, run: int, actor: str, now: datetime) -> None:
        if result:
            self.runs[(job_id, run)].pause(True)

    def resumed(self, result: Sequence[OutboxRow] | None, job_id: JobId, run: int, actor: str, now: datetime) -> None:
        if result is not None:
            self.runs[(job_id, run)].pause(False)
            self.note_rows(result)

    # --- tasks ---

    def claimed(
        self, result: ClaimResult, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> None:
        task = self.tasks.get(task_id)
        if task is None:
            if result is not NotClaimed.UNKNOWN:
                raise Violation("a claim needs a task", f"{task_id}: {result}")
        elif isinstance(result, Claimed):
            task.claim(result, attempt)
            self._worker().leases[task_id] = result.lease
        elif isinstance(result, LeaseExpired):
            self._look(result, now)
        else:
            task.check_refusal(result, attempt)

    def parked(
        self, result: bool, task_id: TaskId, attempt: int, wakeup: OutboundMessage, worker: WorkerId, now: datetime
    ) -> None:
        if result:
            self.tasks[task_id].park(attempt)

    def renewed(self, result: Lease, lease: Lease, lease_seconds: float, now: datetime) -> None:
        self.tasks[lease.task_id].renew(lease, result)

    def saved(self, result: Lease, lease: Lease, checkpoint_json: str, lease_seconds: float, now: datetime) -> None:
        self.tasks[lease.task_id].save(lease, checkpoint_json, result)

    def reported(
        self, result: None, lease: Lease, percent: float, message: str, now: datetime, rate: float | None
    ) -> None:
        self.tasks[lease.task_id].check_holder(lease)

    def finished(
        self, result: Finished, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> None:
        task = self.tasks[lease.task_id]
        task.check_holder(lease)
        call = self._own_call(lease)
        if call is not None:
            task.end(call.ending, result, call.result_json)
        elif self._given_back(lease, transition):
            task.end(Ending.FREE, result, None)
        else:
            raise Violation("an attempt is ended by its worker", f"{task}: {transition}")
        if isinstance(transition, Succeeded) and transition.result_json != task.result_json:
            raise Violation("a result is of the call that made it", transition.result_json)
        self.issue(result.outbox)

    def lost_ended(
        self,
        result: Finished,
        expired: LeaseExpired,
        transition: Transition,
        wakeup: OutboundMessage | None,
        now: datetime,
    ) -> None:
        """Somebody ended an attempt for a holder that vanished, which may be the holder itself, if it was slow."""
        task = self.tasks[expired.lease.task_id]
        task.check_expired(expired, now)
        task.end(Ending.FREE if task.progressed else Ending.CHARGED, result, None)
        self.issue(result.outbox)

    def _look(self, expired: LeaseExpired, now: datetime) -> None:
        """Somebody was told that a lease has run out."""
        if now > self._world.current.clock.now():
            raise Violation("a live lease is not taken away", f"somebody asks as if it were {now}")
        self.tasks[expired.lease.task_id].check_expired(expired, now)

    def all_claimed(self, results: Sequence[ClaimResult], requests: Sequence[ClaimRequest]) -> None:
        for result, request in zip(results, requests, strict=True):
            self.claimed(result, *request)

    def all_finished(self, results: Sequence[Finished | None], ends: Sequence[AttemptEnd]) -> None:
        for result, end in zip(results, ends, strict=True):
            if result is not None:
                self.finished(result, *end)

    def _own_call(self, lease: Lease) -> Call | None:
        """The call that its own worker is about to end; none where somebody ends it for its worker."""
        calls: Mapping[tuple[TaskId, int], Call] = getattr(self._world.current, "calls", {})
        return calls.get((lease.task_id, lease.token))

    def _given_back(self, lease: Lease, transition: Transition) -> bool:
        """Whether a worker ends its own attempt, whose handler it did not call."""
        leases: Mapping[TaskId, Lease] = getattr(self._world.current, "leases", {})
        held = leases.get(lease.task_id)
        given_back = isinstance(transition, Requeue) and transition.cause == "given_back"
        return given_back and held is not None and held.token == lease.token

    def _worker(self) -> Worker:
        worker: Any = self._world.current
        found: Worker = worker
        return found

    def expired(self, result: Sequence[LeaseExpired], now: datetime, limit: int, task_types: object) -> None:
        for expired in result:
            self._look(expired, now)
