"""Who holds which message, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from testing.service_bus_emulator.broker.message import Owner
from testing.service_bus_emulator.broker.priority_map import PriorityMap


@dataclass(slots=True)
class Lock:
    """``until`` is None in a session, whose lock is the one that counts."""

    token: UUID
    sequence_number: int
    owner: Owner
    until: datetime | None
    session_id: str | None


class LockTable:
    """The locks of one queue, by token. Each operation costs the same however many there are, but for a heap."""

    def __init__(self) -> None:
        self._locks: dict[UUID, Lock] = {}
        self._by_owner: dict[Owner, dict[UUID, None]] = {}
        self._ends: PriorityMap[datetime, UUID] = PriorityMap()
        self._held: set[int] = set()

    def __len__(self) -> int:
        return len(self._locks)

    def holds(self, sequence_number: int) -> bool:
        return sequence_number in self._held

    def add(self, lock: Lock) -> None:
        self._locks[lock.token] = lock
        self._held.add(lock.sequence_number)
        self._by_owner.setdefault(lock.owner, {})[lock.token] = None
        if lock.until is not None:
            self._ends.set(lock.token, lock.until)

    def get(self, token: UUID) -> Lock | None:
        return self._locks.get(token)

    def remove(self, token: UUID) -> Lock:
        """Raises KeyError."""
        lock = self._locks.pop(token)
        self._held.discard(lock.sequence_number)
        self._ends.discard(token)
        owned = self._by_owner[lock.owner]
        del owned[token]
        if not owned:
            del self._by_owner[lock.owner]
        return lock

    def renew(self, lock: Lock, until: datetime) -> None:
        lock.until = until
        self._ends.set(lock.token, until)

    def of(self, owner: Owner) -> list[UUID]:
        """The tokens of ``owner``, in the order in which they were given."""
        return list(self._by_owner.get(owner, ()))

    def may_end(self, now: datetime) -> bool:
        """False only where every lock lasts."""
        return self._ends.may_have(now)

    def pop_ended(self, now: datetime) -> Iterator[Lock]:
        for token in self._ends.pop_until(now):
            yield self.remove(token)

    def next_end(self) -> datetime | None:
        return self._ends.next()
