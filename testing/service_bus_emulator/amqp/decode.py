"""Bytes to values. Whatever the bytes are, this answers or raises :class:`DecodeError`.

What a peer may make us build is bounded by what it sends: counts are held against the bytes that are there, arrays of
values without bytes are refused, and so is nesting deeper than ``MAX_DEPTH``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

from testing.service_bus_emulator.amqp.errors import DecodeError
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

MAX_DEPTH = 32

# Data, where to start, how many compounds deep: the value, and where it ended.
_Decoder: TypeAlias = Callable[[bytes, int, int], tuple[Value, int]]


def decode(data: bytes, at: int = 0) -> tuple[Value, int]:
    """The value at ``at``, and where it ends. Raises :class:`DecodeError`."""
    try:
        return _DECODERS[data[at]](data, at + 1, 0)
    except (IndexError, struct.error):
        raise DecodeError("the value ends after the data") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise DecodeError(f"a text that is none: {error}") from error
    except TypeError as error:
        raise DecodeError("a map's key is a list, map or array") from error


def decode_all(data: bytes) -> Value:
    """The one value that ``data`` is. Raises :class:`DecodeError`."""
    value, end = decode(data)
    if end != len(data):
        raise DecodeError(f"{len(data) - end} bytes after the value")
    return value


def skip(data: bytes, at: int) -> int:
    """Where the value at ``at`` ends, without looking into it. Raises :class:`DecodeError`."""
    try:
        end = _end(data, at, 0)
    except IndexError:
        end = len(data) + 1
    if end > len(data):
        raise DecodeError("the value ends after the data")
    return end


def _end(data: bytes, at: int, depth: int) -> int:
    code = data[at]
    if code == 0:
        if depth > MAX_DEPTH:
            raise DecodeError("too deep")
        return _end(data, _end(data, at + 1, depth + 1), depth + 1)
    if _DECODERS[code] is _unknown:
        raise DecodeError(f"constructor {code:#04x}")
    kind = code >> 4
    if kind in _SIZE_WIDTH:
        width = _SIZE_WIDTH[kind]
        return at + 1 + width + int.from_bytes(data[at + 1 : at + 1 + width], "big")
    return at + 1 + _FIXED_WIDTH[kind]


_FIXED_WIDTH = {4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16}
_SIZE_WIDTH = {0xA: 1, 0xB: 4, 0xC: 1, 0xD: 4, 0xE: 1, 0xF: 4}

_U32 = struct.Struct(">I")
_U32_U32 = struct.Struct(">II")


def _unknown(data: bytes, at: int, _: int) -> tuple[Value, int]:
    raise DecodeError(f"constructor {data[at - 1]:#04x}")


def _constant(value: Value, _: bytes, at: int, __: int) -> tuple[Value, int]:
    return value, at


def _octet(kind: type, data: bytes, at: int, _: int) -> tuple[Value, int]:
    return kind(data[at]), at + 1


def _packed(kind: type | None, form: struct.Struct, data: bytes, at: int, _: int) -> tuple[Value, int]:
    (value,) = form.unpack_from(data, at)
    return (value if kind is None else kind(value)), at + form.size


def _boolean(data: bytes, at: int, _: int) -> tuple[Value, int]:
    if data[at] > 1:
        raise DecodeError("a boolean that is neither")
    return data[at] == 1, at + 1


def _bytes(data: bytes, at: int, size: int) -> bytes:
    end = at + size
    if end > len(data):
        raise DecodeError("the value ends after the data")
    return data[at:end]


def _opaque(kind: Callable[[bytes], Value], width: int, data: bytes, at: int, _: int) -> tuple[Value, int]:
    return kind(_bytes(data, at, width)), at + width


def _char(data: bytes, at: int, _: int) -> tuple[Value, int]:
    return Char(_bytes(data, at, 4).decode("utf-32-be")), at + 4


def _binary8(data: bytes, at: int, _: int) -> tuple[Value, int]:
    size = data[at]
    return _bytes(data, at + 1, size), at + 1 + size


def _binary32(data: bytes, at: int, _: int) -> tuple[Value, int]:
    (size,) = _U32.unpack_from(data, at)
    return _bytes(data, at + 4, size), at + 4 + size


def _string8(data: bytes, at: int, _: int) -> tuple[Value, int]:
    value, end = _binary8(data, at, 0)
    return value.decode(), end


def _string32(data: bytes, at: int, _: int) -> tuple[Value, int]:
    value, end = _binary32(data, at, 0)
    return value.decode(), end


def _symbol8(data: bytes, at: int, _: int) -> tuple[Value, int]:
    value, end = _binary8(data, at, 0)
    return Symbol(value.decode("ascii")), end


def _symbol32(data: bytes, at: int, _: int) -> tuple[Value, int]:
    value, end = _binary32(data, at, 0)
    return Symbol(value.decode("ascii")), end


def _head8(data: bytes, at: int) -> tuple[int, int, int]:
    """Of a compound: its count, where its values start, and where it ends."""
    return data[at + 1], at + 2, at + 1 + data[at]


def _head32(data: bytes, at: int) -> tuple[int, int, int]:
    size, count = _U32_U32.unpack_from(data, at)
    return count, at + 8, at + 4 + size


def _check(data: bytes, count: int, start: int, end: int, depth: int) -> None:
    """Before anything of a compound is built."""
    if depth >= MAX_DEPTH:
        raise DecodeError(f"nested deeper than {MAX_DEPTH}")
    if end > len(data) or start > end:
        raise DecodeError("a size that does not fit")
    if count > end - start:
        raise DecodeError("more values than bytes")


def _values(
    head: Callable[[bytes, int], tuple[int, int, int]], data: bytes, at: int, depth: int
) -> tuple[list[Value], int]:
    count, at, end = head(data, at)
    _check(data, count, at, end, depth)
    values = []
    depth += 1
    for _ in range(count):
        code = data[at]
        if code in _CONSTANTS:
            values.append(_CONSTANTS[code])
            at += 1
        else:
            value, at = _DECODERS[code](data, at + 1, depth)
            values.append(value)
    if at != end:
        raise DecodeError("a size that is not that of the values")
    return values, end


def _map(
    head: Callable[[bytes, int], tuple[int, int, int]], data: bytes, at: int, depth: int
) -> tuple[dict[Value, Value], int]:
    flat, end = _values(head, data, at, depth)
    if len(flat) % 2:
        raise DecodeError("a map's key without a value")
    found = dict(zip(flat[::2], flat[1::2], strict=True))
    if 2 * len(found) != len(flat):
        raise DecodeError("a map with the same key twice")
    return found, end


def _array(head: Callable[[bytes, int], tuple[int, int, int]], data: bytes, at: int, depth: int) -> tuple[Array, int]:
    count, at, end = head(data, at)
    described = data[at] == 0
    descriptor = None
    if described:
        descriptor, at = _DECODERS[data[at + 1]](data, at + 2, depth + 1)
    code = data[at]
    _check(data, count, at + 1, end, depth)
    if count and code >> 4 == 4:
        raise DecodeError("an array of values without bytes")
    items, at = _items(_DECODERS[code], count, data, at + 1, depth + 1)
    if at != end:
        raise DecodeError("a size that is not that of the values")
    return Array(tuple(Described(descriptor, item) for item in items) if described else tuple(items)), end


def _items(decoder: _Decoder, count: int, data: bytes, at: int, depth: int) -> tuple[list[Value], int]:
    if decoder in (_described, _unknown):  # one descriptor for all is enough: more would multiply what is built
        raise DecodeError("an array of what cannot be in one")
    items = []
    for _ in range(count):
        value, at = decoder(data, at, depth)
        items.append(value)
    return items, at


def _described(data: bytes, at: int, depth: int) -> tuple[Described, int]:
    if depth >= MAX_DEPTH:
        raise DecodeError(f"nested deeper than {MAX_DEPTH}")
    descriptor, at = _DECODERS[data[at]](data, at + 1, depth + 1)
    value, at = _DECODERS[data[at]](data, at + 1, depth + 1)
    return Described(descriptor, value), at


def _empty_list(_: bytes, at: int, __: int) -> tuple[list[Value], int]:
    return [], at


def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


def _form(kind: Any, form: str) -> _Decoder:
    return partial(_packed, kind, struct.Struct(">" + form))


_CONSTANTS: dict[int, Value] = {0x40: None, 0x41: True, 0x42: False, 0x43: UInt(0), 0x44: ULong(0)}
_KNOWN: dict[int, _Decoder] = {
    **{code: partial(_constant, value) for code, value in _CONSTANTS.items()},
    0x00: _described,
    0x45: _empty_list,
    0x50: partial(_octet, UByte),
    0x51: _form(Byte, "b"),
    0x52: partial(_octet, UInt),
    0x53: partial(_octet, ULong),
    0x54: _form(Int, "b"),
    0x55: _form(Long, "b"),
    0x56: _boolean,
    0x60: _form(UShort, "H"),
    0x61: _form(Short, "h"),
    0x70: _form(UInt, "I"),
    0x71: _form(Int, "i"),
    0x72: _form(Float, "f"),
    0x73: _char,
    0x74: partial(_opaque, Decimal32, 4),
    0x80: _form(ULong, "Q"),
    0x81: _form(Long, "q"),
    0x82: _form(None, "d"),
    0x83: _form(Timestamp, "q"),
    0x84: partial(_opaque, Decimal64, 8),
    0x94: partial(_opaque, Decimal128, 16),
    0x98: partial(_opaque, _uuid, 16),
    0xA0: _binary8,
    0xA1: _string8,
    0xA3: _symbol8,
    0xB0: _binary32,
    0xB1: _string32,
    0xB3: _symbol32,
    0xC0: partial(_values, _head8),
    0xC1: partial(_map, _head8),
    0xD0: partial(_values, _head32),
    0xD1: partial(_map, _head32),
    0xE0: partial(_array, _head8),
    0xF0: partial(_array, _head32),
}
_DECODERS: list[_Decoder] = [_KNOWN.get(code, _unknown) for code in range(256)]
