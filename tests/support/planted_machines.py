"""Machines, relays, reconcilers and consumers with one mechanism removed each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from core.attempts import APPLIED, Attempts, Ended, Processed
from core.consumer import AbandonMessage, DeadLetterMessage, dispatch, settle
from core.context import StopSignal
from core.decisions import FailFinally, Requeue
from core.errors import TransientError
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import LeaseExpired, OutboundMessage, OutboxRow, RunStatus
from core.outcome import ErrorInfo, Interrupted, Succeeded
from core.ports import MessageBus, ReceivedMessage, StateStore
from core.reconciler import Reconciler
from core.relay import OutboxRelay

BROKEN = ErrorInfo("BROKEN", "planted")


class InterruptedIsDone(Attempts):
    """A task that stopped on request counts as completed."""

    def commit(self, ended: Ended) -> Processed:
        if isinstance(ended.outcome, Interrupted):
            ended = replace(ended, transition=Succeeded('{"value":0,"call":0}'))
        return super().commit(ended)


class NeverRetries(Attempts):
    """A failure that may be tried again ends its task."""

    def commit(self, ended: Ended) -> Processed:
        if isinstance(ended.transition, Requeue) and ended.transition.error is not None:
            ended = replace(ended, transition=FailFinally(ended.transition.error))
        return super().commit(ended)


class InterruptedIsCharged(Attempts):
    """Being asked to stop costs an attempt."""

    def commit(self, ended: Ended) -> Processed:
        if isinstance(ended.transition, Requeue):
            ended = replace(ended, transition=replace(ended.transition, charged=True))
        return super().commit(ended)


class UsesAResultTwice(Attempts):
    """The next task gets the result of the one before."""

    _newest: Succeeded | None = None

    def commit(self, ended: Ended) -> Processed:
        result = ended.transition
        if isinstance(result, Succeeded):
            ended, self._newest = replace(ended, transition=self._newest or result), result
        return super().commit(ended)


class RetryKeepsItsMessageId(Attempts):
    """A retry's message has the id of the attempt before: the bus drops it as a duplicate."""

    def _wakeup(self, message: TaskQueueMessage, attempt: int, not_before: datetime | None) -> OutboundMessage:
        return super()._wakeup(message, attempt, not_before)._replace(message_id=message.message_id)


class LostLeaseIsFinal(Attempts):
    """A task whose worker died has failed."""

    def end_lost(self, message: TaskQueueMessage, expired: LeaseExpired) -> Processed:
        self._store.end_lost_attempt(expired, FailFinally(BROKEN), None, self._clock.now())
        return Processed(APPLIED)


class LostLeaseIsFree(Attempts):
    """A task that kills its worker is tried for ever."""

    def end_lost(self, message: TaskQueueMessage, expired: LeaseExpired) -> Processed:
        wakeup = self._wakeup(message, expired.lease.attempt + 1, None)
        self._store.end_lost_attempt(expired, Requeue("lease_expired", False), wakeup, self._clock.now())
        return Processed(APPLIED)


class SendsBeforeItCommits(Attempts):
    """A retry's message is sent, then the retry is committed."""

    def _wakeup(self, message: TaskQueueMessage, attempt: int, not_before: datetime | None) -> OutboundMessage:
        wakeup = super()._wakeup(message, attempt, not_before)
        self._relay._bus.send([wakeup])
        return wakeup


class DuplicateFailsTheJob(CoreMachine):
    """A message for a task that runs elsewhere, or has ended, fails the run."""

    def process_task_message(self, message: TaskQueueMessage, stop: StopSignal | None = None) -> Processed:
        processed = super().process_task_message(message, stop)
        if processed.effect in ("running", "ended"):
            self.store.finish_run(message.job_id, message.run, RunStatus.FAILED, None, BROKEN, self.clock.now())
        return processed


