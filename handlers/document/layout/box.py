"""Pieces of text as upright boxes, on a page from which a slight slope has been taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from handlers.document.engine import Line, Point

STEEPEST = 0.2
"""The steepest slope, height over width, that a page is taken to have; what is steeper is a piece that stands askew."""

_LONG = 3.0
"""A piece tells the page's slope where it is so many times as wide as high; that of a word is an accident."""

_TALL = 2.0
"""A piece of two characters or more runs downwards where it is so many times as high as wide."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a piece stands. ``left_edge`` and ``right_edge`` are the tops and bottoms of its two short sides."""

    line: Line
    left: float
    right: float
    left_edge: tuple[float, float]
    right_edge: tuple[float, float]

    @property
    def top(self) -> float:
        return min(self.left_edge[0], self.right_edge[0])

    @property
    def bottom(self) -> float:
        return max(self.left_edge[1], self.right_edge[1])

    @property
    def middle(self) -> float:
        return (sum(self.left_edge) + sum(self.right_edge)) / 4

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        """The mean of the two short sides, less than 0 where a polygon is upside down."""
        return (self.left_edge[1] - self.left_edge[0] + self.right_edge[1] - self.right_edge[0]) / 2

    @property
    def runs_down(self) -> bool:
        return len(self.line.text) > 1 and self.height > _TALL * self.width


SortKey: TypeAlias = tuple[float, float, float, float, str, float]


def from_above(box: Box) -> SortKey:
    """A total order of boxes that differ, so that no result depends on the order in which pieces came."""
    return (box.middle, box.left, box.right, box.height, box.line.text, box.line.confidence)


def boxes_of(pieces: Iterable[Line]) -> list[Box]:
    """The pieces' boxes, sorted by :func:`from_above`."""
    lines = list(pieces)
    slope = slope_of(lines)
    return sorted((box_of(line, slope) for line in lines), key=from_above)


def slope_of(lines: Iterable[Line]) -> float:
    """How far the page's lines fall to the right, height over width: the median over long lines, by their width."""
    found: list[tuple[float, float]] = []
    for line in lines:
        (x1, y1), (x2, y2), (x3, y3), (x4, y4) = line.polygon
        width, height = (x2 - x1 + x3 - x4) / 2, (y3 - y2 + y4 - y1) / 2
        if width > _LONG * abs(height) and width > 0:
            slope = (y2 - y1 + y3 - y4) / 2 / width
            if abs(slope) <= STEEPEST:
                found.append((slope, width))
    return _weighted_median(found)


def line_height(boxes: Sequence[Box]) -> float:
    """The median height of ``boxes``; 1 where there is none, so that it can be divided by."""
    heights = [box.height for box in boxes if box.height > 0 and not box.runs_down]
    return median(heights) if heights else 1.0


def on_its_side(box: Box) -> Box:
    """The box on a page whose lines run downwards, the first at the right, turned so that they run to the right."""
    return Box(box.line, box.top, box.bottom, (-box.right, -box.left), (-box.right, -box.left))


def _weighted_median(found: list[tuple[float, float]]) -> float:
    half, reached = sum(sorted(weight for _, weight in found)) / 2, 0.0
    for value, weight in sorted(found):
        reached += weight
        if reached >= half:
            return value
    return 0.0


def box_of(line: Line, slope: float) -> Box:
    """Where ``line`` stands on its page when :func:`slope_of` it is taken away."""
    corners = [_level(point, slope) for point in line.polygon]
    xs = [x for x, _ in corners]
    (_, y1), (_, y2), (_, y3), (_, y4) = corners
    return Box(line, min(xs), max(xs), (y1, y4), (y2, y3))


def _level(point: Point, slope: float) -> Point:
    x, y = point
    return (x + slope * y, y - slope * x)
