"""The queue against one that looks through everything each time, under any sequence of calls, crashes too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from testing.clock import FakeClock
from testing.service_bus_emulator.broker.changes import Change
from testing.service_bus_emulator.broker.errors import (
    BrokerError,
    MessageLockLost,
    MessageNotFound,
    SessionCannotBeLocked,
    SessionLockLost,
)
from testing.service_bus_emulator.broker.journal_codec import decode, encode
from testing.service_bus_emulator.broker.message import Delivery, Message, MessageState, ReceiveMode
from testing.service_bus_emulator.broker.queue import Queue, create_queue
from testing.service_bus_emulator.broker.restore import replayed
from testing.service_bus_emulator.broker.rules import QueueRules
from tests.unit.testing.service_bus_emulator.broker.naive_queue import Entry, NaiveQueue

OWNERS = st.sampled_from(["one", "two", "three"])
SESSIONS = st.sampled_from(["a", "b", "c"])
MODES = st.sampled_from(ReceiveMode)
LIVES = st.sampled_from([None, timedelta(seconds=3), timedelta(seconds=15)])
IDS = st.one_of(st.none(), st.sampled_from(["id-1", "id-2", "id-3"]))
SECONDS = st.sampled_from([0.5, 1, 4, 10, 31])
MESSAGE = st.builds(
    Message,
    payload=st.binary(max_size=3),
    size=st.integers(1, 9),
    message_id=IDS,
    session_id=SESSIONS,
    time_to_live=LIVES,
)
MESSAGES = st.lists(MESSAGE, min_size=1, max_size=4)


class Records:
    """A journal in memory, through the bytes that a file would have."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def record(self, changes: Sequence[Change]) -> None:
        self.bodies.append(encode(changes))


