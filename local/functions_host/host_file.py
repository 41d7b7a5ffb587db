"""``host.json``: the part of it that the local host obeys.

Source: the reference of host.json for runtime 2.x and later. ``functionTimeout`` is ``[d.]hh:mm:ss``, or ``-1`` for no
limit; its default here is the 30 minutes of the plans that keep an instance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.errors import HostFileInvalid
from local.functions_host.host_service_bus import ServiceBusSettings, parse_service_bus
from local.functions_host.time_span import parse_time_span

DEFAULT_ROUTE_PREFIX = "api"
DEFAULT_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """``route_prefix`` has no slash at either end; ``function_timeout`` ``None`` is no limit."""

    route_prefix: str = DEFAULT_ROUTE_PREFIX
    function_timeout: timedelta | None = DEFAULT_TIMEOUT
    service_bus: ServiceBusSettings = field(default_factory=ServiceBusSettings)


def read_host_file(path: Path) -> HostSettings:
    """Raises :class:`HostFileInvalid`; a file that is not there is one of the errors, as it is for the real host."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise HostFileInvalid(f"there is no {path}; a function app needs its host.json") from error
    except OSError as error:
        raise HostFileInvalid(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HostFileInvalid(f"{path.name}: byte {error.start} is not UTF-8") from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise HostFileInvalid(f"line {error.lineno} of host.json: this is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond Python's limits
        raise HostFileInvalid(f"host.json: {error}") from error
    return parse_host_settings(document)


def parse_host_settings(document: object) -> HostSettings:
    """Raises :class:`HostFileInvalid` that names the property."""
    root = _object(document, "the whole")
    if root.get("version") != "2.0":
        raise HostFileInvalid('host.json: "version" must be "2.0"')
    extensions = _object(root.get("extensions", {}), "extensions")
    http = _object(extensions.get("http", {}), "extensions.http")
    return HostSettings(
        route_prefix=_route_prefix(http.get("routePrefix", DEFAULT_ROUTE_PREFIX)),
        function_timeout=_timeout(root.get("functionTimeout")),
        service_bus=parse_service_bus(_object(extensions.get("serviceBus", {}), "extensions.serviceBus")),
    )


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise HostFileInvalid(f"host.json: {name} must be a JSON object")
    return value


def _route_prefix(value: object) -> str:
    if not isinstance(value, str) or value.startswith("/") or value.endswith("/"):
        raise HostFileInvalid("host.json: extensions.http.routePrefix must be a text without a slash at either end")
    return value


def _timeout(value: object) -> timedelta | None:
    if value is None:
        return DEFAULT_TIMEOUT
    if value == "-1":
        return None
    span = parse_time_span(value)
    if span is None:
        raise HostFileInvalid('host.json: functionTimeout must be "hh:mm:ss", or "-1" for no limit')
    if not span:
        raise HostFileInvalid("host.json: functionTimeout is not a time span above zero")
    return span
