"""The slope of the lines on which letters stand: a common one, fitted to the feet of all letters at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.reading.letters import Letters

    Floats = npt.NDArray[np.floating[Any]]
    Groups = npt.NDArray[np.intp]

MAX_ERROR = 0.1
"""Degrees; a less certain slope is none."""

_ROUNDS = 6
_REGROUPED = (0, 2)
_LEAST_LETTERS = 4
_GAP = 4.0
_STEP_SHARE, _LEAST_STEP = 0.05, 0.7
_LEAST_DEVIATION = 0.3


@dataclass(frozen=True, slots=True)
class Slope:
    """``degrees`` clockwise, and its standard error."""

    degrees: float
    error: float


def slope_of(letters: Letters) -> Slope | None:
    """By least squares, letters that do not stand on their line weighted down (Tukey's biweight); ``None`` where no
    line is long enough to tell."""
    middle, bottom = letters.middle.astype(np.float64), letters.bottom.astype(np.float64)
    slope, error = 0.0, math.inf
    groups, weights = np.zeros(len(middle), np.intp), np.zeros(len(middle))
    for turn in range(_ROUNDS):
        if turn in _REGROUPED:
            groups = _groups(middle, bottom - slope * middle, letters.size)
            weights = (np.bincount(groups)[groups] >= _LEAST_LETTERS).astype(np.float64) if len(groups) else weights
        from_middle = middle - _means(middle, groups, weights)
        heights = bottom - slope * middle
        residual = heights - _means(heights, groups, weights)
        spread = float((weights * from_middle**2).sum())
        if spread <= 0:
            return None
        change = float((weights * from_middle * residual).sum()) / spread
        slope += change
        residual -= change * from_middle
        deviation = max(_LEAST_DEVIATION, 1.5 * float(np.median(np.abs(residual[weights > 0]))))
        weights = (weights > 0) * np.square(np.clip(1 - np.square(residual / (3 * deviation)), 0, 1))
        error = math.degrees(deviation / math.sqrt(spread))
    return Slope(math.degrees(math.atan(slope)), error) if error <= MAX_ERROR else None


def _groups(middle: Floats, heights: Floats, size: float) -> Groups:
    """Letters that stand at one height, without a wide gap between them, have one number."""
    by_height = np.argsort(heights, kind="stable")
    levels = np.empty(len(heights), np.intp)
    levels[by_height] = np.cumsum(np.diff(heights[by_height], prepend=-np.inf) > max(_LEAST_STEP, _STEP_SHARE * size))
    by_place = np.lexsort((middle, levels))
    begins = np.diff(levels[by_place], prepend=-1) != 0
    begins |= np.diff(middle[by_place], prepend=-np.inf) > _GAP * size
    groups = np.empty(len(heights), np.intp)
    groups[by_place] = np.cumsum(begins) - 1
    return groups


def _means(values: Floats, groups: Groups, weights: Floats) -> Floats:
    """For each letter the weighted mean of its group."""
    total = np.bincount(groups, weights)
    means: Floats = (np.bincount(groups, weights * values) / np.maximum(total, 1e-9))[groups]
    return means
