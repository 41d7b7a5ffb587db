"""Letters as they stand on a page that is turned back: where each begins and ends along its line and across it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.reading.ink import Ink

    Floats = npt.NDArray[np.floating[Any]]

_ASKED = 800
_NEAR = 3.0
_PLAINLY = 1.5
_TEXTURE = (0.2, 0.8)


@dataclass(frozen=True, slots=True)
class Letters:
    """``middle`` along the line, ``top`` and ``bottom`` across it: N float32 each, in pixels of the reduced page. Marks
    that are much smaller or larger than most, dots and pictures, are not among them. ``size`` is their usual height."""

    middle: Floats
    top: Floats
    bottom: Floats
    size: float

    def beside_share(self) -> float:
        """The share of letters whose nearest neighbour stands beside them, of all that have one beside, above or below;
        0.5 where none has one."""
        places = np.stack([self.middle, (self.top + self.bottom) / 2], axis=1)
        asked = np.arange(0, len(places), max(1, len(places) // _ASKED))
        if len(places) < 2:
            return 0.5
        squares = np.square(places).sum(axis=1)
        distances = squares[asked][:, None] + squares[None] - 2 * places[asked] @ places.T
        distances[np.arange(len(asked)), asked] = np.inf
        nearest = distances.argmin(axis=1)
        along, across = np.abs(places[nearest] - places[asked]).T
        near = np.hypot(along, across) < _NEAR * self.size
        beside = int((near & (along > _PLAINLY * across)).sum())
        above = int((near & (across > _PLAINLY * along)).sum())
        return beside / (beside + above) if beside + above else 0.5


def in_rows(middles: npt.NDArray[np.intp], size: float) -> bool:
    """Whether most marks, Nx2, have their neighbour beside them, or most above or below: texture has neither."""
    along, across = middles.astype(np.float32).T
    return not _TEXTURE[0] < Letters(along, across, across, size).beside_share() < _TEXTURE[1]


def letters_of(ink: Ink, degrees: float) -> Letters:
    """The letters seen along a line that is turned ``degrees`` clockwise."""
    if not len(ink.starts):
        empty = np.zeros(0, np.float32)
        return Letters(empty, empty, empty, 0.0)
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    along, across = (ink.places @ np.array([[cosine, -sine], [sine, cosine]], np.float32)).T
    top, bottom = np.minimum.reduceat(across, ink.starts), np.maximum.reduceat(across, ink.starts)
    left, right = np.minimum.reduceat(along, ink.starts), np.maximum.reduceat(along, ink.starts)
    high, wide = bottom - top + 1, right - left + 1
    size = float(np.median(np.maximum(high, wide)))
    usual = (np.maximum(high, wide) > 0.6 * size) & (np.maximum(high, wide) < 2.5 * size)
    return Letters(((left + right) / 2)[usual], top[usual], bottom[usual], size)
