"""One attempt at a task, or many at once: claimed, run outside any transaction, and committed with what came of it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, ParamSpec, TypeVar

from core.attempt_writes import LeasedWrites
from core.context import StopReason, StopSignal
from core.decisions import FailFinally, Requeue, Transition, after_attempt, after_lost_handler, after_lost_lease
from core.errors import (
    CapacityExceeded,
    CoreMachineError,
    HandlerLost,
    LeaseLost,
    MessageInvalid,
    StoreBusy,
    StoreUnavailable,
    TextNotStorable,
    TransientError,
)
from core.handlers import TaskHandler
from core.heartbeat import Heartbeat
from core.ids import MAX_ATTEMPT, WorkerId
from core.messages import TaskQueueMessage
from core.model import (
    TERMINAL_RUN,
    Claimed,
    ClaimResult,
    Finished,
    Lease,
    LeaseExpired,
    NotClaimed,
    OutboundMessage,
    OutboxRow,
)
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, Succeeded, describe
from core.ports import AttemptEnd, BlobStore, ClaimRequest, Clock, IdSource, StateStore
from core.queues import QueueNames
from core.registry import HandlerRegistry
from core.relay import OutboxRelay
from core.runner import HandlerCall, HandlerRunner

_log = logging.getLogger("core.machine")

LEASE_MARGIN = 30.0
"""Seconds that a lease outlives its handler's timeout where nobody renews it."""

START_SECONDS = 180.0
"""For so much longer a long-running handler's lease is renewed: its process may have to start, and to be ended."""

DEADLINE_EXCEEDED = ErrorInfo("DEADLINE_EXCEEDED", "the handler reached its timeout without saving a checkpoint", True)
MEMORY_EXCEEDED = ErrorInfo("MEMORY_EXCEEDED", "the handler reached its memory limit without saving a checkpoint", True)

ITS_OWN_DOING: Mapping[str, ErrorInfo] = {
    StopReason.DEADLINE: DEADLINE_EXCEEDED,
    StopReason.MEMORY: MEMORY_EXCEEDED,
}
"""What an interruption comes to that nothing but the task itself caused, by its reason, where no checkpoint was saved:
free of charge, it would repeat for ever.
"""

ATTEMPTS_EXHAUSTED = ErrorInfo("ATTEMPTS_EXHAUSTED", f"the task was tried {MAX_ATTEMPT} times")

REFUSED = (CapacityExceeded, TextNotStorable)
"""What a store raises for an outcome that it will never take, with nothing written: the attempt fails with it."""

KEPT = 1_000
"""How many outcomes are kept that the store was away for; the oldest go first, and their tasks are tried again."""

KEPT_AT_ONCE = 100

APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Processed:
    """What a message came to. Its message is to be completed, whatever ``effect`` says.

    ``effect`` is ``applied``, or the reason why nothing was done; ``outcome`` is the handler's, where one ran.
    """

    effect: str
    outcome: Outcome | None = None


class Started(NamedTuple):
    """An attempt that is held and has not been run."""

    message: TaskQueueMessage
    handler: TaskHandler
    claim: Claimed
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that was run, and how it is to be committed. ``outcome`` is the handler's."""

    message: TaskQueueMessage
    lease: Lease
    transition: Transition
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Committed:
    """What attempts that were committed together came to, in order, and the messages that they caused, at that time."""

    processed: Sequence[Processed | CoreMachineError]
    outbox: Sequence[OutboxRow]
    at: datetime


