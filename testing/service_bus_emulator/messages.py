"""A message on the wire, to and from what the broker keeps.

What a queue keeps as payload are the sections from properties on, as they came; before them, where the sender had any,
its own message annotations. Bodies are never looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from testing.service_bus_emulator.amqp.decode import decode
from testing.service_bus_emulator.amqp.encode import encode, encode_list
from testing.service_bus_emulator.amqp.errors import DecodeError
from testing.service_bus_emulator.amqp.types import Int, Long, Symbol, UInt, Value
from testing.service_bus_emulator.broker.message import Message, MessageState, Stored
from testing.service_bus_emulator.property_values import MILLISECOND, instant, timestamp, to_value
from testing.service_bus_emulator.sections import (
    APPLICATION_PROPERTIES,
    DATA,
    HEADER,
    MESSAGE_ANNOTATIONS,
    PROPERTIES,
    binary_in,
    field_at,
    list_in,
    map_in,
    section_of,
    sections,
    text_of,
)

BATCH_FORMAT = 0x8001_3700

PARTITION_KEY = "x-opt-partition-key"
SCHEDULED_ENQUEUE_TIME = "x-opt-scheduled-enqueue-time"
ENQUEUED_TIME = "x-opt-enqueued-time"
SEQUENCE_NUMBER = "x-opt-sequence-number"
LOCKED_UNTIL = "x-opt-locked-until"
MESSAGE_STATE = "x-opt-message-state"
DEAD_LETTER_SOURCE = "x-opt-deadletter-source"
_OURS = {ENQUEUED_TIME, SEQUENCE_NUMBER, LOCKED_UNTIL, MESSAGE_STATE, DEAD_LETTER_SOURCE, "x-opt-lock-token"}
_PARSED = {PARTITION_KEY, SCHEDULED_ENQUEUE_TIME}

DEAD_LETTER_REASON = "DeadLetterReason"
DEAD_LETTER_DESCRIPTION = "DeadLetterErrorDescription"

_LAST = 0xFFFF_FFFF


def read_message(data: bytes) -> Message:
    """Raises :class:`DecodeError`."""
    header, annotations, properties, start = _decided(data)
    own = {key: value for key, value in annotations.items() if key not in _OURS and key not in _PARSED}
    return Message(
        payload=section_of(MESSAGE_ANNOTATIONS, own) + data[start:] if own else data[start:],
        size=len(data),
        message_id=_identifier(field_at(properties, 0)),
        session_id=text_of("group-id", field_at(properties, 10)),
        partition_key=text_of(PARTITION_KEY, annotations.get(PARTITION_KEY)),
        time_to_live=_duration(field_at(header, 2)),
        scheduled_at=instant(annotations.get(SCHEDULED_ENQUEUE_TIME)),
    )


def _decided(data: bytes) -> tuple[list[Value], dict[Value, Value], list[Value], int]:
    """Header, message annotations and properties, and where the sections start that are kept as they came."""
    header: list[Value] = []
    annotations: dict[Value, Value] = {}
    properties: list[Value] = []
    start = len(data)
    for section in sections(data):
        code = section.code
        start = min(start, section.start) if code >= PROPERTIES else start
        if code == HEADER:
            header = list_in(data, section)
        elif code == MESSAGE_ANNOTATIONS:
            annotations = map_in(data, section)
        elif code == PROPERTIES:
            properties = list_in(data, section)
        elif code == APPLICATION_PROPERTIES:
            map_in(data, section)  # which a dead letter will add to
    return header, annotations, properties, start


def read_batch(data: bytes) -> list[Message]:
    """The messages of a delivery of format ``BATCH_FORMAT``: one in each data section. Raises :class:`DecodeError`."""
    messages = [read_message(binary_in(data, section)) for section in sections(data) if section.code == DATA]
    if not messages:
        raise DecodeError("a batch without messages")
    return messages


def write_message(stored: Stored, locked_until: datetime | None = None) -> bytes:
    """The message as a receiver gets it."""
    payload = stored.message.payload
    annotations = _annotations(stored, locked_until)
    if payload[:3] == bytes((0, 0x53, MESSAGE_ANNOTATIONS)):
        own, end = decode(payload, 3)
        annotations.update(own)
        payload = payload[end:]
    if stored.dead_letter is not None or stored.properties_to_modify:
        payload = _with_properties(payload, _added_properties(stored))
    return _header(stored) + section_of(MESSAGE_ANNOTATIONS, annotations) + payload


def _header(stored: Stored) -> bytes:
    expires, life = stored.expires_at, stored.message.time_to_live
    if expires is not None:
        life = expires - stored.enqueued_at
    milliseconds = None if life is None else UInt(max(0, min(life // MILLISECOND, _LAST)))
    fields = [None, None, milliseconds, None, UInt(min(stored.delivery_count, _LAST))]
    return bytes((0, 0x53, HEADER)) + encode_list(map(encode, fields))


def _annotations(stored: Stored, locked_until: datetime | None) -> dict[Value, Value]:
    message = stored.message
    found: dict[Value, Value] = {
        Symbol(ENQUEUED_TIME): timestamp(stored.enqueued_at),
        Symbol(SEQUENCE_NUMBER): Long(stored.sequence_number),
    }
    if locked_until is not None:
        found[Symbol(LOCKED_UNTIL)] = timestamp(locked_until)
    if stored.state is not MessageState.ACTIVE:
        found[Symbol(MESSAGE_STATE)] = Int(stored.state.value)
    if message.partition_key is not None:
        found[Symbol(PARTITION_KEY)] = message.partition_key
    if message.scheduled_at is not None:
        found[Symbol(SCHEDULED_ENQUEUE_TIME)] = timestamp(message.scheduled_at)
    if stored.dead_letter is not None:
        found[Symbol(DEAD_LETTER_SOURCE)] = stored.dead_letter.source
    return found


def _added_properties(stored: Stored) -> dict[str, Value]:
    added = {key: to_value(value) for key, value in stored.properties_to_modify.items()}
    if stored.dead_letter is not None:
        reasons = {
            DEAD_LETTER_REASON: stored.dead_letter.reason,
            DEAD_LETTER_DESCRIPTION: stored.dead_letter.description,
        }
        added.update({key: text for key, text in reasons.items() if text is not None})
    return added


def _with_properties(payload: bytes, added: Mapping[str, Value]) -> bytes:
    start, end, merged = 0, 0, {}
    for section in sections(payload):
        if section.code <= PROPERTIES:
            start = end = section.end
        if section.code == APPLICATION_PROPERTIES:
            start, end = section.start, section.end
            merged = map_in(payload, section)
    merged.update(added)
    return payload[:start] + section_of(APPLICATION_PROPERTIES, merged) + payload[end:]


def _identifier(value: Value) -> str | None:
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | UUID):
        return None if value is None else str(value)
    raise DecodeError("message-id is no string, ulong, uuid or binary")


def _duration(value: Value) -> timedelta | None:
    if value is None:
        return None
    if not isinstance(value, UInt):
        raise DecodeError("ttl is no uint")
    return timedelta(milliseconds=value)
