"""What happens to the messages of one queue: they are locked, settled, returned, expire and die."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from testing.service_bus_emulator.broker.changes import ChangeLog, IdSeen
from testing.service_bus_emulator.broker.duplicates import DuplicateHistory, Seen
from testing.service_bus_emulator.broker.errors import MessageLockLost, OperationNotAllowed, SessionLockLost
from testing.service_bus_emulator.broker.holdings import Holdings
from testing.service_bus_emulator.broker.listeners import Listeners
from testing.service_bus_emulator.broker.locks import Lock, LockTable
from testing.service_bus_emulator.broker.message import (
    DeadLetterInfo,
    Delivery,
    Message,
    MessageState,
    Owner,
    QueueProperties,
    ReceiveMode,
    Stored,
)
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.broker.sessions import Session

MAX_DELIVERY_COUNT_EXCEEDED = "MaxDeliveryCountExceeded"
TTL_EXPIRED = "TTLExpiredException"


class Turn:
    """A plain class, since every operation makes one, and a generator costs three times as much."""

    __slots__ = ("_engine", "_now")

    def __init__(self, engine: Engine, now: datetime) -> None:
        self._engine = engine
        self._now = now

    def __enter__(self) -> datetime:
        try:
            return self._engine.begin(self._now)
        except BaseException:
            self._engine.finish()
            raise

    def __exit__(self, *_: object) -> None:
        self._engine.finish()


class Engine:
    """The moves of :class:`.queue.Queue`. One without ``dead_letters`` is a dead-letter queue: nothing dies in it."""

    def __init__(
        self,
        path: str,
        rules: QueueRules,
        log: ChangeLog,
        new_token: Callable[[], UUID],
        dead_letters: Engine | None = None,
    ) -> None:
        self.path = path
        self.rules = rules
        self.log = log
        self.dead_letters = dead_letters
        self.holdings = Holdings(path, log, with_sessions=rules.requires_session)
        self.locks = LockTable()
        self.seen = DuplicateHistory(rules.duplicate_window)
        self.listeners = Listeners()
        self.now: datetime | None = None
        self.last_number = 0
        self._new_token = new_token
        self._has_news = False

    def turn(self, now: datetime) -> Turn:
        """One operation: what came due first, and at the end the record and the listeners, refused or not."""
        return Turn(self, now)

    def begin(self, now: datetime) -> datetime:
        """The time of the operation."""
        self.now = now = now if self.now is None else max(now, self.now)
        if self._may_change(now):
            self._advance(now)
        return now

    def finish(self) -> None:
        self.log.commit()
        if self.dead_letters is not None:
            self.dead_letters.tell()
        self.tell()

    def next_event(self) -> datetime | None:
        sessions = self.holdings.sessions
        times = (self.holdings.next_event(), self.locks.next_end(), sessions.next_end() if sessions else None)
        return min((at for at in times if at is not None), default=None)

    def properties(self) -> QueueProperties:
        holdings, dead = self.holdings, self.dead_letters
        return QueueProperties(
            active=len(holdings) - holdings.scheduled - holdings.deferred,
            scheduled=holdings.scheduled,
            deferred=holdings.deferred,
            dead_letters=len(dead.holdings) if dead else 0,
            size_bytes=self.size_bytes(),
        )

    def size_bytes(self) -> int:
        return self.holdings.bytes + (self.dead_letters.holdings.bytes if self.dead_letters else 0)

    # What comes in

    def accept(self, message: Message, now: datetime) -> int:
        """The sequence number of a message; of a duplicate, that of the first."""
        if message.message_id is not None:
            seen = self.seen.find(message.message_id, now)
            if seen is not None:
                return seen.sequence_number
        due = message.scheduled_at
        number = self._enqueue(message, now) if due is None or due <= now else self._schedule(message, due)
        if message.message_id is not None and self.seen.remember(message.message_id, Seen(now, number)):
            self.log.add(IdSeen(self.path, message.message_id, now, number))
        return number

    def insert(self, stored: Stored) -> None:
        self.holdings.insert(stored)
        self._has_news = True

    def _schedule(self, message: Message, due: datetime) -> int:
        self.last_number += 1
        self.holdings.insert(Stored(message, self.last_number, due, state=MessageState.SCHEDULED))
        return self.last_number

    def _enqueue(self, message: Message, at: datetime) -> int:
        self.last_number += 1
        self.insert(Stored(message, self.last_number, at, self._expiry(message, at)))
        return self.last_number

    def _expiry(self, message: Message, at: datetime) -> datetime | None:
        lives = [life for life in (message.time_to_live, self.rules.default_time_to_live) if life is not None]
        try:
            return at + min(lives) if lives else None
        except OverflowError:
            return None

    # What comes due

    def _may_change(self, now: datetime) -> bool:
        sessions = self.holdings.sessions
        if sessions is not None and sessions.may_end(now):
            return True
        return self.locks.may_end(now) or self.holdings.may_change(now)

    def _advance(self, now: datetime) -> None:
        for due in self.holdings.pop_due(now):
            self._enqueue(due.message, due.enqueued_at)
        for lock in self.locks.pop_ended(now):
            self.put_back(lock.sequence_number, counted=True)
        if self.holdings.sessions is not None:
            for session_id in self.holdings.sessions.ended(now):
                self.end_session(session_id, counted=True)
        for number in self.holdings.expired(now):
            self._expire(number)

    def _expire(self, number: int) -> None:
        if self.rules.dead_letter_on_expiration:
            self.bury(number, TTL_EXPIRED, "The message expired and was dead lettered.")
        else:
            self.holdings.remove(number)

    # Giving and taking back

    def give(self, stored: Stored, mode: ReceiveMode, owner: Owner, session: Session | None, now: datetime) -> Delivery:
        """Hand out a message that was taken."""
        token = self._new_token()
        if mode is ReceiveMode.RECEIVE_AND_DELETE:
            return Delivery(self.holdings.remove(stored.sequence_number), token, None)
        holding = None if session is None else session.holding
        if session is None or holding is None:
            until = now + self.rules.lock_duration
            self.locks.add(Lock(token, stored.sequence_number, owner, until, None))
        else:
            until = holding.until
            holding.tokens[token] = None
            self.locks.add(Lock(token, stored.sequence_number, owner, None, session.session_id))
        return Delivery(stored, token, until)

    def lock(self, token: UUID) -> Lock:
        """Raises :class:`MessageLockLost`, or :class:`SessionLockLost` where the lock was a session's."""
        lock = self.locks.get(token)
        if lock is None and self.rules.requires_session:
            raise SessionLockLost(f"the session under which {token} was locked is not held any more")
        if lock is None:
            raise MessageLockLost(f"the lock {token} ended, or its message was settled")
        return lock

    def unlock(self, token: UUID) -> int:
        """The sequence number of the message, still held. Raises as :meth:`lock`."""
        lock = self.locks.remove(self.lock(token).token)
        if lock.session_id is not None and self.holdings.sessions is not None:
            self.holdings.sessions.forget_token(lock.session_id, token)
        return lock.sequence_number

    def renew(self, locks: Sequence[Lock], now: datetime) -> list[datetime]:
        """Raises :class:`OperationNotAllowed` where one is a session's."""
        if any(lock.until is None for lock in locks):
            raise OperationNotAllowed("a message of a session is not renewed by itself")
        until = now + self.rules.lock_duration
        for lock in locks:
            self.locks.renew(lock, until)
        return [until] * len(locks)

    def put_back(self, number: int, *, counted: bool) -> None:
        """After a delivery that came to nothing, which counts or not; the last one that counts is the end."""
        stored = self.holdings.amend(number, failures=1) if counted else None
        if stored is not None and stored.delivery_count >= self.rules.max_delivery_count and self.dead_letters:
            attempts = stored.delivery_count
            text = f"Message could not be consumed after {attempts} delivery attempts."
            self.bury(number, MAX_DELIVERY_COUNT_EXCEEDED, text)
        else:
            self.holdings.put_back(number)
            self._has_news = True

    def end_session(self, session_id: str, *, counted: bool) -> None:
        """Nobody holds the session any more; what was given under its lock is put back."""
        assert self.holdings.sessions is not None, "only a queue with sessions ends them"
        for token in self.holdings.sessions.unlock(session_id):
            self.put_back(self.locks.remove(token).sequence_number, counted=counted)
        self._has_news = True

    def bury(self, number: int, reason: str | None, description: str | None) -> None:
        assert self.dead_letters is not None, "what is in a dead-letter queue is dead already"
        stored = self.holdings.remove(number)
        info = DeadLetterInfo(reason, description, self.path)
        self.dead_letters.insert(replace(stored, state=MessageState.ACTIVE, expires_at=None, dead_letter=info))

    def tell(self) -> None:
        """Tell the listeners, where something became available since they were told."""
        if self._has_news:
            self._has_news = False
            self.listeners.ask(self.holdings.may_have_ready)
