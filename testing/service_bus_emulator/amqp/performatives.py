"""The performatives of connection, session, link and SASL layer: records that are read from bytes and written to them.

https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html, section 2.7, and
https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-security-v1.0-os.html, section 5.3.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, cast

from testing.service_bus_emulator.amqp.decode import decode
from testing.service_bus_emulator.amqp.encode import EncodeError, encode_list, encoder
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
    """``needed`` are the places of the fields that must be there; ``encoders`` those of the fields' own types."""

    record: type
    make: Callable[[list[Value]], Any]
    code: int
    name: str
    kinds: tuple[type, ...]
    defaults: tuple[Value, ...]
    required: int
    needed: tuple[int, ...]
    encoders: tuple[Callable[[Any], bytes], ...]


def _schema(record: type, code: int, name: str, *kinds: type) -> _Schema:
    fields, defaults = cast("tuple[str, ...]", record._fields), cast("dict[str, Value]", record._field_defaults)  # type: ignore[attr-defined]
    assert len(fields) == len(kinds)
    required = len(fields) - len(defaults)
    return _Schema(
        record=record,
        make=cast("Callable[[list[Value]], Any]", record._make),  # type: ignore[attr-defined]
        code=code,
        name=f"amqp:{name}:list",
        kinds=kinds,
        defaults=tuple(map(defaults.get, fields)),
        required=required,
        needed=tuple(at for at in range(required) if not (at == 0 and record in _NULLABLE)),
        encoders=tuple(map(encoder, kinds)),
    )


_NULLABLE = (Flow, Begin)
"""Whose first field has no default, and may be null."""


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
_BY_RECORD = {schema.record: schema for schema in _ALL}
_BY_CODE = {schema.code: schema for schema in _ALL}
_BY_DESCRIPTOR: dict[Value, _Schema] = {**_BY_CODE, **{schema.name: schema for schema in _ALL}}


def read(body: bytes) -> tuple[Performative | SaslPerformative, int]:
    """The performative that a frame's body starts with, and where its payload starts. Raises :class:`DecodeError`."""
    if body[:2] == b"\x00\x53" and len(body) > 3 and (usual := _BY_CODE.get(body[2])) is not None:
        values, end = decode(body, 3)
        return usual.make(_fields(usual, values)), end
    described, end = decode(body)
    if type(described) is not Described:
        raise DecodeError("a frame without a performative")
    schema = _found(described.descriptor)
    return schema.make(_fields(schema, described.value)), end


def _found(descriptor: Value) -> _Schema:
    try:
        return _BY_DESCRIPTOR[descriptor]
    except (TypeError, KeyError):
        text = f"no performative has the descriptor {descriptor!r:.100}"
        raise DecodeError(text, NOT_IMPLEMENTED) from None


def _fields(schema: _Schema, values: Value) -> list[Value]:
    if type(values) is not list:
        raise DecodeError("a frame without a performative")
    if len(values) > len(schema.kinds):
        raise DecodeError(f"{schema.name} has no {len(values)} fields", INVALID_FIELD)
    fields = list(schema.defaults)
    for at, value in enumerate(values):
        if value is not None:
            if not isinstance(value, schema.kinds[at]):
                raise DecodeError(f"{schema.name}: field {at} is no {schema.kinds[at].__name__}", INVALID_FIELD)
            fields[at] = value
    for at in schema.needed:
        if fields[at] is None:
            raise DecodeError(f"{schema.name}: field {at} is missing", INVALID_FIELD)
    return fields


def write(record: Performative | SaslPerformative) -> bytes:
    schema = _BY_RECORD[type(record)]
    fields: tuple[Value, ...] = record
    last = len(fields)
    while last > schema.required and fields[last - 1] == schema.defaults[last - 1]:
        last -= 1
    try:
        parts = [
            b"\x40" if value is None else encoded(value)
            for encoded, value in zip(schema.encoders[:last], fields[:last], strict=True)
        ]
    except (struct.error, UnicodeEncodeError) as error:
        raise EncodeError(f"{schema.name}: {error}") from error
    return bytes((0x00, 0x53, schema.code)) + encode_list(parts)
