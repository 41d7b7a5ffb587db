"""Messages to a node that answers, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from testing.service_bus_emulator.amqp.decode import decode
from testing.service_bus_emulator.amqp.types import Value
from testing.service_bus_emulator.sections import (
    APPLICATION_PROPERTIES,
    PROPERTIES,
    VALUE,
    field_at,
    list_in,
    map_in,
    section_of,
    sections,
    text_of,
)


def write_answer(correlation_id: Value, application_properties: Mapping[Any, Value], body: Value) -> bytes:
    properties = [None] * 5 + [correlation_id]
    return (
        section_of(PROPERTIES, properties)
        + section_of(APPLICATION_PROPERTIES, dict(application_properties))
        + section_of(VALUE, body)
    )


class Request(NamedTuple):
    """A message to a management node."""

    message_id: Value
    reply_to: str | None
    properties: dict[Value, Value]
    body: Value


def read_request(data: bytes) -> Request:
    """Raises :class:`DecodeError`."""
    found = {section.code: section for section in sections(data)}
    properties = list_in(data, found.get(PROPERTIES))
    section = found.get(VALUE)
    return Request(
        message_id=field_at(properties, 0),
        reply_to=text_of("reply-to", field_at(properties, 4)),
        properties=map_in(data, found.get(APPLICATION_PROPERTIES)),
        body=None if section is None else decode(data, section.value)[0],
    )
