"""One queue of Service Bus, as its documentation has it.

Every method that takes ``now`` (aware, UTC; one before the last counts as the last) first does what came due until
then: scheduled messages become active, locks and sessions end, messages expire. Refusals are
:class:`.errors.BrokerError`, and leave everything else as it was. Nothing here is safe for several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID, uuid4

from testing.service_bus_emulator.broker import admission
from testing.service_bus_emulator.broker.changes import Change, ChangeLog, Recorder
from testing.service_bus_emulator.broker.engine import Engine
from testing.service_bus_emulator.broker.errors import EntityNotFound, MessageNotFound, OperationNotAllowed
from testing.service_bus_emulator.broker.listeners import Listener
from testing.service_bus_emulator.broker.message import (
    Delivery,
    Message,
    MessageState,
    Owner,
    PropertyValue,
    QueueProperties,
    ReceiveMode,
    SessionLock,
    Stored,
)
from testing.service_bus_emulator.broker.restore import Remains, restore, snapshot
from testing.service_bus_emulator.broker.rules import EntityStatus, QueueRules
from testing.service_bus_emulator.broker.session_desk import SessionDesk

DEAD_LETTER_SUFFIX = "/$deadletterqueue"


def create_queue(
    path: str,
    rules: QueueRules | None = None,
    *,
    recorder: Recorder | None = None,
    new_token: Callable[[], UUID] = uuid4,
) -> Queue:
    """An empty queue with its dead-letter queue.

    ``recorder`` is told every change that has to outlive the process before the method that made it returns.
    """
    rules = rules or QueueRules()
    log = ChangeLog(recorder)
    dead_letters = Engine(path + DEAD_LETTER_SUFFIX, rules.for_dead_letters(), log, new_token)
    return Queue(Engine(path, rules, log, new_token, dead_letters))


class Queue:
    """A queue with its dead-letter queue, which is a queue, too, but takes no sends and loses nothing by itself.

    A sequence number is given once; a message keeps its own when it is dead-lettered. What a method costs does not
    grow with the number of messages that wait, but for a logarithm.
    """

    def __init__(self, engine: Engine) -> None:
        """See :func:`create_queue`."""
        self._engine = engine
        self._sessions = SessionDesk(engine)
        self._dead_letter_queue = Queue(engine.dead_letters) if engine.dead_letters is not None else None
        self.path = engine.path
        self.rules = engine.rules
        self.status = EntityStatus.ACTIVE
        """May be set: whether sends and receives are refused with :class:`EntityDisabled`."""

    @property
    def dead_letter_queue(self) -> Queue:
        """Raises :class:`EntityNotFound` on a dead-letter queue, which has none."""
        if self._dead_letter_queue is None:
            raise EntityNotFound(f"{self.path} has no dead-letter queue of its own")
        return self._dead_letter_queue

    @property
    def is_dead_letter_queue(self) -> bool:
        return self._dead_letter_queue is None

    # Sending

    def send(self, messages: Sequence[Message], now: datetime, *, batch_bytes: int | None = None) -> list[int]:
        """Take all messages, in order, or none; their sequence numbers.

        ``batch_bytes`` is the size of the batch that they came in, on the wire, where it was one. One whose
        ``scheduled_at`` is after ``now`` is scheduled. With duplicate detection an id that was seen within the window
        is taken and dropped, and the number is that of the first. Raises :class:`MessageSizeExceeded`,
        :class:`EntityQuotaExceeded`, :class:`EntityDisabled`, :class:`OperationNotAllowed` (no session id where
        sessions are required; a dead-letter queue), :class:`ArgumentOutOfRange` (an id over 128 characters, a
        negative time to live).
        """
        with self._engine.turn(now) as at:
            if self.is_dead_letter_queue:
                raise OperationNotAllowed(f"{self.path} takes no messages but dead letters")
            admission.check_sends(self.path, self.status)
            admission.check_messages(self.rules, messages, batch_bytes)
            admission.check_quota(self.rules, messages, self._size())
            return [self._engine.accept(message, at) for message in messages]

    def schedule(self, messages: Sequence[Message], now: datetime) -> list[int]:
        """:meth:`send`, where every message must have ``scheduled_at`` (:class:`ArgumentInvalid`).

        One that was due in the past is active at once. The number that is given serves to cancel; once it is due the
        message gets another one, as though it were sent then.
        """
        admission.check_scheduled(messages)
        return self.send(messages, now)

    def cancel_scheduled(self, sequence_numbers: Sequence[int], now: datetime) -> None:
        """Remove them. Raises :class:`MessageNotFound`, and cancels none, where one is not there or not scheduled."""
        with self._engine.turn(now):
            for number in self._find(sequence_numbers, MessageState.SCHEDULED):
                self._engine.holdings.remove(number)

    # Receiving

    def receive(
        self, limit: int, now: datetime, *, mode: ReceiveMode, owner: Owner, session_id: str | None = None
    ) -> list[Delivery]:
        """Up to ``limit`` active messages that nobody holds, in order of their sequence numbers; none where there is
        none.

        Where sessions are required ``session_id`` is one that ``owner`` holds; elsewhere it is None. Raises
        :class:`SessionLockLost`, :class:`OperationNotAllowed`, :class:`EntityDisabled`.
        """
        with self._engine.turn(now) as at:
            admission.check_receives(self.path, self.status)
            session = self._sessions.session_for(session_id, owner)
            given: list[Delivery] = []
            while len(given) < limit and (stored := self._engine.holdings.take(session_id)) is not None:
                given.append(self._engine.give(stored, mode, owner, session, at))
            return given

    def receive_deferred(
        self,
        sequence_numbers: Sequence[int],
        now: datetime,
        *,
        mode: ReceiveMode,
        owner: Owner,
        session_id: str | None = None,
    ) -> list[Delivery]:
        """Deferred messages, which are given no other way; they do not expire.

        Raises :class:`MessageNotFound`, and gives none, where one is not there, not deferred, held by somebody, or in
        another session; otherwise as :meth:`receive`.
        """
        with self._engine.turn(now) as at:
            admission.check_receives(self.path, self.status)
            session = self._sessions.session_for(session_id, owner)
            found = self._find(sequence_numbers, MessageState.DEFERRED, session_id)
            return [self._engine.give(self._stored(number), mode, owner, session, at) for number in found]

    def peek(
        self, from_sequence_number: int, limit: int, now: datetime, *, session_id: str | None = None
    ) -> list[Stored]:
        """Up to ``limit`` messages from a number on, in order, whatever their state and whoever holds them.

        Of one session where ``session_id`` is given, which is looked for among all. Nothing is locked.
        """
        with self._engine.turn(now):
            every = self._engine.holdings.since(from_sequence_number)
            wanted = (one for one in every if session_id is None or one.message.session_id == session_id)
            return list(islice(wanted, max(limit, 0)))

    # Settling; each raises MessageLockLost, or SessionLockLost where sessions are required

    def complete(self, lock_token: UUID, now: datetime) -> None:
        """Remove the message."""
        with self._engine.turn(now):
            self._engine.holdings.remove(self._engine.unlock(lock_token))

    def abandon(
        self, lock_token: UUID, now: datetime, *, properties_to_modify: Mapping[str, PropertyValue] | None = None
    ) -> None:
        """Put the message back in its place; the delivery counts. A deferred one stays deferred.

        After ``max_delivery_count`` deliveries that count it is dead-lettered, reason ``MaxDeliveryCountExceeded``.
        """
        with self._engine.turn(now):
            number = self._engine.unlock(lock_token)
            self._engine.holdings.amend(number, properties=properties_to_modify)
            self._engine.put_back(number, counted=True)

    def defer(
        self, lock_token: UUID, now: datetime, *, properties_to_modify: Mapping[str, PropertyValue] | None = None
    ) -> None:
        """Put the message aside until :meth:`receive_deferred` asks for it. The delivery does not count."""
        with self._engine.turn(now):
            number = self._engine.unlock(lock_token)
            self._engine.holdings.amend(number, state=MessageState.DEFERRED, properties=properties_to_modify)

    def dead_letter(
        self,
        lock_token: UUID,
        now: datetime,
        *,
        reason: str | None = None,
        description: str | None = None,
        properties_to_modify: Mapping[str, PropertyValue] | None = None,
    ) -> None:
        """Move the message to the dead-letter queue. Raises :class:`OperationNotAllowed` where it is in one."""
        with self._engine.turn(now):
            if self.is_dead_letter_queue:
                raise OperationNotAllowed(f"a message of {self.path} is dead-lettered already")
            number = self._engine.unlock(lock_token)
            self._engine.holdings.amend(number, properties=properties_to_modify)
            self._engine.bury(number, reason, description)

    def release(self, lock_token: UUID, now: datetime) -> None:
        """Put the message back in its place as though it had not been given: the delivery does not count."""
        with self._engine.turn(now):
            self._engine.put_back(self._engine.unlock(lock_token), counted=False)

    def lose_lock(self, lock_token: UUID, now: datetime) -> None:
        """End a lock before its time, as a broker that fails over does: the delivery counts."""
        with self._engine.turn(now):
            self._engine.put_back(self._engine.unlock(lock_token), counted=True)

    def release_all(self, owner: Owner, now: datetime, *, counted: bool = False) -> None:
        """``owner`` is gone: what it holds, sessions too, is put back in its place. Whether the deliveries count is
        for the caller to say."""
        with self._engine.turn(now):
            self._sessions.release_all(owner, counted=counted)
            for token in self._engine.locks.of(owner):
                self._engine.put_back(self._engine.unlock(token), counted=counted)

    def renew(self, lock_tokens: Sequence[UUID], now: datetime) -> list[datetime]:
        """Begin the locks anew; when they end now.

        Raises :class:`MessageLockLost`, and renews none, where one is lost, and :class:`OperationNotAllowed` for a
        lock of a session, which is renewed as a whole.
        """
        with self._engine.turn(now) as at:
            return self._engine.renew([self._engine.lock(token) for token in lock_tokens], at)

    # Sessions

    def accept_session(self, session_id: str | None, owner: Owner, now: datetime) -> SessionLock | None:
        """Lock a session, which need not have messages; of None, the open one whose first message is the oldest.

        None where there is no such session now: wait for a listener's call. Raises :class:`SessionCannotBeLocked`
        where somebody holds it, :class:`OperationNotAllowed` where the queue has no sessions, and
        :class:`EntityDisabled`.
        """
        with self._engine.turn(now) as at:
            admission.check_receives(self.path, self.status)
            return self._sessions.accept(session_id, owner, at)

    def renew_session(self, session_id: str, owner: Owner, now: datetime) -> datetime:
        """Begin the session's lock anew; when it ends now. Raises :class:`SessionLockLost`."""
        with self._engine.turn(now) as at:
            return self._sessions.renew(session_id, owner, at)

    def session_state(self, session_id: str, owner: Owner, now: datetime) -> bytes | None:
        """What was set last; None where nothing was. Raises :class:`SessionLockLost`."""
        with self._engine.turn(now):
            return self._sessions.state(session_id, owner)

    def set_session_state(self, session_id: str, state: bytes | None, owner: Owner, now: datetime) -> None:
        """Keep it until it is set again; None clears it.

        Raises :class:`SessionLockLost`, :class:`MessageSizeExceeded` over a message's limit, and
        :class:`EntityQuotaExceeded`.
        """
        with self._engine.turn(now) as at:
            self._sessions.set_state(session_id, state, owner, at, self._size())

    def list_sessions(
        self, now: datetime, *, updated_since: datetime | None = None, skip: int = 0, top: int = 100
    ) -> list[str]:
        """The ids of the sessions that have messages or a state, in alphabetical order; of those whose state was set
        at or after ``updated_since`` where that is given. Scans the sessions."""
        with self._engine.turn(now):
            return self._sessions.listed(updated_since)[skip : skip + top]

    # Looking, waiting

    def properties(self, now: datetime) -> QueueProperties:
        with self._engine.turn(now):
            return self._engine.properties()

    def advance(self, now: datetime) -> None:
        """Do what came due, and nothing else; next to nothing where nothing did."""
        due = self._engine.next_event()
        if due is not None and due <= now:
            with self._engine.turn(now):
                pass

    def next_event(self, now: datetime) -> datetime | None:
        """When, after ``now``, :meth:`advance` will have something to do; None: not by the passing of time alone."""
        self.advance(now)
        return self._engine.next_event()

    def on_available(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` whenever there may be something new to receive (a message, a session); gives what takes it
        away again.

        It takes what it wants now, in calls to this queue, and returns whether it took something and wants more: then
        it is asked again after the others, so a fair one takes a few messages at a time. It is called at the end of
        the method that made something available, before that returns; who was asked is asked last the next time.
        What comes due by time alone is told only when somebody calls: see :meth:`next_event`.
        """
        return self._engine.listeners.add(listener)

    # Outliving the process

    def snapshot(self) -> Iterator[Change]:
        """The fewest changes that say what is in the queue and its dead-letter queue, locks apart."""
        yield from snapshot(self._engine)
        if self._dead_letter_queue is not None:
            yield from self._dead_letter_queue.snapshot()

    def restore(self, remains: Remains) -> None:
        """Fill a new queue with what its changes left, without recording it again."""
        restore(self._engine, remains)
        self._engine.log.forget()

    def _size(self) -> int:
        return self._engine.size_bytes()

    def _stored(self, number: int) -> Stored:
        stored = self._engine.holdings.get(number)
        assert stored is not None, "it was found in this turn"
        return stored

    def _find(self, numbers: Sequence[int], state: MessageState, session_id: str | None = None) -> list[int]:
        """``numbers``, each once, if all are messages in that state that nobody holds."""
        for number in numbers:
            stored = self._engine.holdings.get(number)
            if stored is None or stored.state is not state or self._engine.locks.holds(number):
                raise MessageNotFound(f"{self.path} has no {state.name.lower()} message {number} to give")
            if self.rules.requires_session and session_id not in {None, stored.message.session_id}:
                raise MessageNotFound(f"message {number} is in another session")
        return list(dict.fromkeys(numbers))