class QueueMachine(RuleBasedStateMachine):
    queue_rules = QueueRules(
        lock_duration=timedelta(seconds=10),
        max_delivery_count=3,
        default_time_to_live=timedelta(seconds=60),
        dead_letter_on_expiration=True,
        duplicate_window=timedelta(seconds=8),
    )
    numbers = Bundle("numbers")
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.records = Records()
        self.queue = self.new_queue()
        self.model = NaiveQueue(self.queue_rules)
        self.completed: set[int] = set()
        self.cancelled: set[int] = set()

    def new_queue(self) -> Queue:
        return create_queue("q", self.queue_rules, recorder=self.records)

    # Sending

    @rule(target=numbers, messages=MESSAGES)
    def send(self, messages: list[Message]) -> object:
        self.step()
        expected = [self.model.accept(message, self.clock.now()) for message in messages]
        assert self.queue.send(messages, self.clock.now()) == expected
        return multiple(*expected)

    @rule(target=numbers, message=MESSAGE, seconds=SECONDS)
    def schedule(self, message: Message, seconds: float) -> int:
        self.step()
        due = self.clock.now() + timedelta(seconds=seconds)
        later = Message(
            message.payload, message.size, message.message_id, message.session_id, None, message.time_to_live, due
        )
        expected = self.model.accept(later, self.clock.now())
        assert self.queue.schedule([later], self.clock.now()) == [expected]
        return expected

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        self.step()
        entry = self.model.entries.get(number)
        if entry is None or entry.state is not MessageState.SCHEDULED:
            with pytest.raises(MessageNotFound):
                self.queue.cancel_scheduled([number], self.clock.now())
        else:
            self.queue.cancel_scheduled([number], self.clock.now())
            del self.model.entries[number]
            self.cancelled.add(number)

    # Receiving

    @rule(target=tokens, owner=OWNERS, limit=st.integers(0, 4), mode=MODES)
    def receive(self, owner: str, limit: int, mode: ReceiveMode) -> object:
        self.step()
        expected = self.model.ready()[:limit]
        given = self.queue.receive(limit, self.clock.now(), mode=mode, owner=owner)
        return self.check_given(given, expected, owner, mode)

    @rule(target=tokens, owner=OWNERS, number=numbers, mode=MODES)
    def receive_deferred(self, owner: str, number: int, mode: ReceiveMode) -> object:
        self.step()
        entry = self.model.entries.get(number)
        session_id = entry.message.session_id if entry is not None and self.queue_rules.requires_session else None
        if session_id is not None and self.model.sessions.get(session_id, ("",))[0] != owner:
            return multiple()
        if entry is None or entry.state is not MessageState.DEFERRED or entry.token is not None:
            with pytest.raises(BrokerError):
                self.queue.receive_deferred([number], self.clock.now(), mode=mode, owner=owner, session_id=session_id)
            return multiple()
        given = self.queue.receive_deferred([number], self.clock.now(), mode=mode, owner=owner, session_id=session_id)
        return self.check_given(given, [entry], owner, mode)

    def check_given(self, given: list[Delivery], expected: list[Entry], owner: str, mode: ReceiveMode) -> object:
        told = [(one.stored.sequence_number, one.stored.delivery_count, one.stored.message) for one in given]
        assert told == [(entry.number, entry.failures, entry.message) for entry in expected]
        for delivery, entry in zip(given, expected, strict=True):
            self.take(delivery, entry, owner, mode)
        return multiple(*(one.lock_token for one in given))

    def take(self, delivery: Delivery, entry: Entry, owner: str, mode: ReceiveMode) -> None:
        if mode is ReceiveMode.RECEIVE_AND_DELETE:
            assert delivery.locked_until is None
            del self.model.entries[entry.number]
            self.completed.add(entry.number)
            return
        entry.token, entry.owner = delivery.lock_token, owner
        if self.queue_rules.requires_session:
            assert delivery.locked_until == self.model.sessions[entry.message.session_id or ""][1]
        else:
            entry.until = self.clock.now() + self.queue_rules.lock_duration
            assert delivery.locked_until == entry.until

    # Settling

    def held(self, token: UUID) -> Entry | None:
        self.step()
        return next((entry for entry in self.model.entries.values() if entry.token == token), None)

    @property
    def lost(self) -> type[BrokerError]:
        return SessionLockLost if self.queue_rules.requires_session else MessageLockLost

    @rule(token=tokens)
    def complete(self, token: UUID) -> None:
        entry = self.held(token)
        if entry is None:
            with pytest.raises(self.lost):
                self.queue.complete(token, self.clock.now())
            return
        self.queue.complete(token, self.clock.now())
        del self.model.entries[entry.number]
        self.completed.add(entry.number)

    @rule(token=tokens, counted=st.booleans())
    def give_back(self, token: UUID, counted: bool) -> None:
        entry = self.held(token)
        act = self.queue.abandon if counted else self.queue.release
        if entry is None:
            with pytest.raises(self.lost):
                act(token, self.clock.now())
            return
        act(token, self.clock.now())
        self.model.put_back(entry, counted=counted)
        self.model.advance(self.clock.now())

    @rule(token=tokens)
    def defer(self, token: UUID) -> None:
        entry = self.held(token)
        if entry is None:
            with pytest.raises(self.lost):
                self.queue.defer(token, self.clock.now())
            return
        self.queue.defer(token, self.clock.now())
        entry.state = MessageState.DEFERRED
        self.model.put_back(entry, counted=False)

    @rule(token=tokens)
    def dead_letter(self, token: UUID) -> None:
        entry = self.held(token)
        if entry is None:
            with pytest.raises(self.lost):
                self.queue.dead_letter(token, self.clock.now(), reason="BAD")
            return
        self.queue.dead_letter(token, self.clock.now(), reason="BAD")
        self.model.bury(entry, "BAD")

    @precondition(lambda self: not self.queue_rules.requires_session)
    @rule(token=tokens)
    def renew(self, token: UUID) -> None:
        entry = self.held(token)
        if entry is None:
            with pytest.raises(MessageLockLost):
                self.queue.renew([token], self.clock.now())
            return
        entry.until = self.clock.now() + self.queue_rules.lock_duration
        assert self.queue.renew([token], self.clock.now()) == [entry.until]

    @rule(owner=OWNERS, counted=st.booleans())
    def lose_owner(self, owner: str, counted: bool) -> None:
        self.step()
        self.queue.release_all(owner, self.clock.now(), counted=counted)
        for session_id, (holder, _) in list(self.model.sessions.items()):
            if holder == owner:
                self.model.end_session(session_id, counted=counted)
        for entry in list(self.model.entries.values()):
            if entry.token is not None and entry.owner == owner:
                self.model.put_back(entry, counted=counted)
        self.model.advance(self.clock.now())

    # Time and crashes

    def step(self) -> None:
        self.model.advance(self.clock.now())

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def crash(self) -> None:
        """Locks are gone, and do not count; all else is there."""
        self.queue.advance(self.clock.now())
        self.step()
        remains = replayed(decode(body) for body in self.records.bodies)
        self.queue = self.new_queue()
        if "q" in remains:
            self.queue.restore(remains["q"])
        if "q/$deadletterqueue" in remains:
            self.queue.dead_letter_queue.restore(remains["q/$deadletterqueue"])
        for session_id in list(self.model.sessions):
            self.model.end_session(session_id, counted=False)
        for entry in self.model.entries.values():
            if entry.token is not None:
                self.model.put_back(entry, counted=False)

    @invariant()
    def says_what_the_naive_one_says(self) -> None:
        self.step()
        now = self.clock.now()
        entries = sorted(self.model.entries.values(), key=lambda entry: entry.number)
        shown = self.queue.peek(0, 10_000, now)
        assert [(one.sequence_number, one.state, one.delivery_count, one.expires_at) for one in shown] == [
            (entry.number, entry.state, entry.failures, entry.expires) for entry in entries
        ]
        dead = self.queue.dead_letter_queue.peek(0, 10_000, now)
        assert {one.sequence_number: one.dead_letter and one.dead_letter.reason for one in dead} == {
            entry.number: entry.reason for entry in self.model.dead.values()
        }
        assert self.queue.next_event(now) == self.model.next_event()

    @invariant()
    def counts_add_up_and_nothing_is_lost(self) -> None:
        self.step()
        properties = self.queue.properties(self.clock.now())
        assert properties.active + properties.scheduled + properties.deferred == len(self.model.entries)
        assert properties.dead_letters == len(self.model.dead)
        held = [*self.model.entries.values(), *self.model.dead.values()]
        assert properties.size_bytes == sum(entry.message.size for entry in held)
        gone = self.completed | self.cancelled | self.model.expired | self.model.renumbered
        present = {entry.number for entry in held}
        assert not gone & present
        assert gone | present == set(range(1, self.model.last + 1))