class MarksThenSends(OutboxRelay):
    """A row leaves the outbox before the bus has its message."""

    def _publish_batch(self, rows: Sequence[OutboxRow]) -> int | None:
        try:
            self._store.mark_published([row.row_id for row in rows], self._clock.now())
            self._bus.send([row.message for row in rows])
        except TransientError:
            return None
        return len(rows)


class MarksWhatWasNotSent(OutboxRelay):
    """A row leaves the outbox even if the bus was away."""

    def _publish_batch(self, rows: Sequence[OutboxRow]) -> int | None:
        sent = super()._publish_batch(rows)
        if sent is None:
            self._store.mark_published([row.row_id for row in rows], self._clock.now())
        return sent


class _Altered(CoreMachine):
    """A machine whose relay or attempts are of another class."""

    attempts_type: ClassVar[type[Attempts]] = Attempts
    relay_type: ClassVar[type[OutboxRelay]] = OutboxRelay

    def __init__(self, all_jobs: Any, all_handlers: Any, state_manager: Any, service_bus: Any, **named: Any) -> None:
        super().__init__(all_jobs, all_handlers, state_manager, service_bus, **named)
        self.relay = self.relay_type(state_manager, service_bus, self.clock)
        self.attempts = self.attempts_type(all_handlers, state_manager, self.relay, **{"queues": self.queues} | named)


def with_attempts(altered: type[Attempts]) -> type[CoreMachine]:
    return type(altered.__name__, (_Altered,), {"attempts_type": altered})


def with_relay(altered: type[OutboxRelay]) -> type[CoreMachine]:
    return type(altered.__name__, (_Altered,), {"relay_type": altered})


class _Blind(Reconciler):
    """A reconciler that the store gives nothing of one kind."""

    unseen: ClassVar[str]

    def run_once(self) -> Any:
        machine, store = self._machine, self._machine.store
        machine.store = cast(StateStore, _WithNothing(store, self.unseen))
        self._relay._store = machine.store
        try:
            return super().run_once()
        finally:
            machine.store = self._relay._store = store


class _WithNothing:
    def __init__(self, store: StateStore, unseen: str) -> None:
        self._store = store
        self._unseen = unseen

    def __getattr__(self, name: str) -> Any:
        return _nothing if name == self._unseen else getattr(self._store, name)


def _nothing(*arguments: object) -> tuple[()]:
    return ()


class LeavesTheOutbox(_Blind):
    """What a crash left in the outbox stays there."""

    unseen = "unpublished"


class ResendsNothing(_Blind):
    """A lost message is lost."""

    unseen = "reissue_stale"


class EndsNoLeases(_Blind):
    """A task whose worker died waits for ever, unless a message for it comes again."""

    unseen = "expired_leases"


class EndsLiveLeases(Reconciler):
    """Takes leases away that would run out within the hour."""

    def run_once(self) -> Any:
        clock, later = self._machine.clock, self._machine.clock.now() + timedelta(hours=1)
        self._machine.clock = _Fixed(later)
        try:
            return super().run_once()
        finally:
            self._machine.clock = clock


class _Fixed:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def settles_first(machine: CoreMachine, bus: MessageBus, message: ReceivedMessage, stop: StopSignal) -> None:
    """Completes a message before what it asks for is committed."""
    settle(bus, message, Processed("received"))
    dispatch(machine, message.body, stop)


def settles_what_failed(machine: CoreMachine, bus: MessageBus, message: ReceivedMessage, stop: StopSignal) -> None:
    """Completes a message that could not be processed because the store was away."""
    settlement = dispatch(machine, message.body, stop)
    settle(bus, message, Processed("tried") if isinstance(settlement, AbandonMessage) else settlement)


def buries_what_failed(machine: CoreMachine, bus: MessageBus, message: ReceivedMessage, stop: StopSignal) -> None:
    """Dead-letters a message that could not be processed because the store was away."""
    settlement = dispatch(machine, message.body, stop)
    if isinstance(settlement, AbandonMessage):
        settlement = DeadLetterMessage(settlement.error)
    settle(bus, message, settlement)
