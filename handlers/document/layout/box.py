"""Pieces of text as upright boxes, on a page whose lean has been taken from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeAlias

from handlers.document.engine import Line
from handlers.document.layout.lean import Lean

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


def line_height(boxes: Sequence[Box]) -> float:
    """The median height of ``boxes``; 1 where there is none, so that it can be divided by."""
    heights = [box.height for box in boxes if box.height > 0 and not box.runs_down]
    return median(heights) if heights else 1.0


def on_its_side(box: Box) -> Box:
    """The box on a page whose lines run downwards, the first at the right, turned so that they run to the right."""
    return Box(box.line, box.top, box.bottom, (-box.right, -box.left), (-box.right, -box.left))


def box_of(line: Line, lean: Lean) -> Box:
    """Where ``line`` stands on its page when its :class:`Lean` is taken away."""
    corners = [lean.level(point) for point in line.polygon]
    xs = [x for x, _ in corners]
    (_, y1), (_, y2), (_, y3), (_, y4) = corners
    return Box(line, min(xs), max(xs), (y1, y4), (y2, y3))
