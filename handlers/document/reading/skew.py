"""How far a page's lines are off the horizontal, from the profile of its print along every direction.

Along the lines' own direction the rows of print and the white between them are the sharpest (the projection profile,
W. Postl, "Detection of linear oblique structures and skew scan in digitized documents", 1986). Directions run over the
half circle, so that lines that run downwards are straightened like lines that run across. Which of the two they do is
told by the letters: nearest to a letter stands the next one of its line (L. O'Gorman, "The document spectrum for page
layout analysis", 1993). What the profile gives is made more exact by the lines on which the letters stand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from handlers.document.reading.baselines import slope_of
from handlers.document.reading.letters import Letters, letters_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.reading.ink import Ink, Points

    Floats = npt.NDArray[np.floating[Any]]

REACH = 45.0
"""Directions are looked at up to this many degrees off the horizontal and the vertical."""

USUAL_REACH = 16.0
"""Beyond this many degrees a skew is believed only where it is plain: scanners and hands seldom turn a page so far."""

PLAIN = 1.3
"""How many times sharper the profile has to be there."""

MIN_STRENGTH = 12.0
"""Below this the directions tell nothing. Noise and texture have 3 to 5, print 23 and more."""

MIN_LETTERS = 8

_COARSE_STEP, _COARSE_ROW, _COARSE_POINTS = 0.5, 3.0, 6_000
_FINE_STEP, _FINE_ROW, _FINE_POINTS = 0.1, 1.5, 30_000
_TOP_SHARE = 0.5

_PROFILE_ERROR = 0.03
"""The standard error of the profile's direction in degrees, as measured on generated pages of ten kinds."""

_LEAST_BASELINE_ERROR = 0.02
_MAX_DISAGREEMENT = 0.5


@dataclass(frozen=True, slots=True)
class Skew:
    """``degrees`` is how far the page is turned clockwise, in [-45, 45]: of itself or, where its lines run up or down,
    from the quarter turn that is nearest. ``beside`` is the share of letters whose nearest neighbour stands beside them
    and not above or below, 0..1: near 0 the lines run up or down."""

    degrees: float
    beside: float


def skew_of(ink: Ink) -> Skew | None:
    """Measured to some hundredths of a degree on a page of print; ``None`` where there is no evidence."""
    if len(ink.boxes) < MIN_LETTERS:
        return None
    directions = np.arange(-REACH, 180.0 - REACH, _COARSE_STEP)
    sharpness = profile_sharpness(ink.points(_COARSE_POINTS), directions, _COARSE_ROW)
    best = _best(directions, sharpness)
    if _strength(sharpness, best) < MIN_STRENGTH:
        return None
    direction = _finer(ink.points(_FINE_POINTS), float(directions[best]))
    across = _within_reach(direction)
    letters = letters_of(ink, across)
    beside = letters.beside_share()
    if beside < 0.5:
        letters = letters_of(ink, across + 90.0)
    return Skew(degrees=_within_reach(_with_baselines(across, letters)), beside=beside)


def profile_sharpness(points: Points, directions: Floats, row: float) -> Floats:
    """For each direction, in degrees, the sum of the squared steps between neighbouring rows, ``row`` pixels high, of
    the profile along it."""
    reach = float(np.abs(points).max(initial=0.0)) * math.sqrt(2) + 2 * row
    rows = int(2 * reach / row) + 2
    sharpness = np.empty(len(directions))
    for n, angle in enumerate(np.radians(directions)):
        across = points @ np.array([-math.sin(angle) / row, math.cos(angle) / row], np.float32)
        profile = np.bincount((across + np.array(reach / row, np.float32)).astype(np.int32), minlength=rows)
        sharpness[n] = np.square(np.diff(profile)).sum()
    return sharpness


def _within_reach(direction: float) -> float:
    """The same direction but for quarter turns."""
    return (direction + REACH) % 90.0 - REACH


def _best(directions: Floats, sharpness: Floats) -> int:
    """The sharpest direction, a usual one unless an unusual one is far sharper."""
    off = np.abs((directions + REACH) % 90.0 - REACH)
    usual = np.where(off <= USUAL_REACH, sharpness, 0.0)
    whole, likely = int(np.argmax(sharpness)), int(np.argmax(usual))
    return whole if sharpness[whole] > PLAIN * sharpness[likely] else likely


def _strength(sharpness: Floats, best: int) -> float:
    """By how much a direction stands out from the others, in times their median deviation."""
    usual = float(np.median(sharpness))
    deviation = float(np.median(np.abs(sharpness - usual)))
    return float(sharpness[best] - usual) / max(deviation, 1e-9)


def _finer(points: Points, direction: float) -> float:
    """Where a parabola through the upper half of the peak has its top: a wide one where lines are short."""
    near = direction + _FINE_STEP * np.arange(-15, 16)
    sharpness = profile_sharpness(points, near, _FINE_ROW)
    top = int(np.argmax(sharpness))
    low = sharpness < sharpness.min() + _TOP_SHARE * (sharpness[top] - sharpness.min())
    first = max((n + 1 for n in range(top) if low[n]), default=0)
    end = min((n for n in range(top, len(near)) if low[n]), default=len(near))
    if end - first < 3:
        first, end = max(0, top - 2), min(len(near), top + 3)
    return _peak(near[first:end], sharpness[first:end])


def _peak(angles: Floats, sharpness: Floats) -> float:
    """Where a parabola through the values has its top; the largest value where it has none within them."""
    middle = float(angles.mean())
    bend, slope, _ = np.polyfit(angles - middle, sharpness, 2)
    if bend < 0 and abs(top := -slope / (2 * bend)) <= angles[-1] - middle:
        return middle + float(top)
    return float(angles[np.argmax(sharpness)])


def _with_baselines(degrees: float, letters: Letters) -> float:
    """The mean of the profile's direction and that of the baselines, each weighted by its error."""
    found = slope_of(letters)
    if found is None or abs(found.degrees) > _MAX_DISAGREEMENT:
        return degrees
    error = max(found.error, _LEAST_BASELINE_ERROR)
    return degrees + found.degrees * _PROFILE_ERROR**2 / (_PROFILE_ERROR**2 + error**2)
