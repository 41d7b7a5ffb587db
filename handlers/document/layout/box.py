"""Pieces of text as upright boxes, on a page from which a slight slope has been taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    """Where a piece stands. ``left_edge`` and ``right_edge`` are the tops and bottoms of its two short sides, and
    ``height`` is their mean length, less than 0 where a polygon is upside down.
    """

    line: Line
    left: float
    right: float
    left_edge: tuple[float, float]
    right_edge: tuple[float, float]
    top: float = field(init=False)
    bottom: float = field(init=False)
    middle: float = field(init=False)
    height: float = field(init=False)

    def __post_init__(self) -> None:
        (top_l, bottom_l), (top_r, bottom_r) = self.left_edge, self.right_edge
        # A frozen record sets what it derives past its own guard; asked for as often as these are, properties are slow.
        object.__setattr__(self, "top", min(top_l, top_r))
        object.__setattr__(self, "bottom", max(bottom_l, bottom_r))
        object.__setattr__(self, "middle", (top_l + bottom_l + top_r + bottom_r) / 4)
        object.__setattr__(self, "height", (bottom_l - top_l + bottom_r - top_r) / 2)

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def runs_down(self) -> bool:
        return len(self.line.text) > 1 and self.height > _TALL * self.width


SortKey: TypeAlias = tuple[float, float, float, float, str, float]


def from_above(box: Box) -> SortKey:
    """A total order of boxes that differ, so that no result depends on the order in which pieces came."""
    return (box.middle, box.left, box.right, box.height, box.line.text, box.line.confidence)


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
