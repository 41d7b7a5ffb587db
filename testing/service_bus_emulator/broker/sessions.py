"""The sessions of a queue: what is ready in each, who holds it, its state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from testing.service_bus_emulator.broker.message import Owner
from testing.service_bus_emulator.broker.priority_map import PriorityMap


@dataclass(slots=True)
class Holding:
    """The lock on a session, and the messages that were given under it."""

    owner: Owner
    until: datetime
    tokens: dict[UUID, None] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    session_id: str
    ready: PriorityMap[int, int] = field(default_factory=PriorityMap)
    messages: int = 0
    holding: Holding | None = None
    state: bytes | None = None
    state_set_at: datetime | None = None

    @property
    def is_empty(self) -> bool:
        return not self.messages and self.holding is None and self.state is None


class SessionTable:
    """Sessions come to be when they are named and go when nothing is left of them."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._open: PriorityMap[int, str] = PriorityMap()
        self._ends: PriorityMap[datetime, str] = PriorityMap()
        self._by_owner: dict[Owner, dict[str, None]] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def get(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    def named(self, session_id: str) -> Session:
        found = self._sessions.get(session_id)
        if found is None:
            found = self._sessions[session_id] = Session(session_id)
        return found

    def count(self, session_id: str, change: int) -> None:
        """A message came to the session (1), or went (-1)."""
        session = self.named(session_id)
        session.messages += change
        self._forget_if_empty(session)

    def make_ready(self, session_id: str, number: int) -> None:
        session = self.named(session_id)
        session.ready.set(number, number)
        self._offer(session)

    def unready(self, session_id: str, number: int) -> None:
        session = self.named(session_id)
        session.ready.discard(number)
        self._offer(session)

    def next_open(self) -> str | None:
        """Of the sessions that nobody holds and that have something ready, the one whose first message is oldest."""
        first = self._open.first()
        return None if first is None else first[1]

    def lock(self, session_id: str, owner: Owner, until: datetime) -> None:
        session = self.named(session_id)
        session.holding = Holding(owner, until)
        self._ends.set(session_id, until)
        self._by_owner.setdefault(owner, {})[session_id] = None
        self._offer(session)

    def renew(self, session: Session, until: datetime) -> None:
        if session.holding is not None:
            session.holding.until = until
            self._ends.set(session.session_id, until)

    def unlock(self, session_id: str) -> list[UUID]:
        """The tokens of what was given under the lock."""
        session = self.named(session_id)
        holding = session.holding
        assert holding is not None, "nobody unlocks what nobody holds"
        session.holding = None
        self._ends.discard(session_id)
        owned = self._by_owner[holding.owner]
        del owned[session_id]
        if not owned:
            del self._by_owner[holding.owner]
        self._offer(session)
        self._forget_if_empty(session)
        return list(holding.tokens)

    def forget_token(self, session_id: str, token: UUID) -> None:
        """What was given under the session's lock was settled."""
        holding = self.named(session_id).holding
        if holding is not None:
            holding.tokens.pop(token, None)

    def set_state(self, session_id: str, state: bytes | None, now: datetime) -> int:
        """How many bytes the states take more than before."""
        session = self.named(session_id)
        before = len(session.state or b"")
        session.state, session.state_set_at = state, now
        self._forget_if_empty(session)
        return len(state or b"") - before

    def of(self, owner: Owner) -> list[str]:
        return list(self._by_owner.get(owner, ()))

    def may_end(self, now: datetime) -> bool:
        """False only where every lock lasts."""
        return self._ends.may_have(now)

    def ended(self, now: datetime) -> Iterator[str]:
        """The sessions whose lock is over; each must be unlocked before the next is asked for."""
        while (first := self._ends.first()) is not None and first[0] <= now:
            yield first[1]

    def next_end(self) -> datetime | None:
        return self._ends.next()

    def _offer(self, session: Session) -> None:
        head = session.ready.next() if session.holding is None else None
        if head is None:
            self._open.discard(session.session_id)
        else:
            self._open.set(session.session_id, head)

    def _forget_if_empty(self, session: Session) -> None:
        if session.is_empty:
            self._sessions.pop(session.session_id, None)
