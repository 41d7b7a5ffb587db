"""Values to bytes, each in its shortest form. Inside an array, each in the one form that all its values share."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from testing.service_bus_emulator.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    Described,
    Float,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    Value,
)


class EncodeError(TypeError):
    """A value that AMQP has no type for, or that its type has no room for. Our mistake, never a peer's."""


def encode(value: Value) -> bytes:
    """Raises :class:`EncodeError`."""
    try:
        return _ENCODERS[type(value)](value)
    except KeyError:
        raise EncodeError(f"no AMQP type for {type(value).__name__}") from None
    except (struct.error, UnicodeEncodeError) as error:
        raise EncodeError(f"{type(value).__name__}: {error}") from error


def encoder(kind: type) -> Callable[[Any], bytes]:
    """What writes any ``int``, ``str``, ``bytes`` or ``bool`` as ``kind``; of another kind, :func:`encode`.

    It raises struct.error or UnicodeEncodeError where ``kind`` has no room for the value.
    """
    return _ENCODERS[kind] if issubclass(kind, int | str | bytes) else encode


def encode_list(parts: Iterable[bytes]) -> bytes:
    """A list of values that are encoded already."""
    encoded = parts if isinstance(parts, list) else list(parts)
    return _compound(0xC0, len(encoded), b"".join(encoded)) if encoded else b"\x45"


def _compound(small: int, count: int, body: bytes) -> bytes:
    size = len(body) + 1
    if size <= 0xFF and count <= 0xFF:
        return bytes((small, size, count)) + body
    return _SIZE_COUNT.pack(small + 0x10, size + 3, count) + body


_SIZE_COUNT = struct.Struct(">BII")


def _null(_: None) -> bytes:
    return b"\x40"


def _boolean(value: bool) -> bytes:
    return b"\x41" if value else b"\x42"


def _fixed(code: int, form: str, value: Any) -> bytes:
    return struct.pack(">B" + form, code, value)


def _unsigned(zero: bytes, small: int, large: int, form: str, value: int) -> bytes:
    if value == 0:
        return zero
    return bytes((small, value)) if 0 < value <= 0xFF else struct.pack(">B" + form, large, value)


def _signed(small: int, large: int, form: str, value: int) -> bytes:
    return struct.pack(">Bb", small, value) if -128 <= value < 128 else struct.pack(">B" + form, large, value)


def _variable(small: int, data: bytes) -> bytes:
    if len(data) <= 0xFF:
        return bytes((small, len(data))) + data
    return struct.pack(">BI", small + 0x10, len(data)) + data


def _string(value: str) -> bytes:
    return _variable(0xA1, value.encode())


@lru_cache(maxsize=256)
def _symbol(value: str) -> bytes:
    return _variable(0xA3, value.encode("ascii"))


def _char(value: str) -> bytes:
    if len(value) != 1:
        raise EncodeError("a char is one character")
    return b"\x73" + value.encode("utf-32-be")


def _exactly(code: int, width: int, value: bytes) -> bytes:
    if len(value) != width:
        raise EncodeError(f"{type(value).__name__} has {width} bytes")
    return bytes((code,)) + value


def _uuid(value: UUID) -> bytes:
    return b"\x98" + value.bytes


def _list(value: list[Value]) -> bytes:
    return encode_list([encode(part) for part in value]) if value else b"\x45"


def _map(value: dict[Value, Value]) -> bytes:
    return _compound(0xC1, 2 * len(value), b"".join([encode(part) for pair in value.items() for part in pair]))


def _described(value: Described) -> bytes:
    descriptor = _descriptor(value)
    if type(descriptor) is ULong and 0 < descriptor <= 0xFF:
        return bytes((0x00, 0x53, descriptor)) + encode(value.value)
    return b"\x00" + encode(descriptor) + encode(value.value)


def _descriptor(value: Described) -> Value:
    return ULong(value.descriptor) if type(value.descriptor) is int else value.descriptor


def _array(value: Array) -> bytes:
    if not value.items:
        return b"\xe0\x02\x00\x40"
    forms = [_wide(item) for item in value.items]
    constructor = forms[0][0]
    if any(form[0] != constructor for form in forms):
        raise EncodeError("the values of an array have one type")
    return _compound(0xE0, len(forms), constructor + b"".join(form[1] for form in forms))


def _wide(value: Value) -> tuple[bytes, bytes]:
    """The constructor that an array's values share, and the value in that form."""
    if type(value) is Described:
        if type(value.value) is Described:
            raise EncodeError("the values of an array have one descriptor")
        inner, body = _wide(value.value)
        return b"\x00" + encode(_descriptor(value)) + inner, body
    wide = _WIDE.get(type(value))
    if wide is None:
        raise EncodeError(f"no array of {type(value).__name__}")
    code, body_of = wide
    return bytes((code,)), body_of(value)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _counted(count: int, body: bytes) -> bytes:
    return struct.pack(">II", len(body) + 4, count) + body


def _wide_list(value: list[Value]) -> bytes:
    return _counted(len(value), b"".join(map(encode, value)))


def _wide_map(value: dict[Value, Value]) -> bytes:
    return _counted(2 * len(value), b"".join(encode(part) for pair in value.items() for part in pair))


def _wide_array(value: Array) -> bytes:
    encoded = _array(value)
    if encoded[0] == 0xF0:
        return encoded[1:]
    return _counted(encoded[2], encoded[3:])


_FIXED: dict[type, tuple[int, str]] = {
    UByte: (0x50, "B"),
    Byte: (0x51, "b"),
    UShort: (0x60, "H"),
    Short: (0x61, "h"),
    Float: (0x72, "f"),
    float: (0x82, "d"),
    Timestamp: (0x83, "q"),
}

_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): _null,
    bool: _boolean,
    UInt: partial(_unsigned, b"\x43", 0x52, 0x70, "I"),
    ULong: partial(_unsigned, b"\x44", 0x53, 0x80, "Q"),
    Int: partial(_signed, 0x54, 0x71, "i"),
    Long: partial(_signed, 0x55, 0x81, "q"),
    Char: _char,
    str: _string,
    Symbol: _symbol,
    bytes: partial(_variable, 0xA0),
    UUID: _uuid,
    Decimal32: partial(_exactly, 0x74, 4),
    Decimal64: partial(_exactly, 0x84, 8),
    Decimal128: partial(_exactly, 0x94, 16),
    list: _list,
    dict: _map,
    Array: _array,
    Described: _described,
    **{kind: partial(_fixed, code, form) for kind, (code, form) in _FIXED.items()},
}


def _after_code(value: Value) -> bytes:
    return encode(value)[1:]


def _packed(form: str, value: Any) -> bytes:
    return struct.pack(form, value)


_WIDE: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    bool: (0x56, partial(_packed, ">?")),
    UInt: (0x70, partial(_packed, ">I")),
    ULong: (0x80, partial(_packed, ">Q")),
    Int: (0x71, partial(_packed, ">i")),
    Long: (0x81, partial(_packed, ">q")),
    Char: (0x73, _after_code),
    str: (0xB1, lambda value: _sized(value.encode())),
    Symbol: (0xB3, lambda value: _sized(value.encode("ascii"))),
    bytes: (0xB0, _sized),
    UUID: (0x98, _after_code),
    Decimal32: (0x74, _after_code),
    Decimal64: (0x84, _after_code),
    Decimal128: (0x94, _after_code),
    list: (0xD0, _wide_list),
    dict: (0xD1, _wide_map),
    Array: (0xF0, _wide_array),
    **{kind: (code, _after_code) for kind, (code, _) in _FIXED.items()},
}
