"""AMQP values for hypothesis, and an equality that knows types: ``UInt(1)``, ``True`` and ``1.0`` differ."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

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
)

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""What is checked is what happens, not how long it takes."""

_RANGES: dict[type, tuple[int, int]] = {
    UByte: (0, 2**8 - 1),
    UShort: (0, 2**16 - 1),
    UInt: (0, 2**32 - 1),
    ULong: (0, 2**64 - 1),
    Byte: (-(2**7), 2**7 - 1),
    Short: (-(2**15), 2**15 - 1),
    Int: (-(2**31), 2**31 - 1),
    Long: (-(2**63), 2**63 - 1),
    Timestamp: (-(2**63), 2**63 - 1),
}


def _integers(kind: type) -> st.SearchStrategy[Any]:
    low, high = _RANGES[kind]
    return st.one_of(st.integers(max(low, -200), min(high, 300)), st.integers(low, high)).map(kind)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
_SYMBOLS = st.text(st.characters(codec="ascii"), max_size=300).map(Symbol)

SCALARS: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    **{kind: _integers(kind) for kind in _RANGES},
    float: st.floats(),
    Float: st.floats(width=32).map(Float),
    Char: st.characters(codec="utf-8").map(Char),
    str: _TEXT,
    Symbol: _SYMBOLS,
    bytes: st.binary(max_size=300),
    Decimal32: st.binary(min_size=4, max_size=4).map(Decimal32),
    Decimal64: st.binary(min_size=8, max_size=8).map(Decimal64),
    Decimal128: st.binary(min_size=16, max_size=16).map(Decimal128),
}
_KEYS = st.one_of(st.none(), *SCALARS.values(), st.uuids())
_DESCRIPTORS = st.one_of(SCALARS[ULong], _SYMBOLS)


def _arrays() -> st.SearchStrategy[Array]:
    items = [*SCALARS.values(), st.uuids(), *(st.lists(s, max_size=3) for s in SCALARS.values())]
    plain = [st.lists(item, max_size=5).map(tuple).map(Array) for item in items]
    described = st.tuples(_DESCRIPTORS, st.lists(_integers(UInt), max_size=4)).map(
        lambda pair: Array(tuple(Described(pair[0], item) for item in pair[1]))
    )
    nested = st.lists(st.lists(_TEXT, min_size=1, max_size=3).map(tuple).map(Array), max_size=3).map(tuple).map(Array)
    maps = st.lists(st.dictionaries(_SYMBOLS, _TEXT, max_size=3), max_size=3).map(tuple).map(Array)
    return st.one_of(*plain, described, nested, maps)


VALUES = st.recursive(
    st.one_of(_KEYS, _arrays()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=8),
        st.dictionaries(_KEYS, inner, max_size=6),
        st.builds(Described, _DESCRIPTORS, inner),
    ),
    max_leaves=20,
)


def alike(one: Any, other: Any) -> bool:
    """The same values of the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack(">d", one) == struct.pack(">d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(alike, one.items(), other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
