"""Time spans as .NET writes them in host.json: ``[d.]hh:mm:ss``."""

from __future__ import annotations

import re
from datetime import timedelta

_TIME_SPAN = re.compile(r"(?:([0-9]{1,3})\.)?([01]?[0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])")


def parse_time_span(value: object) -> timedelta | None:
    """``None`` for what is not one. Source: `System.TimeSpan`, the constant format "c" without fractions."""
    found = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
