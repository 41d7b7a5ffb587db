"""State stores with one mechanism removed each. A test kit that lets one of them pass proves nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from core.decisions import FailFinally, Requeue, Transition
from core.errors import LeaseLost
from core.ids import JobId, TaskId, WorkerId
from core.limits import MAX_RESUMED
from core.model import (
    Claimed,
    ClaimResult,
    FailurePolicy,
    Finished,
    Lease,
    LeaseExpired,
    NotClaimed,
    OutboundMessage,
    OutboxRow,
    RunStatus,
    TaskStatus,
)
from core.outcome import ErrorInfo, Succeeded
from core.ports import Attention
from testing.mock_outbox import Outbox, Owner
from testing.mock_state import MockStateManager
from testing.mock_tables import NO_OUTBOX
from testing.rows import RunRow, TaskRow


class NoFencing(MockStateManager):
    """Any lease that was ever granted still writes."""

    def _held(self, lease: Lease, operation: str) -> TaskRow:
        task = self._tasks.get(lease.task_id)
        if task is None or not task.tries:
            raise LeaseLost("no such task")
        return task


class AdvancesAFailedStage(MockStateManager):
    """A stage that failed under fail_fast goes on as if failures were tolerated."""

    def _fail(self, task: TaskRow, error: ErrorInfo, now: datetime) -> tuple[OutboxRow, ...]:
        task.stage.failure_policy = FailurePolicy.TOLERATE
        return super()._fail(task, error, now)


class ClaimsTwice(MockStateManager):
    """A task that runs is granted again."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        task = self._tasks.get(task_id)
        if task is not None and task.status is TaskStatus.RUNNING:
            task.status = TaskStatus.QUEUED
        return super().claim_task(task_id, attempt, worker, lease_seconds, now)


class ClaimsAnyAttempt(MockStateManager):
    """A message of an old attempt claims the task."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        task = self._tasks.get(task_id)
        return super().claim_task(task_id, task.attempt if task is not None else 1, worker, lease_seconds, now)


class ClaimsWhatHasEnded(MockStateManager):
    """A duplicate message starts a finished task again."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        claim = super().claim_task(task_id, attempt, worker, lease_seconds, now)
        if claim is not NotClaimed.ENDED:
            return claim
        self._tasks[task_id].status = TaskStatus.QUEUED
        return super().claim_task(task_id, attempt, worker, lease_seconds, now)


class ForgetfulOutbox(Outbox):
    """Gives a row back to be published, and keeps none."""

    def add(self, owner: Owner, message: OutboundMessage, now: datetime, single: bool = True) -> OutboxRow:
        row = super().add(owner, message, now, single)
        del self._rows[row.row_id]
        return row


class NoOutbox(MockStateManager):
    """Commit, then send: what a crash leaves between the two is lost."""

    def __init__(self, clock: object = None) -> None:
        super().__init__()
        self._outbox = ForgetfulOutbox()


class InterruptedIsCompleted(MockStateManager):
    """A task that was asked to stop counts as done."""

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        if isinstance(transition, Requeue) and not transition.charged:
            transition = Succeeded('{"value": 0}')
        return super().finish_attempt(lease, transition, wakeup, now)


