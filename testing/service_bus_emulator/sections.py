"""A message's sections on the wire, to and from what the broker keeps.

What a queue keeps as payload are the sections from properties on, as they came; before them, where the sender had any,
its own message annotations. Bodies are never looked into.

https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from testing.service_bus_emulator.amqp.decode import decode, skip
from testing.service_bus_emulator.amqp.encode import encode, encode_list
from testing.service_bus_emulator.amqp.errors import DecodeError
from testing.service_bus_emulator.amqp.types import Int, Long, Symbol, Timestamp, UInt, Value
from testing.service_bus_emulator.broker.message import Message, MessageState, PropertyValue, Stored

BATCH_FORMAT = 0x8001_3700

HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES = 0x70, 0x71, 0x72, 0x73
APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = 0x74, 0x75, 0x76, 0x77, 0x78
_NAMES = {
    "amqp:header:list": HEADER,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
    "amqp:properties:list": PROPERTIES,
    "amqp:application-properties:map": APPLICATION_PROPERTIES,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}

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

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FOREVER = datetime.max.replace(tzinfo=UTC)
_LAST = 0xFFFF_FFFF


class Section(NamedTuple):
    """Where a section begins, where its value does, and where it ends."""

    code: int
    start: int
    value: int
    end: int


def sections(data: bytes) -> Iterator[Section]:
    """Raises :class:`DecodeError` for what is no section, or stands where it may not."""
    at, before = 0, 0
    while at < len(data):
        code, value = _descriptor(data, at)
        if code < before or (code == before and code not in (DATA, SEQUENCE)) or not HEADER <= code <= FOOTER:
            raise DecodeError(f"a section {code:#x} after {before:#x}")
        end = skip(data, value)
        yield Section(code, at, value, end)
        at, before = end, code


def _descriptor(data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 2] == b"\x00\x53" and at + 3 < len(data):
        return data[at + 2], at + 3
    if data[at] != 0:
        raise DecodeError("a message is made of sections")
    descriptor, value = decode(data, at + 1)
    code = _NAMES.get(descriptor, 0) if isinstance(descriptor, str) else descriptor
    if not isinstance(code, int):
        raise DecodeError("a section with a descriptor that none has")
    return code, value


def read_message(data: bytes) -> Message:
    """Raises :class:`DecodeError`."""
    header, annotations, properties, start = _decided(data)
    own = {key: value for key, value in annotations.items() if key not in _OURS and key not in _PARSED}
    return Message(
        payload=_section(MESSAGE_ANNOTATIONS, own) + data[start:] if own else data[start:],
        size=len(data),
        message_id=_identifier(_at(properties, 0)),
        session_id=_text("group-id", _at(properties, 10)),
        partition_key=_text(PARTITION_KEY, annotations.get(PARTITION_KEY)),
        time_to_live=_duration(_at(header, 2)),
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
            header = _list(data, section)
        elif code == MESSAGE_ANNOTATIONS:
            annotations = _map(data, section)
        elif code == PROPERTIES:
            properties = _list(data, section)
        elif code == APPLICATION_PROPERTIES:
            _map(data, section)  # which a dead letter will add to
    return header, annotations, properties, start


def read_batch(data: bytes) -> list[Message]:
    """The messages of a delivery of format ``BATCH_FORMAT``: one in each data section. Raises :class:`DecodeError`."""
    messages = [read_message(_binary(data, section)) for section in sections(data) if section.code == DATA]
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
    return _header(stored) + _section(MESSAGE_ANNOTATIONS, annotations) + payload


def _header(stored: Stored) -> bytes:
    expires, life = stored.expires_at, stored.message.time_to_live
    if expires is not None:
        life = expires - stored.enqueued_at
    milliseconds = None if life is None else UInt(max(0, min(life // _MILLISECOND, _LAST)))
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
            merged = _map(payload, section)
    merged.update(added)
    return payload[:start] + _section(APPLICATION_PROPERTIES, merged) + payload[end:]


def _section(code: int, value: Value) -> bytes:
    return bytes((0, 0x53, code)) + encode(value)


def timestamp(at: datetime) -> Timestamp:
    return Timestamp((at - _EPOCH) // _MILLISECOND)


def to_value(value: PropertyValue) -> Value:
    """An application property as AMQP has it."""
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Long(value)
    return value


def to_property(value: Value) -> PropertyValue:
    """Raises :class:`DecodeError` for what a broker keeps no property of."""
    if isinstance(value, Timestamp):
        return instant(value)
    if value is None or isinstance(value, bool | UUID):
        return value
    return _plain(value)


def _plain(value: Value) -> PropertyValue:
    """Without the AMQP type."""
    kinds: tuple[type[int | float | str | bytes], ...] = (int, float, str, bytes)
    kind = next((kind for kind in kinds if isinstance(value, kind)), None)
    if kind is not None:
        plain: PropertyValue = kind(value)
        return plain
    raise DecodeError(f"a property that is a {type(value).__name__}")


def _list(data: bytes, section: Section | None) -> list[Value]:
    value = [] if section is None else decode(data, section.value)[0]
    if type(value) is not list:
        raise DecodeError("a section that is no list")
    return value


def _map(data: bytes, section: Section | None) -> dict[Value, Value]:
    value = {} if section is None else decode(data, section.value)[0]
    if type(value) is not dict:
        raise DecodeError("a section that is no map")
    return value


def _binary(data: bytes, section: Section) -> bytes:
    value, _ = decode(data, section.value)
    if type(value) is not bytes:
        raise DecodeError("a data section that is no binary")
    return value


def _at(fields: list[Value], index: int) -> Value:
    return fields[index] if index < len(fields) else None


def _text(name: str, value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    raise DecodeError(f"{name} is no string")


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


def instant(value: Value) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, Timestamp):
        raise DecodeError("a time is no timestamp")
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return _FOREVER if value > 0 else _EPOCH


# A message of our own, to answer a request with.


def write_answer(correlation_id: Value, application_properties: Mapping[Any, Value], body: Value) -> bytes:
    properties = [None] * 5 + [correlation_id]
    return (
        _section(PROPERTIES, properties)
        + _section(APPLICATION_PROPERTIES, dict(application_properties))
        + _section(VALUE, body)
    )


class Request(NamedTuple):
    """A message to a management node."""

    message_id: Value
    reply_to: str | None
    properties: dict[Value, Value]
    body: Value


def read_request(data: bytes) -> Request:
    """Raises :class:`DecodeError`."""
    found = {section.code: section for section in sections(data)}
    properties = _list(data, found.get(PROPERTIES))
    section = found.get(VALUE)
    return Request(
        message_id=_at(properties, 0),
        reply_to=_text("reply-to", _at(properties, 4)),
        properties=_map(data, found.get(APPLICATION_PROPERTIES)),
        body=None if section is None else decode(data, section.value)[0],
    )
