"""The body of a request to a management node, read with an eye on its types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from testing.service_bus_emulator.amqp.types import Array, Value
from testing.service_bus_emulator.broker.errors import ArgumentInvalid
from testing.service_bus_emulator.broker.message import Message, PropertyValue
from testing.service_bus_emulator.messages import read_message
from testing.service_bus_emulator.outcomes import Abandon, Complete, DeadLetter, Defer, Settlement, properties

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Body:
    """Each method raises :class:`ArgumentInvalid` for what is missing or of another type."""

    values: dict[Value, Value]

    @classmethod
    def of(cls, body: Value) -> Body:
        return cls(_checked(body, dict, "the body"))

    def get(self, name: str, kind: type[_T]) -> _T:
        return _checked(self.values.get(name), kind, name)

    def optional(self, name: str, kind: type[_T]) -> _T | None:
        return None if self.values.get(name) is None else self.get(name, kind)

    def array(self, name: str, kind: type[_T]) -> list[_T]:
        value = self.values.get(name)
        items = value.items if isinstance(value, Array) else _checked(value, list, name)
        return [_checked(item, kind, name) for item in items]

    def tokens(self) -> list[UUID]:
        return self.array("lock-tokens", UUID)

    def messages(self) -> list[Message]:
        """Those to schedule. Raises :class:`.amqp.errors.DecodeError` for bytes that are no message."""
        return [_message(Body.of(one)) for one in self.get("messages", list)]

    def settlement(self) -> Settlement:
        status = self.get("disposition-status", str)
        if status not in _SETTLEMENTS:
            raise ArgumentInvalid(f"no disposition {status!r:.100}")
        return _SETTLEMENTS[status](self)

    def modified(self) -> Mapping[str, PropertyValue]:
        return properties(self.values.get("properties-to-modify"))


_SETTLEMENTS: dict[str, Callable[[Body], Settlement]] = {
    "completed": lambda _: Complete(),
    "abandoned": lambda body: Abandon(body.modified()),
    "defered": lambda body: Defer(body.modified()),  # so it is written
    "suspended": lambda body: DeadLetter(
        body.optional("deadletter-reason", str), body.optional("deadletter-description", str), body.modified()
    ),
}


def _message(body: Body) -> Message:
    message = read_message(body.get("message", bytes))
    return replace(message, message_id=message.message_id or body.optional("message-id", str))


def _checked(value: Value, kind: type[_T], name: str) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ArgumentInvalid(f"{name} is no {kind.__name__}")
    return value
