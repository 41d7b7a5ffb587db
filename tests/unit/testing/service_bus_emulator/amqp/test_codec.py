"""The codec: what is encoded is read back, and no bytes can hurt."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from testing.service_bus_emulator.amqp.decode import MAX_DEPTH, decode, decode_all, skip
from testing.service_bus_emulator.amqp.encode import EncodeError, encode
from testing.service_bus_emulator.amqp.errors import DecodeError
from testing.service_bus_emulator.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Described,
    Int,
    Long,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
)
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED, SCALARS, VALUES, alike


@RELAXED
@given(VALUES)
def test_decode_of_encode_is_identity(value: Any) -> None:
    assert alike(decode_all(encode(value)), value)


@RELAXED
@given(VALUES, st.binary(max_size=20))
def test_a_value_ends_where_it_ends_and_is_skipped_to_the_same_place(value: Any, rest: bytes) -> None:
    encoded = encode(value)

    assert decode(encoded + rest)[1] == len(encoded)
    assert skip(encoded + rest, 0) == len(encoded)


@pytest.mark.parametrize("kind", SCALARS)
@settings(RELAXED, max_examples=30)
@given(data=st.data())
def test_an_array_of_every_type_is_read_back(kind: type, data: st.DataObject) -> None:
    array = Array(tuple(data.draw(st.lists(SCALARS[kind], max_size=100))))

    assert alike(decode_all(encode(array)), array)


@RELAXED
@given(VALUES)
def test_every_prefix_is_refused(value: Any) -> None:
    encoded = encode(value)

    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode(encoded[:length])
        with pytest.raises(DecodeError):
            skip(encoded[:length], 0)


@RELAXED
@given(VALUES, st.data())
def test_every_mutation_is_refused_or_read(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))

    _read_or_refused(bytes(encoded))


@RELAXED
@given(st.binary(max_size=400))
@example(b"\x00" * 400)
@example(b"\xe0\x02\x01\x00\x00")
@example(b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40")
@example(b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff")
@example(b"\xc1\x03\x02\x45\x40")
@example(b"\xb0\xff\xff\xff\xff")
@example(b"\x73\x00\x11\x00\x00")
@example(b"\x73\x00\x00\xd8\x00")
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    _read_or_refused(data)


def _read_or_refused(data: bytes) -> None:
    try:
        value, end = decode(data)
    except DecodeError:
        pass
    else:
        assert end <= len(data)
        assert repr(decode_all(encode(value))) == repr(value)
    with contextlib.suppress(DecodeError):
        assert skip(data, 0) <= len(data)


def test_a_value_followed_by_anything_is_not_all() -> None:
    with pytest.raises(DecodeError):
        decode_all(b"\x40\x40")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [(b"\x00\x40", b"\x40"), (b"\x00", b"\x40\x40")],
    ids=["described", "descriptors"],
)
def test_nesting_without_end_is_refused(opening: bytes, closing: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(opening * 100_000 + closing)


def test_nested_lists_are_read_down_to_the_limit_and_no_deeper() -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH):
        value = [value]
    encoded = encode(value)

    assert decode_all(encoded) == value
    with pytest.raises(DecodeError):
        decode(encode([value]))


@pytest.mark.parametrize(
    "data",
    [
        b"\xf0" + struct.pack(">II", 5, 0xFFFF_FFFF) + b"\x40",
        b"\xf0" + struct.pack(">II", 5, 0xFFFF_FFFF) + b"\x45",
        b"\xd0" + struct.pack(">II", 0xFFFF_FFFF, 0xFFFF_FFFF) + b"\x40" * 1000,
        b"\xf0" + struct.pack(">II", 0xFFFF_FFFF, 0xFFFF_FFFF) + b"\x50" + b"\x00" * 1000,
        b"\xb0\xff\xff\xff\xff" + b"x" * 1000,
    ],
)
def test_a_count_or_size_that_lies_costs_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_what_is_built_is_bounded_by_the_bytes_that_came() -> None:
    arrays = encode(Array((b"",) * 200))
    data = encode([decode_all(arrays)] * 100)
    tracemalloc.start()
    try:
        decode(data)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "40"),
        (True, "41"),
        (False, "42"),
        (UInt(0), "43"),
        (UInt(255), "52ff"),
        (UInt(256), "7000000100"),
        (ULong(0), "44"),
        (ULong(7), "5307"),
        (Byte(-1), "51ff"),
        (Int(-1), "54ff"),
        (Int(128), "7100000080"),
        (Long(1), "5501"),
        (UByte(3), "5003"),
        (Char("a"), "7300000061"),
        (Timestamp(1), "830000000000000001"),
        ("ä", "a102c3a4"),
        (Symbol("a"), "a30161"),
        (b"ab", "a0026162"),
        (UUID(int=1), "98" + "00" * 15 + "01"),
        ([], "45"),
        ([None], "c0020140"),
        ({Symbol("a"): None}, "c10502a3016140"),
        (Described(0x24, []), "00532445"),
        (Array((Symbol("a"), Symbol("b"))), "e00c02b30000000161" + "0000000162"),
        (Array((UInt(1),)), "e0060170" + "00000001"),
    ],
)
def test_bytes_are_those_of_the_specification(value: Any, expected: str) -> None:
    assert encode(value).hex() == expected


@pytest.mark.parametrize(
    "value",
    [
        1,
        object(),
        UInt(-1),
        UInt(2**32),
        ULong(-1),
        Byte(128),
        Char("ab"),
        Symbol("ä"),
        Decimal32(b"123"),
        "\ud800",
        Array((UInt(1), "a")),
        Array((None,)),
        Array((Described(1, Described(2, "a")),)),
    ],
)
def test_what_amqp_has_no_room_for_is_not_encoded(value: Any) -> None:
    with pytest.raises(EncodeError):
        encode(value)


@pytest.mark.parametrize("data", ["c10402" + "5001" + "5001", "c1040140" + "4040", "c10402" + "c00101" + "40"])
def test_a_map_that_is_none_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(data))
