"""How fast something goes and how long it will still take, for people."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """``rate`` is a second, ``left`` in seconds; ``None`` is not known."""

    rate: float | None = None
    left: float | None = None


UNKNOWN = Pace()


def duration(seconds: float | None) -> str:
    """``7 s``, ``2:05``, ``1:02:05``, ``3 days``; empty where it is not known."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return ""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{round(hours / 24)} days"


def per_second(rate: float | None) -> str:
    """``12.3/s``, or ``4.0/min`` where it is slow; empty where it is not known."""
    if rate is None or not math.isfinite(rate) or rate <= 0:
        return ""
    if rate >= 100:
        return f"{rate:,.0f}/s"
    if rate >= 1:
        return f"{rate:.1f}/s"
    if rate * 60 >= 1:
        return f"{rate * 60:.1f}/min"
    return f"{rate * 3600:.1f}/h"