class RetryIsFinal(MockStateManager):
    """A failure that may be tried again ends the task."""

    def finish_attempt(
        self, lease: Lease, transition: Transition, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        if isinstance(transition, Requeue) and transition.error is not None:
            transition = FailFinally(transition.error)
        return super().finish_attempt(lease, transition, wakeup, now)


class SameAttemptAgain(MockStateManager):
    """A requeued task keeps its attempt number."""

    def _requeue(
        self, task: TaskRow, transition: Requeue, message: OutboundMessage, now: datetime
    ) -> tuple[OutboxRow, ...]:
        rows = super()._requeue(task, transition, message, now)
        task.attempt -= 1
        return rows


class CountsDownTwice(MockStateManager):
    """A stage ends before its last task."""

    def _complete(self, task: TaskRow, result_json: str, now: datetime) -> tuple[OutboxRow, ...]:
        if task.stage.remaining > 1:
            task.stage.remaining -= 1
        return super()._complete(task, result_json, now)


class LastTaskForgetsItsStage(MockStateManager):
    """The stage never ends."""

    def _complete(self, task: TaskRow, result_json: str, now: datetime) -> tuple[OutboxRow, ...]:
        task.stage.remaining += 1
        super()._complete(task, result_json, now)
        task.stage.remaining -= 1
        return NO_OUTBOX


class KeepsMessagesOfAnEndedRun(MockStateManager):
    """The outbox still publishes for a run that has ended."""

    def _end_run(
        self,
        run: RunRow,
        status: RunStatus,
        result_json: str | None,
        error: ErrorInfo | None,
        now: datetime,
        actor: str = "",
    ) -> None:
        outbox, self._outbox = self._outbox, Outbox()
        super()._end_run(run, status, result_json, error, now, actor)
        self._outbox = outbox


class EndsARunTwice(MockStateManager):
    """A terminal run takes another end."""

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
        row = self._runs.get((job_id, run))
        if row is not None:
            self._end_run(row, status, result_json, error, now, actor)
        return row is not None


class OpensAStageTwice(MockStateManager):
    """A duplicate stage_complete opens the next stage again."""

    def open_stage(self, job_id: JobId, run: int, stage: object, now: datetime) -> object:  # type: ignore[override]
        row = self._runs.get((job_id, run))
        if row is not None and row.stages and row.stages[-1].number == getattr(stage, "number", 0):
            row.stages.pop()
        return super().open_stage(job_id, run, stage, now)  # type: ignore[arg-type]


class BacklogIsLost(MockStateManager):
    """Everything that waits is taken for lost."""

    def reissue_stale(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboxRow]:
        return super().reissue_stale(now + timedelta(days=1), now, limit)

    def attention(
        self, now: datetime, unpublished_before: datetime, stale_before: datetime, task_types: Collection[str]
    ) -> Attention:
        return super().attention(now, unpublished_before, now + timedelta(days=1), task_types)


class SpendsNoBudget(MockStateManager):
    """The run's retry budget is never used up."""

    def _requeue(
        self, task: TaskRow, transition: Requeue, message: OutboundMessage, now: datetime
    ) -> tuple[OutboxRow, ...]:
        rows = super()._requeue(task, transition, message, now)
        task.stage.run.retries_used = 0
        return rows


class RestartsItsTokens(MockStateManager):
    """Each attempt gets the same fencing token."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        claim = super().claim_task(task_id, attempt, worker, lease_seconds, now)
        if not isinstance(claim, Claimed):
            return claim
        task = self._tasks[task_id]
        task.lease = claim.lease._replace(token=task.tries[0][2])
        task.tries[-1] = (attempt, worker, task.lease.token, *task.tries[-1][3:])
        return claim._replace(lease=task.lease)


class LeasesNeverRunOut(MockStateManager):
    """Whoever holds a task holds it for ever."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        return super().claim_task(task_id, attempt, worker, 1e9, now)


class LeasesHaveRunOut(MockStateManager):
    """A lease that is held is taken for one that has run out."""

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        return super().expired_leases(now + timedelta(days=1), limit, task_types)


class EndsWhoeverWasSlow(MockStateManager):
    """A holder that renews after it was taken for lost loses its lease all the same."""

    def end_lost_attempt(
        self, expired: LeaseExpired, transition: FailFinally | Requeue, wakeup: OutboundMessage | None, now: datetime
    ) -> Finished:
        return self.finish_attempt(expired.lease, transition, wakeup, now)


class ChargesAnAttemptTwice(MockStateManager):
    """An attempt that costs one costs two."""

    def _requeue(
        self, task: TaskRow, transition: Requeue, message: OutboundMessage, now: datetime
    ) -> tuple[OutboxRow, ...]:
        task.charged += transition.charged
        return super()._requeue(task, transition, message, now)


class ForgetsTheCheckpoint(MockStateManager):
    """A task that is tried again starts from nothing."""

    def _requeue(
        self, task: TaskRow, transition: Requeue, message: OutboundMessage, now: datetime
    ) -> tuple[OutboxRow, ...]:
        task.checkpoint_json = None
        return super()._requeue(task, transition, message, now)


class ClaimsInAPause(MockStateManager):
    """A paused run starts tasks."""

    def claim_task(
        self, task_id: TaskId, attempt: int, worker: WorkerId, lease_seconds: float, now: datetime
    ) -> ClaimResult:
        task = self._tasks.get(task_id)
        if task is None or not task.stage.run.paused:
            return super().claim_task(task_id, attempt, worker, lease_seconds, now)
        task.stage.run.paused = False
        claim = super().claim_task(task_id, attempt, worker, lease_seconds, now)
        task.stage.run.paused = True
        return claim


class ResumesWithoutWhatWaited(MockStateManager):
    """What a pause held back is forgotten when it ends."""

    def resume_run(
        self, job_id: JobId, run: int, actor: str, now: datetime, limit: int = MAX_RESUMED
    ) -> Sequence[OutboxRow] | None:
        rows = super().resume_run(job_id, run, actor, now, limit)
        self._outbox.publish([row.row_id for row in rows or ()], now + timedelta(days=365))
        return () if rows is not None else None


class CancelsOnlyWhatIsQueued(MockStateManager):
    """A task that runs while its run ends keeps its lease, and completes."""

    def _cancel(self, task: TaskRow, now: datetime) -> bool:
        return task.status is TaskStatus.QUEUED and super()._cancel(task, now)


class RunsAreOverdueAtOnce(MockStateManager):
    """A run fails long before its deadline."""

    def overdue_runs(self, now: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        return super().overdue_runs(now + timedelta(days=3650), limit)


PLANTED: tuple[type[MockStateManager], ...] = (
    NoFencing,
    AdvancesAFailedStage,
    ClaimsTwice,
    ClaimsAnyAttempt,
    ClaimsWhatHasEnded,
    NoOutbox,
    InterruptedIsCompleted,
    RetryIsFinal,
    SameAttemptAgain,
    CountsDownTwice,
    LastTaskForgetsItsStage,
    KeepsMessagesOfAnEndedRun,
    EndsARunTwice,
    OpensAStageTwice,
    BacklogIsLost,
    SpendsNoBudget,
    RestartsItsTokens,
    LeasesNeverRunOut,
    LeasesHaveRunOut,
    EndsWhoeverWasSlow,
    ChargesAnAttemptTwice,
    ForgetsTheCheckpoint,
    ClaimsInAPause,
    ResumesWithoutWhatWaited,
    CancelsOnlyWhatIsQueued,
    RunsAreOverdueAtOnce,
)
