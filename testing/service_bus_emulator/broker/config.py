"""The official emulator's ``Config.json``, with the official limits.

Source: ``ServiceBus-Emulator/Schema/Config-schema.json`` of Azure/azure-service-bus-emulator-installer. What that
emulator takes and this one does not do (topics, forwarding) is refused, as is a property that does not exist: nothing
that somebody relies on is passed over in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from core.errors import InvalidInput
from testing.service_bus_emulator.broker.rules import MEGABYTE, QueueRules

NAMESPACE = "sbemulatorns"
MAX_ENTITIES = 50
MAX_NAME = 260
EMULATOR_RULES = QueueRules(max_size_bytes=100 * MEGABYTE)
"""What the file cannot say: the official emulator's tier, message size and quota."""

_NAME = re.compile(r"[A-Za-z0-9]([\w\-./]*[A-Za-z0-9])?", re.ASCII)
_DURATION = re.compile(r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_UNITS = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)  # seconds; years and months as .NET's XmlConvert has them
_MAX_DIGITS = 6  # more years than this do not fit a timedelta

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Config:
    namespace: str
    queues: Mapping[str, QueueRules]


@dataclass(frozen=True, slots=True)
class _Range:
    default: timedelta
    least: timedelta
    most: timedelta


LOCK_DURATION = _Range(timedelta(minutes=1), timedelta(seconds=5), timedelta(minutes=5))
TIME_TO_LIVE = _Range(timedelta(hours=1), timedelta(minutes=5), timedelta(hours=1))
DUPLICATE_WINDOW = _Range(timedelta(seconds=20), timedelta(seconds=5), timedelta(minutes=5))
DELIVERIES = range(1, 11)
DEFAULT_DELIVERIES = 3

_PROPERTIES = {
    "DeadLetteringOnMessageExpiration",
    "DefaultMessageTimeToLive",
    "DuplicateDetectionHistoryTimeWindow",
    "ForwardDeadLetteredMessagesTo",
    "ForwardTo",
    "LockDuration",
    "MaxDeliveryCount",
    "RequiresDuplicateDetection",
    "RequiresSession",
}


def read_config(text: str, base: QueueRules = EMULATOR_RULES) -> Config:
    """The namespace of a ``Config.json``; ``base`` gives tier, message size and quota of every queue.

    Raises :class:`core.errors.InvalidInput`, which names the place and what would do.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the configuration is not JSON: {error}") from error
    user = _get(_as(document, dict, "the configuration"), "UserConfig", dict, "the configuration")
    namespaces = _get(user, "Namespaces", list, "UserConfig")
    if len(namespaces) != 1:
        raise InvalidInput(f"UserConfig.Namespaces: {len(namespaces)} of them, there must be 1")
    return _namespace(_as(namespaces[0], dict, "Namespaces[0]"), base)


def read_duration(text: str) -> timedelta:
    """An ISO 8601 duration in whole units. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None or any(len(digits or "") > _MAX_DIGITS for digits in match.groups()):
        raise ValueError(f"{text!r:.60} is not a duration such as PT1M")
    return timedelta(seconds=sum(int(digits or 0) * unit for digits, unit in zip(match.groups(), _UNITS, strict=True)))


def _namespace(found: dict[str, Any], base: QueueRules) -> Config:
    name = _get(found, "Name", str, "Namespaces[0]")
    if name != NAMESPACE:
        raise InvalidInput(f"Namespaces[0].Name: {name!r}, the emulator's namespace is {NAMESPACE!r}")
    if _get(found, "Topics", list, name, []):
        raise InvalidInput(f"{name}.Topics: this emulator has queues only; remove the topics")
    queues = _get(found, "Queues", list, name, [])
    if len(queues) > MAX_ENTITIES:
        raise InvalidInput(f"{name}.Queues: {len(queues)} of them, at most {MAX_ENTITIES}")
    rules: dict[str, QueueRules] = {}
    for index, queue in enumerate(queues):
        queue_name = _queue_name(_as(queue, dict, f"Queues[{index}]"), index)
        if queue_name.lower() in {known.lower() for known in rules}:
            raise InvalidInput(f"Queues[{index}].Name: there is a queue {queue_name!r} already")
        rules[queue_name] = _rules(_get(queue, "Properties", dict, queue_name, {}), queue_name, base)
    return Config(name, rules)


def _queue_name(queue: dict[str, Any], index: int) -> str:
    name = _get(queue, "Name", str, f"Queues[{index}]")
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise InvalidInput(f"Queues[{index}].Name: {name!r} is not 1 to {MAX_NAME} of A-Z a-z 0-9 _ - . /")
    return name


def _rules(found: dict[str, Any], where: str, base: QueueRules) -> QueueRules:
    if unknown := sorted(found.keys() - _PROPERTIES):
        raise InvalidInput(f"{where}: there is no property {unknown[0]}; there are {', '.join(sorted(_PROPERTIES))}")
    for forward in ("ForwardTo", "ForwardDeadLetteredMessagesTo"):
        if _get(found, forward, str, where, ""):
            raise InvalidInput(f"{where}.{forward}: this emulator does not forward; leave it empty")
    window = _duration(found, "DuplicateDetectionHistoryTimeWindow", where, DUPLICATE_WINDOW)
    return replace(
        base,
        lock_duration=_duration(found, "LockDuration", where, LOCK_DURATION),
        default_time_to_live=_duration(found, "DefaultMessageTimeToLive", where, TIME_TO_LIVE),
        duplicate_window=window if _get(found, "RequiresDuplicateDetection", bool, where, False) else None,
        dead_letter_on_expiration=_get(found, "DeadLetteringOnMessageExpiration", bool, where, False),
        requires_session=_get(found, "RequiresSession", bool, where, False),
        max_delivery_count=_deliveries(found, where),
    )


def _deliveries(found: dict[str, Any], where: str) -> int:
    count = _get(found, "MaxDeliveryCount", int, where, DEFAULT_DELIVERIES)
    if count not in DELIVERIES:
        raise InvalidInput(f"{where}.MaxDeliveryCount: {count}, it must be {DELIVERIES[0]} to {DELIVERIES[-1]}")
    return count


def _duration(found: dict[str, Any], key: str, where: str, limits: _Range) -> timedelta:
    if found.get(key) is None:
        return limits.default
    try:
        value = read_duration(_get(found, key, str, where))
    except ValueError as error:
        raise InvalidInput(f"{where}.{key}: {error}") from error
    if not limits.least <= value <= limits.most:
        raise InvalidInput(f"{where}.{key}: {value}, it must be {limits.least} to {limits.most}")
    return value


def _get(found: dict[str, Any], key: str, kind: type[T], where: str, default: T | None = None) -> T:
    """A null is as good as nothing. Without ``default`` it must be there."""
    if found.get(key) is None:
        if default is None:
            raise InvalidInput(f"{where}.{key} is missing")
        return default
    return _as(found[key], kind, f"{where}.{key}")


def _as(value: Any, kind: type[T], where: str) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidInput(f"{where}: {type(value).__name__}, it must be {kind.__name__}")
    return value
