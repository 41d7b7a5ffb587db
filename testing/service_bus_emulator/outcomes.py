"""What became of a delivery: the outcomes on the wire, and what a receiver asks for by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from testing.service_bus_emulator.amqp.errors import DecodeError, error_value
from testing.service_bus_emulator.amqp.performatives import Disposition
from testing.service_bus_emulator.amqp.types import Described, Value
from testing.service_bus_emulator.broker.errors import BrokerError, MessageLockLost
from testing.service_bus_emulator.broker.message import PropertyValue
from testing.service_bus_emulator.messages import DEAD_LETTER_DESCRIPTION, DEAD_LETTER_REASON
from testing.service_bus_emulator.property_values import to_property

_RECEIVED, _ACCEPTED, _REJECTED, _RELEASED, _MODIFIED = 0x23, 0x24, 0x25, 0x26, 0x27
_NAMES = {
    "amqp:received:list": _RECEIVED,
    "amqp:accepted:list": _ACCEPTED,
    "amqp:rejected:list": _REJECTED,
    "amqp:released:list": _RELEASED,
    "amqp:modified:list": _MODIFIED,
}

ACCEPTED = Described(_ACCEPTED, [])


class Complete(NamedTuple):
    pass


class Release(NamedTuple):
    pass


class Abandon(NamedTuple):
    properties: Mapping[str, PropertyValue]


class Defer(NamedTuple):
    properties: Mapping[str, PropertyValue]


class DeadLetter(NamedTuple):
    reason: str | None
    description: str | None
    properties: Mapping[str, PropertyValue]


Settlement: TypeAlias = Complete | Release | Abandon | Defer | DeadLetter


def rejected(error: BrokerError) -> Described:
    return rejected_with(error.condition, error.description)


def rejected_with(condition: str, description: str) -> Described:
    return Described(_REJECTED, [error_value(condition, description)])


LOCK_LOST = rejected(MessageLockLost("the delivery was settled, or its link is gone"))


def echo(state: Value) -> Value:
    """What the receiver hears when it got what it asked for: a rejected without the error that was its reason."""
    return Described(_REJECTED, []) if _code(state) == _REJECTED else state


def is_terminal(disposition: Disposition) -> bool:
    return disposition.settled or _code(disposition.state) in (_ACCEPTED, _REJECTED, _RELEASED, _MODIFIED)


def settlement(state: Value) -> Settlement:
    """Raises :class:`DecodeError`. To settle without an outcome is to give the message back."""
    fields = _fields(state)
    match _code(state):
        case 0x24:
            return Complete()
        case 0x25:
            return _dead_letter(_at(fields, 0))
        case 0x27:
            changed = properties(_at(fields, 2))
            return Defer(changed) if _at(fields, 1) is True else Abandon(changed)
        case _:
            return Release()


def properties(value: Value) -> dict[str, PropertyValue]:
    """A map of application properties. Raises :class:`DecodeError`."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DecodeError("properties are a map with names as its keys")
    return {str(key): to_property(found) for key, found in value.items()}


def _dead_letter(error: Value) -> DeadLetter:
    fields = _fields(error)
    given = properties(_at(fields, 2))
    reason, description = given.pop(DEAD_LETTER_REASON, None), given.pop(DEAD_LETTER_DESCRIPTION, None)
    if description is None:
        description = _at(fields, 1)
    return DeadLetter(_text(reason), _text(description), given)


def _text(value: Value) -> str | None:
    return str(value) if isinstance(value, str) else None


def _code(state: Value) -> Value:
    if not isinstance(state, Described):
        return None
    descriptor = state.descriptor
    return _NAMES.get(descriptor) if isinstance(descriptor, str) else descriptor


def _fields(state: Value) -> list[Value]:
    return state.value if isinstance(state, Described) and isinstance(state.value, list) else []


def _at(fields: list[Value], index: int) -> Value:
    return fields[index] if index < len(fields) else None
