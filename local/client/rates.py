"""How fast something goes and how long it will still take, from what was seen of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

WINDOW = 60.0
"""Seconds that are looked back, and further until :data:`STEPS` ended in them."""
STEPS = 3
GAP = 30.0
"""Seconds between two samples after which what came before says nothing: the machine or the job slept."""
STALL = 10.0
"""Seconds without progress after which there is no rate, or three times what one step takes where that is longer."""
LONGEST = 7 * 86_400.0


class Sample(NamedTuple):
    """``at`` is in seconds of any steady clock; ``done`` of ``total`` have ended."""

    at: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Pace:
    """``rate`` is a second, ``left`` in seconds; ``None`` is not known."""

    rate: float | None = None
    left: float | None = None


UNKNOWN = Pace()


def pace(samples: Sequence[Sample]) -> Pace:
    """The pace at the last of ``samples``, which are in the order of their time."""
    if not samples:
        return UNKNOWN
    last = samples[-1]
    if 0 < last.total <= last.done:
        return Pace(None, 0.0)
    related = _related(samples)
    first = _start(related)
    steps, seconds = last.done - first.done, last.at - first.at
    if steps <= 0 or seconds <= 0:
        return UNKNOWN
    rate = steps / seconds
    if last.at - _last_progress(related) > max(STALL, 3 / rate):
        return UNKNOWN
    left = (last.total - last.done) / rate
    return Pace(rate, left if left <= LONGEST else None)


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


def _related(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Those behind the last gap, and behind the last time that less was done than before."""
    for index in range(len(samples) - 1, 0, -1):
        before, after = samples[index - 1], samples[index]
        if after.done < before.done or after.at - before.at > GAP or after.at < before.at:
            return samples[index:]
    return samples


def _start(samples: Sequence[Sample]) -> Sample:
    last = samples[-1]
    for sample in reversed(samples):
        if last.at - sample.at >= WINDOW and last.done - sample.done >= STEPS:
            return sample
    return samples[0]


def _last_progress(samples: Sequence[Sample]) -> float:
    for index in range(len(samples) - 1, 0, -1):
        if samples[index].done > samples[index - 1].done:
            return samples[index].at
    return samples[0].at
