"""What a queue takes, holds and gives."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from types import MappingProxyType
from uuid import UUID

Owner = Hashable
"""Who holds locks: a link, a connection. Only compared and hashed."""

PropertyValue = None | bool | int | float | str | bytes | datetime | UUID
"""An application property. A journal keeps these types only; of a subclass it keeps the base."""

NO_PROPERTIES: Mapping[str, PropertyValue] = MappingProxyType({})


class MessageState(IntEnum):
    """The values are those of the annotation ``x-opt-message-state``."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


class ReceiveMode(Enum):
    PEEK_LOCK = "peek-lock"
    RECEIVE_AND_DELETE = "receive-and-delete"


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a sender gave it.

    ``payload`` is its encoded sections as sent, from properties on, opaque to the broker. The other fields are what
    the broker decides by; ``size`` is in bytes on the wire, with all sections.
    """

    payload: bytes
    size: int
    message_id: str | None = None
    session_id: str | None = None
    partition_key: str | None = None
    time_to_live: timedelta | None = None
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterInfo:
    """Why a message was dead-lettered. ``source`` is the path of the queue that it was in."""

    reason: str | None
    description: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a queue holds it.

    ``enqueued_at`` is when it became active; for a scheduled one, when it will. ``expires_at`` is None where it
    lives for ever. ``delivery_count`` is how many deliveries came to nothing so far (abandoned, or the lock ended), so
    0 at the first delivery: the value of the AMQP header's ``delivery-count``. ``properties_to_modify`` are to be
    merged over the application properties of the payload.
    """

    message: Message
    sequence_number: int
    enqueued_at: datetime
    expires_at: datetime | None = None
    state: MessageState = MessageState.ACTIVE
    delivery_count: int = 0
    dead_letter: DeadLetterInfo | None = None
    properties_to_modify: Mapping[str, PropertyValue] = field(default_factory=lambda: NO_PROPERTIES)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was given to a receiver.

    ``locked_until`` is None where it was received and deleted: the token then settles nothing. In a session it is the
    end of the session's lock, as of now.
    """

    stored: Stored
    lock_token: UUID
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class SessionLock:
    session_id: str
    locked_until: datetime


@dataclass(frozen=True, slots=True)
class QueueProperties:
    """Counts of messages. ``active`` includes those that are locked.

    ``size_bytes`` is all that counts against the entity's quota: messages in any state, dead letters, session states.
    """

    active: int
    scheduled: int
    deferred: int
    dead_letters: int
    size_bytes: int
