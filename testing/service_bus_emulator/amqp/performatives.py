"""The performatives of connection, session, link and SASL layer: records that are read from bytes and written to them.

https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html, section 2.7, and
https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-security-v1.0-os.html, section 5.3.3.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, cast

from testing.service_bus_emulator.amqp.decode import decode
from testing.service_bus_emulator.amqp.encode import encode, encode_list
from testing.service_bus_emulator.amqp.errors import INVALID_FIELD, NOT_IMPLEMENTED, DecodeError
from testing.service_bus_emulator.amqp.types import Described, Symbol, UByte, UInt, ULong, UShort, Value

UINT_MAX = 0xFFFF_FFFF


class Open(NamedTuple):
    container_id: str
    hostname: str | None = None
    max_frame_size: int = UINT_MAX
    channel_max: int = 0xFFFF
    idle_time_out: int | None = None  # milliseconds
    outgoing_locales: Value = None
    incoming_locales: Value = None
    offered_capabilities: Value = None
    desired_capabilities: Value = None
    properties: dict[Value, Value] | None = None


class Begin(NamedTuple):
    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int = UINT_MAX
    offered_capabilities: Value = None
    desired_capabilities: Value = None
    properties: dict[Value, Value] | None = None


class Attach(NamedTuple):
    """``role`` is True for a receiver."""

    name: str
    handle: int
    role: bool
    snd_settle_mode: int = 2
    rcv_settle_mode: int = 0
    source: Value = None
    target: Value = None
    unsettled: dict[Value, Value] | None = None
    incomplete_unsettled: bool = False
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: Value = None
    desired_capabilities: Value = None
    properties: dict[Value, Value] | None = None


class Flow(NamedTuple):
    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    available: int | None = None
    drain: bool = False
    echo: bool = False
    properties: dict[Value, Value] | None = None


class Transfer(NamedTuple):
    handle: int
    delivery_id: int | None = None
    delivery_tag: bytes | None = None
    message_format: int | None = None
    settled: bool | None = None
    more: bool = False
    rcv_settle_mode: int | None = None
    state: Value = None
    resume: bool = False
    aborted: bool = False
    batchable: bool = False


class Disposition(NamedTuple):
    """``role`` is True where the receiver of the deliveries speaks."""

    role: bool
    first: int
    last: int | None = None
    settled: bool = False
    state: Value = None
    batchable: bool = False


class Detach(NamedTuple):
    handle: int
    closed: bool = False
    error: Value = None


class End(NamedTuple):
    error: Value = None


class Close(NamedTuple):
    error: Value = None


class SaslMechanisms(NamedTuple):
    mechanisms: Value


class SaslInit(NamedTuple):
    mechanism: str
    initial_response: bytes | None = None
    hostname: str | None = None


class SaslOutcome(NamedTuple):
    code: int
    additional_data: bytes | None = None


Performative: TypeAlias = Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close
SaslPerformative: TypeAlias = SaslMechanisms | SaslInit | SaslOutcome


class _Schema(NamedTuple):
    record: type
    code: int
    name: str
    kinds: tuple[type, ...]
    defaults: tuple[Value, ...]
    required: int


def _schema(record: type, code: int, name: str, *kinds: type) -> _Schema:
    fields, defaults = cast("tuple[str, ...]", record._fields), cast("dict[str, Value]", record._field_defaults)  # type: ignore[attr-defined]
    assert len(fields) == len(kinds)
    return _Schema(
        record, code, f"amqp:{name}:list", kinds, tuple(map(defaults.get, fields)), len(fields) - len(defaults)
    )


_ALL = [
    _schema(Open, 0x10, "open", str, str, UInt, UShort, UInt, object, object, object, object, dict),
    _schema(Begin, 0x11, "begin", UShort, UInt, UInt, UInt, UInt, object, object, dict),
    _schema(
        Attach, 0x12, "attach", str, UInt, bool, UByte, UByte, Described, Described, dict, bool, UInt, ULong, object,
        object, dict,
    ),
    _schema(Flow, 0x13, "flow", UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt, bool, bool, dict),
    _schema(
        Transfer, 0x14, "transfer", UInt, UInt, bytes, UInt, bool, bool, UByte, Described, bool, bool, bool
    ),
    _schema(Disposition, 0x15, "disposition", bool, UInt, UInt, bool, Described, bool),
    _schema(Detach, 0x16, "detach", UInt, bool, Described),
    _schema(End, 0x17, "end", Described),
    _schema(Close, 0x18, "close", Described),
    _schema(SaslMechanisms, 0x40, "sasl-mechanisms", object),
    _schema(SaslInit, 0x41, "sasl-init", Symbol, bytes, str),
    _schema(SaslOutcome, 0x44, "sasl-outcome", UByte, bytes),
]  # fmt: skip
_BY_DESCRIPTOR: dict[Value, _Schema] = {key: schema for schema in _ALL for key in (schema.code, schema.name)}
_BY_RECORD = {schema.record: schema for schema in _ALL}
_NULLABLE = {Flow: {0}, Begin: {0}}


def read(body: bytes) -> tuple[Performative | SaslPerformative, int]:
    """The performative that a frame's body starts with, and where its payload starts. Raises :class:`DecodeError`."""
    described, end = decode(body)
    if type(described) is not Described or type(described.value) is not list:
        raise DecodeError("a frame without a performative")
    try:
        schema = _BY_DESCRIPTOR.get(described.descriptor)
    except TypeError:
        schema = None
    if schema is None:
        raise DecodeError(f"no performative has the descriptor {described.descriptor!r:.100}", NOT_IMPLEMENTED)
    return schema.record(*_fields(schema, described.value)), end


def _fields(schema: _Schema, values: list[Value]) -> list[Value]:
    if len(values) > len(schema.kinds):
        raise DecodeError(f"{schema.name} has no {len(values)} fields", INVALID_FIELD)
    fields = list(schema.defaults)
    for at, value in enumerate(values):
        if value is not None:
            if not isinstance(value, schema.kinds[at]):
                raise DecodeError(f"{schema.name}: field {at} is no {schema.kinds[at].__name__}", INVALID_FIELD)
            fields[at] = value
    nullable = _NULLABLE.get(schema.record, ())
    for at in range(schema.required):
        if fields[at] is None and at not in nullable:
            raise DecodeError(f"{schema.name}: field {at} is missing", INVALID_FIELD)
    return fields


def write(record: Performative | SaslPerformative) -> bytes:
    schema = _BY_RECORD[type(record)]
    fields: tuple[Value, ...] = record
    last = len(fields)
    while last and fields[last - 1] == schema.defaults[last - 1] and last > schema.required:
        last -= 1
    parts = [_field(kind, value) for kind, value in zip(schema.kinds[:last], fields[:last], strict=True)]
    return bytes((0x00, 0x53, schema.code)) + encode_list(parts)


def _field(kind: type, value: Value) -> bytes:
    if value is None:
        return b"\x40"
    if type(value) is int or type(value) is str:
        return encode(kind(value))
    return encode(value)
