"""The block ``extensions.serviceBus`` of host.json.

Source: the reference of the Service Bus extension 5.x, which the bundle 4.x holds; its names are all known here, so
that one that is misspelt is told and not ignored. The real default of ``maxConcurrentCalls`` is 16 for each core; one
machine that runs everything is given 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.errors import HostFileInvalid
from local.functions_host.time_span import parse_time_span

BLOCK = "extensions.serviceBus"
MOST_CALLS = 1_000
"""Each call has a connection of its own here; 1,000 is what a namespace of the Standard tier takes."""

OLD_BLOCKS = {
    "messageHandlerOptions": "maxConcurrentCalls, autoCompleteMessages (it was autoComplete) and "
    "maxAutoLockRenewalDuration (it was maxAutoRenewDuration)",
    "sessionHandlerOptions": "maxConcurrentSessions, sessionIdleTimeout and maxAutoLockRenewalDuration",
    "batchOptions": "maxMessageBatchSize, minMessageBatchSize and maxBatchWaitTime",
}
_NOT_OBEYED_HERE = frozenset(
    {
        "clientRetryOptions",
        "enableCrossEntityTransactions",
        "maxBatchWaitTime",
        "maxConcurrentCallsPerSession",
        "maxConcurrentSessions",
        "maxMessageBatchSize",
        "minMessageBatchSize",
        "sessionIdleTimeout",
        "transportType",
        "webProxy",
    }
)


@dataclass(frozen=True, slots=True)
class ServiceBusSettings:
    """``max_lock_renewal`` is how long after its start a call's lock is renewed; zero is never."""

    prefetch_count: int = 0
    auto_complete: bool = True
    max_lock_renewal: timedelta = timedelta(minutes=5)
    max_concurrent_calls: int = 16


def parse_service_bus(block: Mapping[str, Any]) -> ServiceBusSettings:
    """Raises :class:`HostFileInvalid` that names the property, and for the names of older versions the new ones."""
    known = {"prefetchCount", "autoCompleteMessages", "maxAutoLockRenewalDuration", "maxConcurrentCalls"}
    for name in block:
        if name in OLD_BLOCKS:
            raise HostFileInvalid(
                f"host.json: {BLOCK}.{name} is of version 4 of the extension, and ignored by the one of bundle 4.x; "
                f"put {OLD_BLOCKS[name]} into {BLOCK} itself"
            )
        if name not in known | _NOT_OBEYED_HERE:
            raise HostFileInvalid(f"host.json: {BLOCK} has no {name}; it has {', '.join(sorted(known))}, among others")
    default = ServiceBusSettings()
    return ServiceBusSettings(
        prefetch_count=_whole(block, "prefetchCount", default.prefetch_count, 0, 10_000),
        auto_complete=_boolean(block, "autoCompleteMessages", default.auto_complete),
        max_lock_renewal=_span(block, "maxAutoLockRenewalDuration", default.max_lock_renewal),
        max_concurrent_calls=_whole(block, "maxConcurrentCalls", default.max_concurrent_calls, 1, MOST_CALLS),
    )


def _whole(block: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = block.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise HostFileInvalid(f"host.json: {BLOCK}.{name} must be a whole number from {least} to {most}")
    return value


def _boolean(block: Mapping[str, Any], name: str, default: bool) -> bool:
    value = block.get(name, default)
    if not isinstance(value, bool):
        raise HostFileInvalid(f"host.json: {BLOCK}.{name} must be true or false")
    return value


def _span(block: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    if name not in block:
        return default
    span = parse_time_span(block[name])
    if span is None:
        raise HostFileInvalid(f'host.json: {BLOCK}.{name} must be "hh:mm:ss"')
    return span
