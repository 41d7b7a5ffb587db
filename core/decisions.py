"""What happens next, as pure functions of ``(snapshot, event, now)``. Nothing here does I/O.

The in-memory store and the machine call these; a store in SQL says the same in its statements, and the
contract suites hold it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from core.limits import check_error, check_json, check_text
from core.model import (
    FailurePolicy,
    NotClaimed,
    OutboundMessage,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
    TaskStatus,
)
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, RetryLater, Succeeded
from core.retry import RetryPolicy

LEASE_EXPIRED = ErrorInfo("LEASE_EXPIRED", "the worker that held the task stopped renewing its lease", True)

MAX_GRACE = timedelta(days=1)
"""How much longer than the first time a wake-up is waited for at most."""


@dataclass(frozen=True, slots=True)
class FailFinally:
    """The task failed and is not tried again."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class Requeue:
    """The task waits for another attempt, from ``not_before``. ``charged`` says whether this one costs."""

    cause: str
    charged: bool
    not_before: datetime | None = None
    error: ErrorInfo | None = None


Transition = Succeeded | FailFinally | Requeue
"""What a store commits at the end of an attempt; a success is its own transition."""


def after_attempt(outcome: Outcome, policy: RetryPolicy, charged: int, jitter: float, now: datetime) -> Transition:
    """The transition that an attempt's outcome causes, ``charged`` attempts having failed before it."""
    match outcome:
        case Succeeded():
            return outcome
        case Failed(error):
            if not policy.permits(error, charged + 1):
                return FailFinally(error)
            delay = policy.delay(charged + 1, jitter)
            return Requeue("retry", True, now + timedelta(seconds=delay), error)
        case RetryLater(delay, reason):
            error = ErrorInfo("RETRY_LATER", reason or "the handler asked to be called again", True)
            if not policy.permits(error, charged + 1):
                return FailFinally(error)
            return Requeue("retry_later", True, now + timedelta(seconds=delay), error)
        case Interrupted():
            return Requeue("interrupted", False)
    assert_never(outcome)


def after_lost_lease(policy: RetryPolicy, charged: int, progressed: bool) -> Transition:
    """The transition for an attempt whose holder vanished, as :func:`after_lost_handler`."""
    return after_lost_handler(LEASE_EXPIRED, "lease_expired", policy, charged, progressed)


def after_lost_handler(
    error: ErrorInfo, cause: str, policy: RetryPolicy, charged: int, free: bool
) -> FailFinally | Requeue:
    """The transition for an attempt that ended without an outcome.

    It costs an attempt, or a task that kills its process would be tried for ever; but it is ``free`` where the attempt
    saved a checkpoint, or a long task on an unquiet machine would run out of attempts while it advances.
    """
    if free:
        return Requeue(cause, False, error=error)
    if not policy.permits(error, charged + 1):
        return FailFinally(error)
    return Requeue(cause, True, error=error)


def within_budget(transition: FailFinally | Requeue, retries_used: int, budget: int | None) -> FailFinally | Requeue:
    """The transition as the run's retry budget allows it: a retry over the budget is a final failure."""
    if isinstance(transition, Requeue) and transition.charged and budget is not None and retries_used >= budget:
        return FailFinally(transition.error or LEASE_EXPIRED)
    return transition


def next_grace(grace: timedelta, window: timedelta) -> timedelta:
    """How much longer than ``window`` a wake-up that is sent again is given to be claimed, ``grace`` having been the
    last: with each time it waits twice as long, up to a day more than the first. So a healthy backlog is not sent
    over and over.
    """
    return min(2 * grace + max(window, timedelta(0)), MAX_GRACE)


def check_transition(transition: Transition, wakeup: OutboundMessage | None) -> None:
    """Raises :class:`ValueError` for a ``Requeue`` without a wake-up, and as :mod:`core.limits` for what a store does
    not take.
    """
    match transition:
        case Succeeded(result_json):
            check_json(result_json, "result")
        case FailFinally(error):
            check_error(error)
        case Requeue():
            if wakeup is None:
                raise ValueError("a requeued task needs a wake-up")
            check_text(transition.cause, "cause")
            if transition.error is not None:
                check_error(transition.error)
        case _:
            assert_never(transition)


def refusal(status: TaskStatus, attempt: int, message_attempt: int, paused: bool = False) -> NotClaimed | None:
    """Why a message may not claim its task, or ``None`` where it may. ``paused`` is its run's.

    A running task is :attr:`NotClaimed.RUNNING` here; the store turns it into
    :class:`core.model.LeaseExpired` where the lease has run out.
    """
    if status is TaskStatus.QUEUED:
        if message_attempt != attempt:
            return NotClaimed.STALE
        return NotClaimed.PAUSED if paused else None
    if status is TaskStatus.RUNNING:
        return NotClaimed.RUNNING
    return NotClaimed.ENDED


def stage_end(policy: FailurePolicy, failed: int) -> StageStatus:
    """The status of a stage whose last task has ended."""
    if not failed:
        return StageStatus.COMPLETED
    return StageStatus.COMPLETED_WITH_ERRORS if policy is FailurePolicy.TOLERATE else StageStatus.FAILED


@dataclass(frozen=True, slots=True)
class OpenStage:
    """Open the stage at ``index`` of the job's definition."""

    index: int


@dataclass(frozen=True, slots=True)
class FinishRun:
    status: RunStatus


@dataclass(frozen=True, slots=True)
class Nothing:
    """A duplicate, late or reordered message: there is nothing to do, and why."""

    reason: str


Advance = OpenStage | FinishRun | Nothing


def on_job_message(run: RunRecord | None) -> Advance:
    """A job message opens the first stage, once."""
    if run is None:
        return Nothing("unknown_run")
    if run.ended:
        return Nothing("run_ended")
    if run.stages:
        return Nothing("already_started")
    return OpenStage(0)


def on_stage_complete(run: RunRecord | None, stage_number: int, stage_count: int) -> Advance:
    """A stage_complete message opens the next stage or finishes the run, once.

    A stage that failed under ``fail_fast`` has ended its run already, so it never advances.
    """
    if run is None:
        return Nothing("unknown_run")
    if run.ended:
        return Nothing("run_ended")
    if run.current_stage != stage_number:
        return Nothing("already_advanced" if run.current_stage > stage_number else "stage_not_opened")
    if run.stages[-1].remaining or run.stages[-1].status is StageStatus.RUNNING:
        return Nothing("stage_running")
    if stage_number < stage_count:
        return OpenStage(stage_number)
    return FinishRun(run_end(run.stages))


def run_end(stages: Sequence[StageRecord]) -> RunStatus:
    """The status of a run whose last stage advanced."""
    return RunStatus.COMPLETED_WITH_ERRORS if any(stage.failed for stage in stages) else RunStatus.COMPLETED
