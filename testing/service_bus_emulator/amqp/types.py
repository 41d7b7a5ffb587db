"""Python values that remember which AMQP type they are.

========================  =========================================================
``None``, ``bool``        null, boolean
``UByte`` ... ``Long``    the eight integer types: subclasses of ``int``
``Float``, ``float``      float (32 bit), double
``Char``, ``str``         char, string
``Symbol``                symbol, a subclass of ``str``: either finds the other in a map
``bytes``                 binary
``Timestamp``             milliseconds since 1970 in UTC
``UUID``                  uuid
``Decimal32`` ...         the decimal types, kept as their bytes
``list``, ``dict``        list, map
``Array``                 array: many values of one type
``Described``             a descriptor (an ``int`` here stands for a ulong) and a value
========================  =========================================================

https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

# Bytes off a wire can be any of the types above; whoever wants a particular one checks for it.
Value: TypeAlias = Any


class UByte(int):
    __slots__ = ()


class UShort(int):
    __slots__ = ()


class UInt(int):
    __slots__ = ()


class ULong(int):
    __slots__ = ()


class Byte(int):
    __slots__ = ()


class Short(int):
    __slots__ = ()


class Int(int):
    __slots__ = ()


class Long(int):
    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970 in UTC, signed 64 bit."""

    __slots__ = ()


class Float(float):
    """32 bit: what is encoded is the nearest that fits."""

    __slots__ = ()


class Char(str):
    """One character."""

    __slots__ = ()


class Symbol(str):
    """ASCII."""

    __slots__ = ()


class Decimal32(bytes):
    """4 bytes, IEEE 754 decimal32."""

    __slots__ = ()


class Decimal64(bytes):
    """8 bytes, IEEE 754 decimal64."""

    __slots__ = ()


class Decimal128(bytes):
    """16 bytes, IEEE 754 decimal128."""

    __slots__ = ()


class Array(NamedTuple):
    items: tuple[Value, ...]


class Described(NamedTuple):
    descriptor: Value
    value: Value
