"""How the lines of a page lie askew: all alike, or fanned out as on a photo that was taken from the side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from handlers.document.engine import Line, Point

STEEPEST = 0.2
"""The steepest slope, height over width, that a page is taken to have; what is steeper is a piece that stands askew."""

_LONG = 3.0
"""A piece tells the page's slope where it is so many times as wide as high; that of a word is an accident."""

_WIDEST = 40
"""So many lines, the widest, tell whether a page fans out; each is compared with each."""

_FEWEST = 6
"""Lines below which nothing is said of it."""

LEAST_FAN = 0.01
"""How much the slopes of the highest and the lowest line differ at least, for the page to fan out."""

_CLOSER = 0.6
"""A page fans out where that leaves at most this share of what its lines' slopes differ from one slope."""


class Lean(NamedTuple):
    """``slope`` is that of lines at the height of ``centre``, height over width; ``fan`` is by how much it grows with
    each unit of length downwards.
    """

    slope: float = 0.0
    fan: float = 0.0
    centre: Point = (0.0, 0.0)

    def level(self, point: Point) -> Point:
        """Where ``point`` is on the page that lies straight."""
        x, y = point
        across, down = x - self.centre[0], y - self.centre[1]
        if not self.fan:
            return (x + self.slope * y, y - self.slope * x)
        return (x + self.slope * y, self.centre[1] + (down - self.slope * across) / (1 + self.fan * across))


class _Slope(NamedTuple):
    value: float
    weight: float
    middle: Point


def lean_of(lines: Sequence[Line]) -> Lean:
    """How far the page's lines fall to the right: the median over long lines, by their width, and how that changes
    from the top to the bottom.
    """
    found = [slope for line in lines if (slope := _slope(line)) is not None]
    one = _weighted_median((slope.value, slope.weight) for slope in found)
    fanned = _fanned(sorted(found, key=lambda slope: (-slope.weight, slope))[:_WIDEST], one)
    if fanned is None or any(_is_beyond(point, fanned) for line in lines for point in line.polygon):
        return Lean(one)
    return fanned


def _is_beyond(point: Point, lean: Lean) -> bool:
    """Whether the lines that meet far outside of the page would do so near ``point``."""
    return abs(lean.fan * (point[0] - lean.centre[0])) > 2 * STEEPEST


def _slope(line: Line) -> _Slope | None:
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = line.polygon
    width, height = (x2 - x1 + x3 - x4) / 2, (y3 - y2 + y4 - y1) / 2
    if width <= _LONG * abs(height) or width <= 0:
        return None
    value = (y2 - y1 + y3 - y4) / 2 / width
    if abs(value) > STEEPEST:
        return None
    return _Slope(value, width, ((x1 + x2 + x3 + x4) / 4, (y1 + y2 + y3 + y4) / 4))


def _fanned(slopes: Sequence[_Slope], one: float) -> Lean | None:
    """The lean of a page that fans out; ``None`` where ``one`` slope is as good."""
    if len(slopes) < _FEWEST:
        return None
    xs, ys = [slope.middle[0] for slope in slopes], [slope.middle[1] for slope in slopes]
    centre = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    fan = _weighted_median(
        ((b.value - a.value) / (b.middle[1] - a.middle[1]), min(a.weight, b.weight) * abs(b.middle[1] - a.middle[1]))
        for a, b in combinations(slopes, 2)
        if a.middle[1] != b.middle[1]
    )
    rest = [(slope.value - fan * (slope.middle[1] - centre[1]), slope.weight) for slope in slopes]
    middle = _weighted_median(rest)
    before = sum(slope.weight * abs(slope.value - one) for slope in slopes)
    after = sum(weight * abs(value - middle) for value, weight in rest)
    if abs(fan) * (max(ys) - min(ys)) < LEAST_FAN or after > _CLOSER * before:
        return None
    return Lean(middle, fan, centre)


def _weighted_median(values: Iterable[tuple[float, float]]) -> float:
    """0 where there are none."""
    found = sorted(values)
    half, reached = sum(sorted(weight for _, weight in found)) / 2, 0.0
    for value, weight in found:
        reached += weight
        if reached >= half:
            return value
    return 0.0