class Attempts:
    """What :class:`core.machine.CoreMachine` does with task messages.

    For as many threads as the store and the relay are for. With a ``heartbeat`` leases are
    short, and renewed while handlers run; else they outlive the handlers' timeouts.
    """

    def __init__(  # noqa: PLR0913 - the seams, and what is registered
        self,
        handlers: HandlerRegistry,
        store: StateStore,
        relay: OutboxRelay,
        *,
        blobs: BlobStore,
        clock: Clock,
        ids: IdSource,
        queues: QueueNames,
        runner: HandlerRunner,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._runner = runner
        self._heartbeat = heartbeat
        self._handlers = handlers
        self._store = store
        self._relay = relay
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._queues = queues
        self._worker = WorkerId(ids.new_id())
        self._kept: deque[Ended] = deque(maxlen=KEPT)

    def claim(self, message: TaskQueueMessage) -> Started | Processed:
        """Claim the task that ``message`` wakes.

        Raises :class:`core.errors.UnknownTaskType`, and :class:`core.errors.MessageInvalid` for a message that
        contradicts itself.
        """
        if self._kept:
            self.commit_kept()
        request = self._request(message)
        return self._claimed(message, request, self._store.claim_task(*request))

    def claim_many(self, messages: Sequence[TaskQueueMessage]) -> list[Started | Processed | CoreMachineError]:
        """:meth:`claim` for each in one call to the store; an error is given in its message's place.

        Raises :class:`core.errors.TransientError` where the store is away.
        """
        self.commit_kept()
        asked: list[ClaimRequest | CoreMachineError] = [_or_error(self._request, message) for message in messages]
        claims = iter(self._claims([one for one in asked if isinstance(one, ClaimRequest)]))
        return [
            self._claimed_or_error(message, one, next(claims)) if isinstance(one, ClaimRequest) else one
            for message, one in zip(messages, asked, strict=True)
        ]

    def run(self, started: Started, stop: StopSignal) -> Ended | Processed:
        """Call the handler."""
        claim, own = started.claim, StopSignal(stop)
        writes = LeasedWrites(self._store, self._clock, claim, started.lease_seconds)
        call = HandlerCall(
            started.handler,
            started.message,
            claim.parameters_json,
            claim.checkpoint_json,
            stop=own,
            writes=writes,
            blobs=self._blobs,
            clock=self._clock,
        )
        deadline = self._clock.now() + timedelta(seconds=started.handler.timeout)
        try:
            with self._beating(started, own):
                outcome = self._runner(call)
                writes.finish()
        except LeaseLost as lost:
            return _lost(Failed(ErrorInfo(lost.code, lost.message), lost))
        except HandlerLost as lost:
            writes.finish()
            return _without_outcome(started, lost, writes.progressed)
        if isinstance(outcome, Interrupted) and not writes.progressed:
            late = StopReason.DEADLINE if self._clock.now() >= deadline else ""
            own_doing = ITS_OWN_DOING.get(own.reason or late)
            outcome = outcome if own_doing is None else Failed(own_doing)
        return self._ended(started, outcome)

    def _ended(self, started: Started, outcome: Outcome) -> Ended:
        claim = started.claim
        if isinstance(outcome, Succeeded):
            return Ended(started.message, claim.lease, outcome, outcome)
        policy, jitter = started.handler.retry, self._ids.jitter()
        transition = after_attempt(outcome, policy, claim.charged, jitter, self._clock.now())
        return Ended(started.message, claim.lease, transition, outcome)

    def _beating(self, started: Started, stop: StopSignal) -> AbstractContextManager[None]:
        if self._heartbeat is None:
            return nullcontext()
        handler = started.handler
        around = LEASE_MARGIN + (START_SECONDS if handler.long_running else 0.0)
        return self._heartbeat.holding(started.claim.lease, handler.timeout + around, stop)

    def renewed(self, started: Started) -> Started | Processed:
        """``started`` with a lease that covers its handler from now on, should it have waited for its turn."""
        lease, now = started.claim.lease, self._clock.now()
        if lease.expires_at - now > timedelta(seconds=started.lease_seconds - LEASE_MARGIN / 2):
            return started
        try:
            lease = self._store.renew_lease(lease, started.lease_seconds, now)
        except LeaseLost:
            return _lost(None)
        return started._replace(claim=started.claim._replace(lease=lease))

    def given_back(self, started: Started) -> Ended:
        """The end of an attempt whose handler is not called after all; it costs nothing."""
        return Ended(started.message, started.claim.lease, Requeue("given_back", False), None)

    def commit(self, ended: Ended) -> Processed:
        """Commit how an attempt ended, and publish what that caused.

        Raises :class:`core.errors.TransientError` where the store is away, and keeps ``ended`` for :meth:`commit_kept`.
        """
        processed, outbox = self._commit_one(ended)
        if outbox:
            self._relay.publish(outbox)
        return processed

    def commit_many(self, ended: Sequence[Ended]) -> Committed:
        """:meth:`commit` for each, in one call to the store. What they caused is left to be published.

        Raises as :meth:`commit`. What the store refuses is refused alone, and a run whose rows are held by somebody
        does not hold up the others.
        """
        ends = [self._end(one) for one in ended]
        try:
            finished = self._store.finish_attempts(ends)
        except REFUSED:
            return self._together([_or_error(self._commit_one, one) for one in ended])
        except StoreBusy as error:
            return self._commit_by_run(ended, error)
        except TransientError:
            self._kept.extend(ended)
            raise
        processed: list[Processed | CoreMachineError] = [
            _applied(one, end.transition, found) if found is not None else _lost(one.outcome)
            for one, end, found in zip(ended, ends, finished, strict=True)
        ]
        outbox = [row for one in finished if one is not None for row in one.outbox]
        return Committed(processed, outbox, self._clock.now())

    def _together(self, some: Sequence[tuple[Processed, Sequence[OutboxRow]] | CoreMachineError]) -> Committed:
        processed = [one if isinstance(one, CoreMachineError) else one[0] for one in some]
        outbox = [row for one in some if not isinstance(one, CoreMachineError) for row in one[1]]
        return Committed(processed, outbox, self._clock.now())

    def _commit_one(self, ended: Ended) -> tuple[Processed, Sequence[OutboxRow]]:
        end = self._end(ended)
        try:
            finished = self._store.finish_attempt(*end)
        except LeaseLost:
            return _lost(ended.outcome), ()
        except REFUSED as error:
            if isinstance(end.transition, FailFinally):
                raise
            failed = Failed(describe(error), error)
            return self._commit_one(Ended(ended.message, ended.lease, FailFinally(failed.error), failed))
        except TransientError:
            self._kept.append(ended)
            raise
        return _applied(ended, end.transition, finished), finished.outbox

    @property
    def keeps(self) -> bool:
        """Whether there is anything for :meth:`commit_kept`."""
        return bool(self._kept)

    def commit_kept(self) -> None:
        """Commit what the store was away for. A result is not thrown away while its lease may still be good."""
        left = len(self._kept)  # what is kept again waits for the next time
        while left and (some := self._some_kept(min(left, KEPT_AT_ONCE))):
            left -= len(some)
            self._relay.publish(self.commit_many(some).outbox)

    def _some_kept(self, limit: int) -> list[Ended]:
        """Up to ``limit``, taken out; another thread may be quicker."""
        some: list[Ended] = []
        with suppress(IndexError):
            while len(some) < limit:
                some.append(self._kept.popleft())
        return some

    def _commit_by_run(self, ended: Sequence[Ended], error: StoreBusy) -> Committed:
        runs = list(dict.fromkeys((one.message.job_id, one.message.run) for one in ended))
        if len(runs) == 1:
            self._kept.extend(ended)
            raise error
        processed: dict[int, Processed | CoreMachineError] = {}
        outbox: list[OutboxRow] = []
        for run in runs:
            places = [index for index, one in enumerate(ended) if (one.message.job_id, one.message.run) == run]
            committed = _or_error(self.commit_many, [ended[index] for index in places])
            if isinstance(committed, CoreMachineError):
                processed |= dict.fromkeys(places, committed)
            else:
                processed |= dict(zip(places, committed.processed, strict=True))
                outbox += committed.outbox
        return Committed([processed[index] for index in range(len(ended))], outbox, self._clock.now())

    def end_lost(self, message: TaskQueueMessage, expired: LeaseExpired) -> Processed:
        """End an attempt whose holder vanished, unless the holder has been heard of since."""
        policy = self._handlers.find(expired.task_type).retry
        transition = after_lost_lease(policy, expired.charged, expired.progressed)
        ended = Ended(message, expired.lease, transition, None)
        end = self._end(ended)
        assert not isinstance(end.transition, Succeeded)
        try:
            finished = self._store.end_lost_attempt(expired, end.transition, end.wakeup, end.now)
        except LeaseLost:
            return _lost(None)
        self._relay.publish(finished.outbox)
        return _applied(ended, end.transition, finished)

    def _request(self, message: TaskQueueMessage) -> ClaimRequest:
        handler = self._handlers.find(message.task_type)
        _check_ids(message)
        seconds = self._lease_seconds(handler)
        return ClaimRequest(message.task_id, message.attempt, self._worker, seconds, self._clock.now())

    def _lease_seconds(self, handler: TaskHandler) -> float:
        unrenewed = handler.timeout + LEASE_MARGIN
        return unrenewed if self._heartbeat is None else min(unrenewed, self._heartbeat.lease_seconds)

    def _claims(self, requests: Sequence[ClaimRequest]) -> Sequence[ClaimResult | CoreMachineError]:
        try:
            return self._store.claim_tasks(requests)
        except StoreBusy:
            if len(requests) == 1:
                raise
            return [_or_error(self._store.claim_task, *request) for request in requests]

    def _claimed_or_error(
        self, message: TaskQueueMessage, request: ClaimRequest, claim: ClaimResult | CoreMachineError
    ) -> Started | Processed | CoreMachineError:
        if isinstance(claim, CoreMachineError):
            return claim
        return _or_error(self._claimed, message, request, claim)

    def _claimed(self, message: TaskQueueMessage, request: ClaimRequest, claim: ClaimResult) -> Started | Processed:
        if isinstance(claim, Claimed):
            if claim.task_type != message.task_type:  # the store is the truth; the message only woke us
                message = message.model_copy(update={"task_type": claim.task_type})
            return Started(message, self._handlers.find(claim.task_type), claim, request.lease_seconds)
        if isinstance(claim, LeaseExpired):
            return self.end_lost(message, claim)
        if claim is NotClaimed.PAUSED:
            return self._park(message)
        return Processed(claim.value)

    def _park(self, message: TaskQueueMessage) -> Processed:
        """Keep a task of a paused run for when it is resumed. Raises so that the message comes again where the pause
        has just ended.
        """
        if message.attempt >= MAX_ATTEMPT:  # its wake-up is reissued once it is stale
            return Processed(NotClaimed.PAUSED.value)
        wakeup, now = self._wakeup(message, message.attempt + 1, None), self._clock.now()
        if not self._store.park_task(message.task_id, message.attempt, wakeup, self._worker, now):
            raise StoreUnavailable("the run's pause ended as the task was put aside: try again")
        return Processed("parked")

    def _end(self, ended: Ended) -> AttemptEnd:
        lease, transition = ended.lease, ended.transition
        if not isinstance(transition, Requeue):
            return AttemptEnd(lease, transition, None, self._clock.now())
        if lease.attempt >= MAX_ATTEMPT:
            return AttemptEnd(lease, FailFinally(ATTEMPTS_EXHAUSTED), None, self._clock.now())
        wakeup = self._wakeup(ended.message, lease.attempt + 1, transition.not_before)
        return AttemptEnd(lease, transition, wakeup, self._clock.now())

    def _wakeup(self, message: TaskQueueMessage, attempt: int, not_before: datetime | None) -> OutboundMessage:
        again = message.model_copy(update={"attempt": attempt})
        queue = self._queues.of(self._handlers.find(message.task_type))
        return OutboundMessage(queue, again.message_id, again.name, again.encode(), not_before)


P = ParamSpec("P")
T = TypeVar("T")


def _or_error(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | CoreMachineError:
    try:
        return call(*arguments, **named)
    except CoreMachineError as error:
        return error


def _check_ids(message: TaskQueueMessage) -> None:
    if not message.task_id.startswith(f"{message.job_id}:{message.run}:{message.stage}:"):
        raise MessageInvalid("the task id is not of the job, run and stage that the message names")


def _without_outcome(started: Started, lost: HandlerLost, progressed: bool) -> Ended:
    error = ErrorInfo(lost.lost_code, lost.message, True)
    free = progressed or not lost.charged
    cause = "handler_lost" if lost.charged else "interrupted"
    transition = after_lost_handler(error, cause, started.handler.retry, started.claim.charged, free)
    return Ended(started.message, started.claim.lease, transition, Failed(error, lost))


def _lost(outcome: Outcome | None) -> Processed:
    return Processed("lease_lost", outcome)


def _applied(ended: Ended, transition: Transition, finished: Finished) -> Processed:
    if _log.isEnabledFor(logging.INFO):
        _log_attempt(ended.message, transition, finished)
    return Processed(APPLIED, ended.outcome)


def _log_attempt(message: TaskQueueMessage, transition: Transition, finished: Finished) -> None:
    extra = {"task_id": message.task_id, "attempt": message.attempt, "status": finished.task_status.value}
    if isinstance(transition, FailFinally):
        extra["code"] = transition.error.code
    _log.info("attempt_ended", extra=extra)
    if finished.run_status in TERMINAL_RUN:
        extra = {"job_id": message.job_id, "run": message.run, "status": finished.run_status.value}
        _log.info("job_ended", extra=extra)
