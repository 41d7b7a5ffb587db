"""The finest encoding that a number of bytes lets in, found with few encodings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from handlers.portal.adapt.records import RuleCheck
from handlers.portal.schema import SchemaDefinition

KB = 1_024

COARSEST = 16.0
"""The scale at which every step of a table is 255, which is the most."""

_STEEPNESS = 0.75
"""Bytes fall about with this power of the scale, before two encodings of the picture say it better."""

_AIM, _ENOUGH = 0.985, 0.965
"""Shares of the bytes that are there: what is aimed at, and what is near enough to stop."""

_MOST = 4
"""Encodings before the best so far is taken; while none is small enough it goes on, and each step is longer."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Both ends are in. ``low`` may be reached with padding."""

    low: int
    high: int

    @classmethod
    def of(cls, definition: SchemaDefinition) -> ByteRange:
        return cls(math.ceil(definition.min_kb * KB), math.floor(definition.max_kb * KB))

    def check(self, size: int) -> tuple[RuleCheck, RuleCheck]:
        return (
            RuleCheck("min_kb", f"at least {self.low:,} bytes", f"{size:,} bytes", size >= self.low),
            RuleCheck("max_kb", f"at most {self.high:,} bytes", f"{size:,} bytes", size <= self.high),
        )


@dataclass(frozen=True, slots=True)
class Try:
    """An encoding at ``scale``."""

    scale: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """``best`` is the finest that fits, ``None`` where none does; ``smallest`` has the fewest bytes."""

    best: Try | None
    smallest: Try
    encodings: int


def finest(encode: Callable[[float], bytes], most: int, bound: float, first: float) -> Found:
    """Among scales of ``bound`` and more, from ``first`` on, for ``most`` bytes."""
    tries: list[Try] = []
    fits: Try | None = None
    too_large: Try | None = None
    scale = max(first, bound)
    while True:
        tries.append(Try(scale, encode(scale)))
        if len(tries[-1].data) <= most:
            fits = tries[-1] if fits is None or scale < fits.scale else fits
        elif too_large is None or scale > too_large.scale:
            too_large = tries[-1]
        if _is_enough(fits, too_large, most, bound, len(tries)):
            break
        scale = _next_scale(tries, fits, too_large, most, bound)
    return Found(fits, min(tries, key=lambda one: len(one.data)), len(tries))


def _is_enough(fits: Try | None, too_large: Try | None, most: int, bound: float, count: int) -> bool:
    if fits is None:
        return too_large is not None and too_large.scale >= COARSEST
    close = too_large is not None and fits.scale < 1.01 * too_large.scale
    return fits.scale <= bound or len(fits.data) >= _ENOUGH * most or close or count >= _MOST


def _next_scale(tries: list[Try], fits: Try | None, too_large: Try | None, most: int, bound: float) -> float:
    """Where the aim is by the last two, kept between what is too large and what fits, and well away from both."""
    last = tries[-1]
    aimed: float = last.scale * (len(last.data) / (_AIM * most)) ** (1 / _steepness(tries))
    if fits is None:
        assert too_large is not None
        return min(COARSEST, max(aimed, too_large.scale * (1.1 if len(tries) < _MOST else 2.0)))
    if too_large is None:
        return max(bound, min(aimed, fits.scale / 1.02))
    ratio: float = (fits.scale / too_large.scale) ** 0.1
    return min(max(aimed, too_large.scale * ratio), fits.scale / ratio)


def _steepness(tries: list[Try]) -> float:
    if len(tries) < 2 or tries[-1].scale == tries[-2].scale:
        return _STEEPNESS
    scales = math.log(tries[-1].scale / tries[-2].scale)
    return min(1.5, max(0.3, -math.log(len(tries[-1].data) / len(tries[-2].data)) / scales))
