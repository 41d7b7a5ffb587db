"""The messages of one queue, and the moves that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from testing.service_bus_emulator.broker.changes import Amended, ChangeLog, Dropped, Put
from testing.service_bus_emulator.broker.message import MessageState, PropertyValue, Stored
from testing.service_bus_emulator.broker.priority_map import PriorityMap
from testing.service_bus_emulator.broker.sequence_index import SequenceIndex
from testing.service_bus_emulator.broker.sessions import SessionTable


class Holdings:
    """A message is ready (active, held by nobody), scheduled, deferred, or held: taken, and not yet put back.

    No move costs more where more messages wait, but for the heaps' logarithm.
    """

    def __init__(self, path: str, log: ChangeLog, *, with_sessions: bool) -> None:
        self.path = path
        self.sessions = SessionTable() if with_sessions else None
        self.deferred = 0
        self.bytes = 0
        self._log = log
        self._messages: dict[int, Stored] = {}
        self._order = SequenceIndex()
        self._ready: PriorityMap[int, int] = PriorityMap()
        self._scheduled: PriorityMap[datetime, int] = PriorityMap()
        self._expiring: PriorityMap[datetime, int] = PriorityMap()

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def scheduled(self) -> int:
        return len(self._scheduled)

    def get(self, number: int) -> Stored | None:
        return self._messages.get(number)

    def since(self, number: int) -> Iterator[Stored]:
        """Every message from a sequence number on, in order, whatever its state."""
        return (self._messages[found] for found in self._order.since(number, self._messages))

    def insert(self, stored: Stored) -> None:
        number = stored.sequence_number
        self._messages[number] = stored
        self._order.add(number)
        self.bytes += stored.message.size
        self.deferred += stored.state is MessageState.DEFERRED
        if self.sessions is not None:
            self.sessions.count(session_of(stored), 1)
        self._log.add(Put(self.path, stored))
        self.put_back(number)

    def remove(self, number: int) -> Stored:
        """Raises KeyError."""
        stored = self._messages[number]
        self._lift(stored)
        self.deferred -= stored.state is MessageState.DEFERRED
        del self._messages[number]
        self._order.removed(self._messages)
        self.bytes -= stored.message.size
        if self.sessions is not None:
            self.sessions.count(session_of(stored), -1)
        self._log.add(Dropped(self.path, number))
        return stored

    def may_have_ready(self) -> bool:
        """False only where nobody can receive anything. Where there are sessions it depends on who asks."""
        return self.sessions is not None or bool(self._ready)

    def take(self, session_id: str | None) -> Stored | None:
        """The ready message of the lowest sequence number, of one session where there are sessions; now held."""
        number = self._first_ready(session_id)
        if number is None:
            return None
        stored = self._messages[number]
        self._lift(stored)
        return stored

    def put_back(self, number: int) -> None:
        """What was held goes where its state says."""
        stored = self._messages[number]
        match stored.state:
            case MessageState.ACTIVE:
                self._make_ready(stored)
            case MessageState.SCHEDULED:
                self._scheduled.set(number, stored.enqueued_at)
            case MessageState.DEFERRED:
                pass
            case _:
                assert_never(stored.state)

    def amend(
        self,
        number: int,
        *,
        state: MessageState | None = None,
        failures: int = 0,
        properties: Mapping[str, PropertyValue] | None = None,
    ) -> Stored:
        """Change a held message: its state, ``failures`` more deliveries in vain, ``properties`` merged."""
        old = self._messages[number]
        new = replace(
            old,
            state=old.state if state is None else state,
            delivery_count=old.delivery_count + failures,
            properties_to_modify={**old.properties_to_modify, **properties} if properties else old.properties_to_modify,
        )
        self.deferred += (new.state is MessageState.DEFERRED) - (old.state is MessageState.DEFERRED)
        self._messages[number] = new
        if new != old:
            self._log.add(Amended(self.path, number, new.state, new.delivery_count, new.properties_to_modify))
        return new

    def may_change(self, now: datetime) -> bool:
        """False only where nothing is due, and nothing expired."""
        return self._scheduled.may_have(now) or self._expiring.may_have(now)

    def pop_due(self, now: datetime) -> Iterator[Stored]:
        """Remove and give the scheduled messages that are due, in the order in which they are."""
        for number in self._scheduled.pop_until(now):
            yield self.remove(number)

    def expired(self, now: datetime) -> Iterator[int]:
        """The ready messages whose time is over; each must be removed before the next is asked for."""
        while (first := self._expiring.first()) is not None and first[0] <= now:
            yield first[1]

    def next_event(self) -> datetime | None:
        return min((at for at in (self._scheduled.next(), self._expiring.next()) if at is not None), default=None)

    def _first_ready(self, session_id: str | None) -> int | None:
        if self.sessions is None:
            return self._ready.next()
        session = self.sessions.get(session_id) if session_id is not None else None
        return None if session is None else session.ready.next()

    def _make_ready(self, stored: Stored) -> None:
        number = stored.sequence_number
        if stored.expires_at is not None:
            self._expiring.set(number, stored.expires_at)
        if self.sessions is None:
            self._ready.set(number, number)
        else:
            self.sessions.make_ready(session_of(stored), number)

    def _lift(self, stored: Stored) -> None:
        number = stored.sequence_number
        self._expiring.discard(number)
        self._scheduled.discard(number)
        if self.sessions is None:
            self._ready.discard(number)
        else:
            self.sessions.unready(session_of(stored), number)


def session_of(stored: Stored) -> str:
    """Where sessions are required, no message is without one."""
    session_id = stored.message.session_id
    assert session_id is not None, "a message without a session was let in"
    return session_id
