"""The sections that a message is made of, in its bytes.

https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from testing.service_bus_emulator.amqp.decode import decode, skip
from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.errors import DecodeError
from testing.service_bus_emulator.amqp.types import Value

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


def section_of(code: int, value: Value) -> bytes:
    return bytes((0, 0x53, code)) + encode(value)


def list_in(data: bytes, section: Section | None) -> list[Value]:
    value = [] if section is None else decode(data, section.value)[0]
    if type(value) is not list:
        raise DecodeError("a section that is no list")
    return value


def map_in(data: bytes, section: Section | None) -> dict[Value, Value]:
    value = {} if section is None else decode(data, section.value)[0]
    if type(value) is not dict:
        raise DecodeError("a section that is no map")
    return value


def binary_in(data: bytes, section: Section) -> bytes:
    value, _ = decode(data, section.value)
    if type(value) is not bytes:
        raise DecodeError("a data section that is no binary")
    return value


def field_at(fields: list[Value], index: int) -> Value:
    return fields[index] if index < len(fields) else None


def text_of(name: str, value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    raise DecodeError(f"{name} is no string")
