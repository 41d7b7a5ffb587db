"""What a queue does that has to outlive it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from testing.service_bus_emulator.broker.errors import JournalFailed
from testing.service_bus_emulator.broker.message import MessageState, PropertyValue, Stored


@dataclass(frozen=True, slots=True)
class Put:
    """A message came to the queue of this path."""

    path: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class Amended:
    """What is not the sender's changed on a message."""

    path: str
    sequence_number: int
    state: MessageState
    delivery_count: int
    properties_to_modify: Mapping[str, PropertyValue]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message left the queue of this path."""

    path: str
    sequence_number: int


@dataclass(frozen=True, slots=True)
class StateSet:
    """A session's state; None clears it."""

    path: str
    session_id: str
    state: bytes | None
    at: datetime


@dataclass(frozen=True, slots=True)
class IdSeen:
    """A message id that duplicate detection has to know."""

    path: str
    message_id: str
    at: datetime
    sequence_number: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """The last sequence number that the queue of this path gave, where its messages do not tell."""

    path: str
    last: int


Change = Put | Amended | Dropped | StateSet | IdSeen | Numbered


class Recorder(Protocol):
    def record(self, changes: Sequence[Change]) -> None:
        """Keep all of them or none. Raises :class:`.errors.JournalFailed`."""
        ...


class ChangeLog:
    """The changes of one operation, on a queue and its dead letters, until they are recorded together.

    Where they could not be, the queue is ahead of its record, and every operation fails from then on: a sender that
    tries again must not be told that its message was taken.
    """

    __slots__ = ("_failure", "_pending", "_recorder")

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._pending: list[Change] = []
        self._failure: JournalFailed | None = None

    def forget(self) -> None:
        """What was added is recorded already."""
        self._pending.clear()

    def add(self, change: Change) -> None:
        if self._recorder is not None:
            self._pending.append(change)

    def commit(self) -> None:
        """Raises :class:`.errors.JournalFailed`."""
        if self._failure is not None:
            raise JournalFailed(self._failure.description)
        if self._pending and self._recorder is not None:
            pending, self._pending = self._pending, []
            try:
                self._recorder.record(pending)
            except JournalFailed as error:
                self._failure = error
                raise