class SessionMachine(QueueMachine):
    queue_rules = QueueRules(
        lock_duration=timedelta(seconds=10),
        max_delivery_count=3,
        requires_session=True,
        dead_letter_on_expiration=False,
    )

    @rule(owner=OWNERS, session_id=st.one_of(st.none(), SESSIONS))
    def accept(self, owner: str, session_id: str | None) -> None:
        self.step()
        now = self.clock.now()
        wanted = self.model.open_session() if session_id is None else session_id
        if wanted in self.model.sessions:
            with pytest.raises(SessionCannotBeLocked):
                self.queue.accept_session(session_id, owner, now)
            return
        lock = self.queue.accept_session(session_id, owner, now)
        assert (lock and lock.session_id) == wanted
        if wanted is not None:
            self.model.sessions[wanted] = (owner, now + self.queue_rules.lock_duration)

    @rule(target=QueueMachine.tokens, owner=OWNERS, session_id=SESSIONS, limit=st.integers(1, 4), mode=MODES)
    def receive_from(self, owner: str, session_id: str, limit: int, mode: ReceiveMode) -> object:
        self.step()
        now = self.clock.now()
        if self.model.sessions.get(session_id, ("",))[0] != owner:
            with pytest.raises(SessionLockLost):
                self.queue.receive(limit, now, mode=mode, owner=owner, session_id=session_id)
            return multiple()
        given = self.queue.receive(limit, now, mode=mode, owner=owner, session_id=session_id)
        return self.check_given(given, self.model.ready(session_id)[:limit], owner, mode)

    @rule(owner=OWNERS, session_id=SESSIONS)
    def renew_session(self, owner: str, session_id: str) -> None:
        self.step()
        if self.model.sessions.get(session_id, ("",))[0] != owner:
            with pytest.raises(SessionLockLost):
                self.queue.renew_session(session_id, owner, self.clock.now())
            return
        until = self.queue.renew_session(session_id, owner, self.clock.now())
        self.model.sessions[session_id] = (owner, until)
        assert until == self.clock.now() + self.queue_rules.lock_duration


# There nobody receives without a session.
SessionMachine.receive = None  # type: ignore[assignment]

TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=40, stateful_step_count=30)
TestSessions = SessionMachine.TestCase
TestSessions.settings = settings(max_examples=40, stateful_step_count=30)
