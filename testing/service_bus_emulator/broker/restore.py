"""From changes back to queues, and from queues to the fewest changes that say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from core.errors import InvalidInput, StoreInconsistent
from testing.service_bus_emulator.broker.changes import Amended, Change, Dropped, IdSeen, Numbered, Put, StateSet
from testing.service_bus_emulator.broker.duplicates import Seen
from testing.service_bus_emulator.broker.engine import Engine
from testing.service_bus_emulator.broker.message import Stored


@dataclass(slots=True)
class Remains:
    """What the changes left of one queue."""

    messages: dict[int, Stored] = field(default_factory=dict)
    states: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    last_number: int = 0

    def apply(self, change: Change) -> None:
        """Raises KeyError where it is of a message that is not there."""
        match change:
            case Put(_, stored):
                self.messages[stored.sequence_number] = stored
                self.last_number = max(self.last_number, stored.sequence_number)
            case Amended(_, number, state, count, properties):
                self.messages[number] = replace(
                    self.messages[number], state=state, delivery_count=count, properties_to_modify=properties
                )
            case Dropped(_, number):
                del self.messages[number]
            case StateSet(_, session_id, state_bytes, at):
                self.states.pop(session_id, None)
                if state_bytes is not None:
                    self.states[session_id] = (state_bytes, at)
            case IdSeen(_, message_id, at, number):
                self.seen.pop(message_id, None)
                self.seen[message_id] = Seen(at, number)
            case Numbered(_, last):
                self.last_number = max(self.last_number, last)
            case _:
                assert_never(change)


def replayed(records: Iterable[Iterable[Change]]) -> dict[str, Remains]:
    """What is left of each queue, by its path in lower case. Raises :class:`core.errors.StoreInconsistent`."""
    found: dict[str, Remains] = {}
    for changes in records:
        for change in changes:
            try:
                found.setdefault(change.path.lower(), Remains()).apply(change)
            except KeyError as error:
                raise StoreInconsistent(f"{change.path} never had the message {error}") from error
    return found


def restore(engine: Engine, remains: Remains) -> None:
    """Put what is left into an empty queue, held by nobody."""
    for stored in remains.messages.values():
        if engine.rules.requires_session and stored.message.session_id is None:
            raise InvalidInput(f"{engine.path} requires sessions now, and its journal holds messages without")
        engine.insert(stored)
    engine.last_number = max(engine.last_number, remains.last_number)
    for message_id, seen in remains.seen.items():
        engine.seen.remember(message_id, seen)
    sessions = engine.holdings.sessions
    if sessions is None:
        return
    for session_id, (state, at) in remains.states.items():
        engine.holdings.bytes += sessions.set_state(session_id, state, at)


def snapshot(engine: Engine) -> Iterator[Change]:
    """The changes that make an empty queue what this one is, but for its locks."""
    yield Numbered(engine.path, engine.last_number)
    for stored in engine.holdings.since(0):
        yield Put(engine.path, stored)
    for session in engine.holdings.sessions or ():
        if session.state is not None and session.state_set_at is not None:
            yield StateSet(engine.path, session.session_id, session.state, session.state_set_at)
    for message_id, seen in engine.seen.items():
        yield IdSeen(engine.path, message_id, seen.at, seen.sequence_number)
