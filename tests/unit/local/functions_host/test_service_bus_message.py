"""Bodies that other senders write: AMQP values that no JSON text has, with what the SDK makes of them."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType

from local.functions_host.service_bus_message import application_properties, body_bytes, trigger_data


class Received:
    """What is read of a message that came."""

    def __init__(self, body: object, body_type: AmqpMessageBodyType, properties: dict[Any, Any] | None = None) -> None:
        self.body = body
        self.body_type = body_type
        self.application_properties = properties


def received(body: object, kind: AmqpMessageBodyType = AmqpMessageBodyType.VALUE, **more: Any) -> Any:
    return Received(body, kind, **more)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({b"a": b"b"}, {"a": "b"}),
        ({b"deep": [{b"x": 1, 2: {b"y": None}}]}, {"deep": [{"x": 1, "2": {"y": None}}]}),
        ({b"\xff": b"\xfe"}, {"\ufffd": "\ufffd"}),
        ({UUID(int=7): ({b"k": True},)}, {str(UUID(int=7)): [{"k": True}]}),
        ([b"a", {b"b": 1.5}], ["a", {"b": 1.5}]),
        (None, None),
    ],
)
def test_a_value_s_maps_have_text_keys_however_deep_they_are(value: object, expected: object) -> None:
    assert json.loads(body_bytes(received(value))) == expected


def test_the_rows_of_a_sequence_may_have_such_maps_too() -> None:
    message = received(iter([[{b"a": 1}], [b"z"]]), AmqpMessageBodyType.SEQUENCE)

    assert json.loads(body_bytes(message)) == [[{"a": 1}], ["z"]]


def test_a_value_of_bytes_or_text_is_that_and_no_json() -> None:
    assert body_bytes(received(b"\xff\x00")) == b"\xff\x00"
    assert body_bytes(received("text")) == b"text"


def test_properties_may_hold_anything() -> None:
    message = received(b"", properties={b"name": b"v", b"map": {b"k": 1}, b"id": UUID(int=1)})

    assert application_properties(message) == {"name": "v", "map": {"k": 1}, "id": str(UUID(int=1))}


def test_it_holds_for_the_sdk_s_own_message() -> None:
    raw = AmqpAnnotatedMessage(value_body={b"a": {b"b": b"c"}})
    message = ServiceBusReceivedMessage.__new__(ServiceBusReceivedMessage)
    message._raw_amqp_message = raw

    datum = trigger_data(message)

    assert (datum.type, json.loads(datum.value)) == ("string", {"a": {"b": "c"}})
