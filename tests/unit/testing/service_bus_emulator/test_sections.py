"""Messages on the wire: what the broker reads of them, and what a receiver gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.clock import EPOCH
from testing.service_bus_emulator.amqp.decode import decode
from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.errors import DecodeError
from testing.service_bus_emulator.amqp.types import Described, Int, Long, Symbol, Timestamp, UByte, UInt, ULong
from testing.service_bus_emulator.broker.message import DeadLetterInfo, MessageState, PropertyValue, Stored
from testing.service_bus_emulator.messages import read_batch, read_message, write_message
from testing.service_bus_emulator.property_values import to_property, to_value
from testing.service_bus_emulator.requests import read_request, write_answer
from testing.service_bus_emulator.sections import APPLICATION_PROPERTIES, HEADER, MESSAGE_ANNOTATIONS, sections
from tests.unit.testing.service_bus_emulator.amqp.values import RELAXED, VALUES
from tests.unit.testing.service_bus_emulator.peers import body


def section(code: int, value: Any) -> bytes:
    return bytes((0, 0x53, code)) + encode(value)


def message(
    *,
    header: Any = None,
    annotations: Any = None,
    properties: Any = None,
    application: Any = None,
    content: bytes = b"x",
) -> bytes:
    found = [(0x70, header), (0x72, annotations), (0x73, properties), (0x74, application)]
    return b"".join(section(code, value) for code, value in found if value is not None) + body(content)


def stored(data: bytes, **options: Any) -> Stored:
    return Stored(read_message(data), 7, EPOCH, **options)


def value_of(data: bytes, code: int) -> Any:
    """Of the section of that code."""
    (at,) = [one.value for one in sections(data) if one.code == code]
    return decode(data, at)[0]


def test_what_the_broker_decides_by_is_read() -> None:
    due = EPOCH + timedelta(hours=1)
    data = message(
        header=[None, None, UInt(5000)],
        annotations={
            Symbol("x-opt-partition-key"): "key",
            Symbol("x-opt-scheduled-enqueue-time"): Timestamp(int(due.timestamp() * 1000)),
        },
        properties=["id", *[None] * 9, "session"],
    )

    found = read_message(data)

    assert (found.message_id, found.session_id, found.partition_key) == ("id", "session", "key")
    assert (found.time_to_live, found.scheduled_at, found.size) == (timedelta(seconds=5), due, len(data))
    assert found.payload == section(0x73, ["id", *[None] * 9, "session"]) + body(b"x")


@pytest.mark.parametrize(
    ("given_id", "found"),
    [("a", "a"), (ULong(7), "7"), (UUID(int=1), str(UUID(int=1))), (b"\x01\xff", "01ff"), (None, None)],
)
def test_a_message_id_may_be_of_four_types(given_id: Any, found: str | None) -> None:
    assert read_message(message(properties=[given_id])).message_id == found


@pytest.mark.parametrize(
    "data",
    [
        message(header={}),
        message(annotations=[]),
        message(properties={}),
        message(properties=[1.5]),
        message(properties=[None] * 10 + [b"session"]),
        message(header=[None, None, "long"]),
        message(annotations={Symbol("x-opt-scheduled-enqueue-time"): Long(1)}),
        message(annotations={Symbol("x-opt-partition-key"): UInt(1)}),
        message(application=[]),
        section(0x74, {}) + section(0x73, []),
        section(0x73, []) + section(0x73, []),
        section(0x77, "a") + section(0x77, "b"),
        b"\x00",
        b"\x40",
        b"\x00\x53",
        b"\x00\x53\x75",
        b"\x00\x40\x40",
        b"\x00\x53\x79\x40",
        b"\x00\x45\x40",
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_message(data)


def test_sections_may_be_named() -> None:
    data = encode(Described(Symbol("amqp:properties:list"), ["id"])) + encode(
        Described(Symbol("amqp:data:binary"), b"x")
    )

    assert read_message(data).message_id == "id"


def test_a_receiver_gets_the_brokers_annotations_and_the_senders_own() -> None:
    data = message(annotations={Symbol("mine"): UInt(1), Symbol("x-opt-sequence-number"): Long(99)}, content=b"content")

    sent = write_message(stored(data, delivery_count=2), EPOCH + timedelta(minutes=1))

    annotations = value_of(sent, MESSAGE_ANNOTATIONS)
    assert annotations == {
        "x-opt-enqueued-time": int(EPOCH.timestamp() * 1000),
        "x-opt-sequence-number": 7,
        "x-opt-locked-until": int(EPOCH.timestamp() * 1000) + 60_000,
        "mine": 1,
    }
    assert value_of(sent, HEADER) == [None, None, None, None, 2]
    assert sent.endswith(body(b"content"))


def test_states_other_than_active_are_told() -> None:
    sent = write_message(stored(message(), state=MessageState.DEFERRED))

    assert value_of(sent, MESSAGE_ANNOTATIONS)["x-opt-message-state"] == 1


def test_the_time_to_live_is_what_the_queue_made_of_it() -> None:
    data = message(header=[None, None, UInt(60_000)])

    sent = write_message(stored(data, expires_at=EPOCH + timedelta(seconds=5)))

    assert value_of(sent, HEADER)[2] == 5000


@pytest.mark.parametrize("application", [None, {}, {"a": "b", "DeadLetterReason": "old"}])
def test_a_dead_letter_says_why_among_its_properties(application: Any) -> None:
    dead = stored(
        message(properties=["id"], application=application, content=b"content"),
        dead_letter=DeadLetterInfo("R", None, "tasks"),
        properties_to_modify={"tries": 3},
    )

    sent = write_message(dead)

    expected = {**(application or {}), "tries": 3, "DeadLetterReason": "R"}
    assert value_of(sent, APPLICATION_PROPERTIES) == expected
    assert value_of(sent, MESSAGE_ANNOTATIONS)["x-opt-deadletter-source"] == "tasks"
    assert read_message(sent).message_id == "id"
    assert sent.endswith(body(b"content"))


def test_a_batch_is_one_message_a_section() -> None:
    found = read_batch(section(0x73, ["of the batch"]) + body(message(content=b"1")) + body(message(content=b"2")))

    assert [one.payload for one in found] == [body(b"1"), body(b"2")]
    assert {one.message_id for one in found} == {None}


def test_an_answer_is_a_message_too() -> None:
    found = read_request(write_answer(UUID(int=5), {Symbol("statusCode"): Int(200)}, {"a": [Long(1)]}))

    assert (found.properties, found.body, found.reply_to) == ({"statusCode": 200}, {"a": [1]}, None)


@pytest.mark.parametrize(
    "value", [None, True, 2**40, 1.5, "text", b"bytes", datetime(2030, 1, 1, tzinfo=UTC), UUID(int=3)]
)
def test_properties_keep_their_values(value: PropertyValue) -> None:
    found = to_property(decode(encode(to_value(value)))[0])

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [[], {}, Described(1, 2)])
def test_properties_are_plain_values(value: Any) -> None:
    with pytest.raises(DecodeError):
        to_property(value)


MESSAGES = st.builds(
    message,
    header=st.none() | st.lists(VALUES, max_size=5) | st.just([True, UByte(4), UInt(1000), None, UInt(1)]),
    annotations=st.none() | st.dictionaries(st.text(max_size=5).map(str), VALUES, max_size=3),
    properties=st.none() | st.lists(VALUES, max_size=13) | st.just(["id", b"user", "to", "subject"]),
    application=st.none() | st.dictionaries(st.text(max_size=5), VALUES, max_size=3),
    content=st.binary(max_size=50),
)
DEAD = {"dead_letter": DeadLetterInfo("R", "D", "tasks"), "properties_to_modify": {"a": 1}}


def _read_or_refused(data: bytes) -> None:
    """What was read can be sent on, and read again."""
    try:
        found = read_message(data)
    except DecodeError:
        return
    for options in ({}, DEAD):
        sent = read_message(write_message(Stored(found, 1, EPOCH, **options)))  # type: ignore[arg-type]
        assert (sent.message_id, sent.session_id, sent.partition_key) == (
            found.message_id,
            found.session_id,
            found.partition_key,
        )


@RELAXED
@given(MESSAGES)
def test_any_sections_are_read_or_refused(data: bytes) -> None:
    _read_or_refused(data)


@RELAXED
@given(MESSAGES, st.data())
def test_any_mutation_of_a_message_is_read_or_refused(data: bytes, draw: st.DataObject) -> None:
    mutated = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        mutated[draw.draw(st.integers(0, len(mutated) - 1))] = draw.draw(st.integers(0, 255))

    _read_or_refused(bytes(mutated))
    _read_or_refused(data[: draw.draw(st.integers(0, len(data)))])


@RELAXED
@given(st.binary(max_size=100))
def test_any_bytes_are_a_request_a_batch_or_refused(data: bytes) -> None:
    for read in (read_request, read_batch, read_message):
        try:
            read(data)
        except DecodeError:
            continue
