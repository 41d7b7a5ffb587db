"""How a queue is set up and what it holds, where the bus tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from azure.servicebus.management import QueueProperties as SdkProperties
from azure.servicebus.management import QueueRuntimeProperties, ServiceBusAdministrationClient

from core.errors import BusMisconfigured, CoreMachineError
from infrastructure.service_bus.errors import guarded

FOR_EVER = timedelta(days=36_500)
"""Service Bus says "for ever" as the longest time that .NET has, 10,675,199 days."""

KILOBYTE = 1024


@dataclass(frozen=True, slots=True)
class QueueProperties:
    """Times are seconds. ``duplicate_window`` is 0 where ids are not remembered, ``time_to_live`` ``None`` for ever.

    ``max_message_bytes`` is ``None`` where the tier decides it.
    """

    queue: str
    lock_seconds: float
    max_delivery_count: int
    duplicate_window: float
    time_to_live: float | None
    max_message_bytes: int | None
    dead_letters_expired: bool
    requires_session: bool
    status: str
    active: int
    scheduled: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class QueueMissing:
    """The bus answers, and there is no such queue."""

    queue: str


@dataclass(frozen=True, slots=True)
class PropertiesUnavailable:
    """The bus does not tell, as an emulator without that side, or an identity that may not manage."""

    queue: str
    error: CoreMachineError


QueueInspected = QueueProperties | QueueMissing | PropertiesUnavailable


def queue_properties(administration: Callable[[], ServiceBusAdministrationClient], queue: str) -> QueueInspected:
    """Asks over HTTP, on a connection of its own. Never raises for a bus that does not answer."""
    try:
        return guarded(lambda: _asked(administration, queue))
    except BusMisconfigured as error:
        if error.details.get("sdk_error") == "ResourceNotFoundError":
            return QueueMissing(queue)
        return PropertiesUnavailable(queue, error)
    except CoreMachineError as error:
        return PropertiesUnavailable(queue, error)


def _asked(administration: Callable[[], ServiceBusAdministrationClient], queue: str) -> QueueProperties:
    with administration() as client:
        return _read(queue, client.get_queue(queue), client.get_queue_runtime_properties(queue))


def _read(queue: str, found: SdkProperties, holds: QueueRuntimeProperties) -> QueueProperties:
    kilobytes = found.max_message_size_in_kilobytes
    window = _seconds(found.duplicate_detection_history_time_window) if found.requires_duplicate_detection else 0.0
    return QueueProperties(
        queue=queue,
        lock_seconds=_seconds(found.lock_duration) or 0.0,
        max_delivery_count=found.max_delivery_count or 0,
        duplicate_window=window or 0.0,
        time_to_live=_seconds(found.default_message_time_to_live),
        max_message_bytes=kilobytes * KILOBYTE if kilobytes else None,
        dead_letters_expired=bool(found.dead_lettering_on_message_expiration),
        requires_session=bool(found.requires_session),
        status=str(getattr(found.status, "value", found.status) or ""),
        active=holds.active_message_count or 0,
        scheduled=holds.scheduled_message_count or 0,
        dead_letters=holds.dead_letter_message_count or 0,
    )


def _seconds(value: timedelta | str | None) -> float | None:
    """``None`` for ever. The SDK reads durations; text is only what it takes for a change."""
    if not isinstance(value, timedelta) or value >= FOR_EVER:
        return None
    return value.total_seconds()
