"""AMQP values to and from those that a broker keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from testing.service_bus_emulator.amqp.errors import DecodeError
from testing.service_bus_emulator.amqp.types import Long, Timestamp, Value
from testing.service_bus_emulator.broker.message import PropertyValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_FOREVER = datetime.max.replace(tzinfo=UTC)


def timestamp(at: datetime) -> Timestamp:
    return Timestamp((at - _EPOCH) // MILLISECOND)


def to_value(value: PropertyValue) -> Value:
    """An application property as AMQP has it."""
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Long(value)
    return value


def to_property(value: Value) -> PropertyValue:
    """Raises :class:`DecodeError` for what a broker keeps no property of."""
    if isinstance(value, Timestamp):
        return instant(value)
    if value is None or isinstance(value, bool | UUID):
        return value
    return _plain(value)


def _plain(value: Value) -> PropertyValue:
    """Without the AMQP type."""
    kinds: tuple[type[int | float | str | bytes], ...] = (int, float, str, bytes)
    kind = next((kind for kind in kinds if isinstance(value, kind)), None)
    if kind is not None:
        plain: PropertyValue = kind(value)
        return plain
    raise DecodeError(f"a property that is a {type(value).__name__}")


def instant(value: Value) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, Timestamp):
        raise DecodeError("a time is no timestamp")
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return _FOREVER if value > 0 else _EPOCH
