"""Performatives: read as written, by number or by name, with their defaults; wrong fields are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.errors import INVALID_FIELD, NOT_IMPLEMENTED, DecodeError, error_value
from testing.service_bus_emulator.amqp.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Transfer,
    read,
    write,
)
from testing.service_bus_emulator.amqp.types import Array, Described, Symbol, UInt, ULong
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED, VALUES

RECORDS: list[Any] = [
    Open("me", "host", 4096, 10, 1000, properties={Symbol("product"): "x"}),
    Open("me"),
    Begin(None, 0, 1, 2),
    Begin(3, 0, 1, 2, 7),
    Attach("link", 1, True, source=Described(0x28, ["queue"]), target=Described(0x29, []), max_message_size=2**40),
    Flow(None, 1, 2, 3),
    Flow(1, 2, 3, 4, 5, 6, 7, 8, drain=True, echo=True),
    Transfer(1, 2, b"tag", 0x80013700, settled=True, more=True),
    Disposition(True, 1, 5, settled=True, state=Described(0x24, [])),
    Detach(1, closed=True, error=error_value("amqp:not-found", "no")),
    End(),
    Close(error_value("amqp:internal-error", "oh")),
    SaslMechanisms(Array((Symbol("PLAIN"), Symbol("ANONYMOUS")))),
    SaslInit("PLAIN", b"\0a\0b", "host"),
    SaslOutcome(0),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_what_is_written_is_read_back(record: Any) -> None:
    body = write(record)

    assert read(body + b"payload") == (record, len(body))


def test_a_performative_may_be_named_and_leave_its_last_fields_out() -> None:
    body = encode(Described(Symbol("amqp:open:list"), ["me"]))

    assert read(body)[0] == Open("me")


def test_a_null_is_the_default() -> None:
    body = encode(Described(ULong(0x10), ["me", None, None, None]))

    assert read(body)[0] == Open("me", None, 0xFFFF_FFFF, 0xFFFF)


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        (Described(ULong(0x10), []), INVALID_FIELD),
        (Described(ULong(0x10), [None]), INVALID_FIELD),
        (Described(ULong(0x10), [Symbol("me"), UInt(1)]), INVALID_FIELD),
        (Described(ULong(0x10), ["me", None, "big"]), INVALID_FIELD),
        (Described(ULong(0x17), [None, None]), INVALID_FIELD),
        (Described(ULong(0x12), ["a", UInt(1), True, None, None, "source"]), INVALID_FIELD),
        (Described(ULong(0x99), []), NOT_IMPLEMENTED),
        (Described(Array(([],)), []), NOT_IMPLEMENTED),
        (Described(ULong(0x10), {}), "amqp:decode-error"),
        ("open", "amqp:decode-error"),
    ],
)
def test_what_is_no_performative_is_refused(value: Any, condition: str) -> None:
    with pytest.raises(DecodeError) as refused:
        read(encode(value))

    assert refused.value.condition == condition


@RELAXED
@given(st.sampled_from([0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x41]), st.lists(VALUES, max_size=6))
def test_any_fields_are_refused_or_read(code: int, fields: list[Any]) -> None:
    try:
        record, _ = read(encode(Described(ULong(code), fields)))
    except DecodeError:
        return
    assert repr(read(write(record))[0]) == repr(record)
