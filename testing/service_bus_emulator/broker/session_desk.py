"""Where sessions are locked, renewed and given their state."""

from __future__ import annotations

from datetime import datetime

from testing.service_bus_emulator.broker.admission import check_room
from testing.service_bus_emulator.broker.changes import StateSet
from testing.service_bus_emulator.broker.engine import Engine
from testing.service_bus_emulator.broker.errors import (
    MessageSizeExceeded,
    OperationNotAllowed,
    SessionCannotBeLocked,
    SessionLockLost,
)
from testing.service_bus_emulator.broker.message import Owner, SessionLock
from testing.service_bus_emulator.broker.sessions import Session, SessionTable


class SessionDesk:
    """The session operations of :class:`.queue.Queue`, inside its turn."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def session_for(self, session_id: str | None, owner: Owner) -> Session | None:
        """The session that a receiver reads from; None where the queue has no sessions."""
        if session_id is not None:
            return self._held(session_id, owner)
        if self._engine.holdings.sessions is not None:
            raise OperationNotAllowed(f"{self._engine.path} requires sessions: receive from one")
        return None

    def accept(self, session_id: str | None, owner: Owner, now: datetime) -> SessionLock | None:
        sessions = self._table()
        wanted = sessions.next_open() if session_id is None else session_id
        if wanted is None:
            return None
        found = sessions.get(wanted)
        if found is not None and found.holding is not None:
            raise SessionCannotBeLocked(f"the session {wanted} is held by another receiver")
        until = now + self._engine.rules.lock_duration
        sessions.lock(wanted, owner, until)
        return SessionLock(wanted, until)

    def renew(self, session_id: str, owner: Owner, now: datetime) -> datetime:
        until = now + self._engine.rules.lock_duration
        self._table().renew(self._held(session_id, owner), until)
        return until

    def state(self, session_id: str, owner: Owner) -> bytes | None:
        return self._held(session_id, owner).state

    def set_state(self, session_id: str, state: bytes | None, owner: Owner, now: datetime, held_bytes: int) -> None:
        session = self._held(session_id, owner)
        size = len(state or b"")
        if size > self._engine.rules.message_bytes:
            raise MessageSizeExceeded(f"a session state of {size} bytes, at most {self._engine.rules.message_bytes}")
        check_room(self._engine.rules, size - len(session.state or b""), held_bytes)
        self._engine.holdings.bytes += self._table().set_state(session_id, state, now)
        self._engine.log.add(StateSet(self._engine.path, session_id, state, now))

    def listed(self, updated_since: datetime | None) -> list[str]:
        return sorted(session.session_id for session in self._table() if _is_listed(session, updated_since))

    def release_all(self, owner: Owner, *, counted: bool) -> None:
        sessions = self._engine.holdings.sessions
        for session_id in sessions.of(owner) if sessions is not None else ():
            self._engine.end_session(session_id, counted=counted)

    def _table(self) -> SessionTable:
        if self._engine.holdings.sessions is None:
            raise OperationNotAllowed(f"{self._engine.path} has no sessions")
        return self._engine.holdings.sessions

    def _held(self, session_id: str, owner: Owner) -> Session:
        session = self._table().get(session_id)
        if session is None or session.holding is None or session.holding.owner != owner:
            raise SessionLockLost(f"the session {session_id} is not held by this receiver")
        return session


def _is_listed(session: Session, updated_since: datetime | None) -> bool:
    if updated_since is None:
        return bool(session.messages) or session.state is not None
    return session.state_set_at is not None and session.state_set_at >= updated_since
