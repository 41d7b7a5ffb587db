"""A queue that looks through everything each time: slow, short, and what the real one is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from testing.service_bus_emulator.broker.message import Message, MessageState
from testing.service_bus_emulator.broker.rules import QueueRules


@dataclass(slots=True)
class Entry:
    number: int
    message: Message
    at: datetime
    state: MessageState
    expires: datetime | None
    failures: int = 0
    token: UUID | None = None
    owner: str = ""
    until: datetime | None = None
    reason: str | None = None

    @property
    def is_ready(self) -> bool:
        return self.state is MessageState.ACTIVE and self.token is None


@dataclass(slots=True)
class NaiveQueue:
    rules: QueueRules
    last: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    dead: dict[int, Entry] = field(default_factory=dict)
    expired: set[int] = field(default_factory=set)
    renumbered: set[int] = field(default_factory=set)
    seen: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    sessions: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def advance(self, now: datetime) -> None:
        for entry in sorted(self._due(now), key=lambda entry: (entry.at, entry.number)):
            del self.entries[entry.number]
            self.renumbered.add(entry.number)
            self._enqueue(entry.message, entry.at)
        for entry in sorted(self.entries.values(), key=lambda entry: entry.number):
            if entry.until is not None and entry.until <= now:
                self.put_back(entry, counted=True)
        for session_id, (_, until) in list(self.sessions.items()):
            if until <= now:
                self.end_session(session_id, counted=True)
        for entry in list(self.entries.values()):
            if entry.is_ready and entry.expires is not None and entry.expires <= now:
                self._expire(entry)

    def accept(self, message: Message, now: datetime) -> int:
        window = self.rules.duplicate_window
        if message.message_id is not None and window is not None:
            seen = self.seen.get(message.message_id)
            if seen is not None and now - seen[0] < window:
                return seen[1]
            self.seen[message.message_id] = (now, self.last + 1)
        if message.scheduled_at is None or message.scheduled_at <= now:
            return self._enqueue(message, now)
        self.last += 1
        self.entries[self.last] = Entry(self.last, message, message.scheduled_at, MessageState.SCHEDULED, None)
        return self.last

    def ready(self, session_id: str | None = None) -> list[Entry]:
        found = [entry for entry in self.entries.values() if entry.is_ready]
        wanted = [entry for entry in found if session_id in {None, entry.message.session_id}]
        return sorted(wanted, key=lambda entry: entry.number)

    def open_session(self) -> str | None:
        waiting = [entry for entry in self.ready() if entry.message.session_id not in self.sessions]
        return waiting[0].message.session_id if waiting else None

    def put_back(self, entry: Entry, *, counted: bool) -> None:
        entry.token, entry.until, entry.owner = None, None, ""
        entry.failures += counted
        if counted and entry.failures >= self.rules.max_delivery_count:
            self.bury(entry, "MaxDeliveryCountExceeded")

    def bury(self, entry: Entry, reason: str | None) -> None:
        del self.entries[entry.number]
        entry.token, entry.until, entry.reason, entry.expires = None, None, reason, None
        entry.state = MessageState.ACTIVE
        self.dead[entry.number] = entry

    def end_session(self, session_id: str, *, counted: bool) -> None:
        del self.sessions[session_id]
        for entry in list(self.entries.values()):
            if entry.token is not None and entry.message.session_id == session_id:
                self.put_back(entry, counted=counted)

    def next_event(self) -> datetime | None:
        times = [until for _, until in self.sessions.values()]
        for entry in self.entries.values():
            if entry.until is not None:
                times.append(entry.until)
            elif entry.state is MessageState.SCHEDULED:
                times.append(entry.at)
            elif entry.is_ready and entry.expires is not None:
                times.append(entry.expires)
        return min(times, default=None)

    def _due(self, now: datetime) -> list[Entry]:
        return [one for one in self.entries.values() if one.state is MessageState.SCHEDULED and one.at <= now]

    def _enqueue(self, message: Message, at: datetime) -> int:
        self.last += 1
        lives = [life for life in (message.time_to_live, self.rules.default_time_to_live) if life is not None]
        expires = at + min(lives) if lives else None
        self.entries[self.last] = Entry(self.last, message, at, MessageState.ACTIVE, expires)
        return self.last

    def _expire(self, entry: Entry) -> None:
        if self.rules.dead_letter_on_expiration:
            self.bury(entry, "TTLExpiredException")
        else:
            del self.entries[entry.number]
            self.expired.add(entry.number)
