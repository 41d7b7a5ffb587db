"""What the stack consists of: which parts run here, what each needs, in which order they end. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from local.errors import SettingsInvalid

PartName = Literal["database", "service_bus", "storage", "host", "worker"]

PARTS: tuple[PartName, ...] = get_args(PartName)
SERVICES: tuple[PartName, ...] = ("database", "service_bus", "storage")
APPS: tuple[PartName, ...] = ("host", "worker")

STOP_ORDER: tuple[tuple[PartName, ...], ...] = (APPS, ("service_bus",), ("storage",), ("database",))
"""Who takes work in ends first, and what holds the state last; those of one group end at the same time."""

NAMED_BY: Mapping[PartName, tuple[str, ...]] = {
    "database": ("DATABASE_URL", "POSTGRES_HOST"),
    "service_bus": (
        "SERVICE_BUS_CONNECTION",
        "SERVICE_BUS_CONNECTION__fullyQualifiedNamespace",
        "SERVICE_BUS_FQDN",
    ),
    "storage": ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_URL"),
}
"""The settings by which one names a service of one's own, which is used then instead of one that is started."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``outside`` has the setting that names each service that is used and not started."""

    parts: tuple[PartName, ...]
    outside: Mapping[PartName, str]


def plan(
    environment: Mapping[str, str], only: Collection[PartName] | None = None, without: Collection[PartName] = ()
) -> Plan:
    """``only`` is asked for by name; None is all.

    Raises :class:`SettingsInvalid` where what is asked for is outside already, or is nothing.
    """
    outside = {
        part: next(name for name in names if environment.get(name, "").strip())
        for part, names in NAMED_BY.items()
        if any(environment.get(name, "").strip() for name in names)
    }
    if only is not None:
        for part in PARTS:
            if part in only and part in outside:
                raise SettingsInvalid(f"{part} is asked for, and {outside[part]} names one: leave one of them out")
    wanted = PARTS if only is None else only
    parts = tuple(part for part in PARTS if part in wanted and part not in (*outside, *without))
    if not parts:
        raise SettingsInvalid("no part is left to run")
    return Plan(parts, outside)


def parse_parts(text: str) -> tuple[PartName, ...]:
    """``database,storage``. Raises ValueError, which names the parts that there are."""
    found: list[PartName] = []
    for word in text.split(","):
        name = next((part for part in PARTS if part == word.strip().replace("-", "_")), None)
        if name is None:
            raise ValueError(f"{word.strip()!r} is not one of {', '.join(PARTS)}")
        found.append(name)
    return tuple(found)


def restart_delay(failures: int) -> float:
    """Seconds before a part that ended is started again, after so many failures in a row, from 1 on."""
    return float(min(0.1 * 2 ** min(failures - 1, 10), 10.0))


def order_of_end(parts: Collection[PartName]) -> Sequence[Sequence[PartName]]:
    """:data:`STOP_ORDER` of these alone."""
    groups = ([name for name in group if name in parts] for group in STOP_ORDER)
    return [group for group in groups if group]
