"""Pieces that stand side by side, and those of them that make up one line."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from handlers.document.engine import Line, Quad
from handlers.document.layout.box import Box, from_above

MIN_OVERLAP = 0.5
"""Two pieces are in one row where they share at least this much of the lower one's height."""

LEAST_OVERLAP = 0.25
"""A piece that stands far from all and is in no row by the above is in the one of which it shares the most, and at
least so much: a number at the end of a row, on a page that is bent or was photographed from the side."""

MAX_GAP = 2.0
"""Pieces of a row become one line where the gap is at most this many line heights: an indented or justified
line's widest space stays under it, the gap before a price over it."""

OPEN_ROWS = 6
"""How many of the newest rows a piece is tried with: on a page that is askew, lines below begin before a line ends."""


@dataclass(slots=True)
class _Row:
    """Boxes from left to right; of two that are neighbours neither is over or under the other."""

    boxes: list[Box] = field(default_factory=list)
    lefts: list[float] = field(default_factory=list)
    middle: float = 0.0

    def fit(self, box: Box) -> _Fit | None:
        """How ``box`` would stand beside its nearest neighbour; ``None`` where it does not belong into the row."""
        index = bisect_left(self.lefts, box.left)
        beside = self.boxes[max(0, index - 1) : index + 1]
        if any(_beside_overlap(box, other) > 0.5 for other in beside):
            return None
        nearest = min(beside, key=lambda other: _gap(box, other))
        gap, shared = _gap(box, nearest), _shared_height(box, nearest)
        is_far = gap > MAX_GAP * min(box.height, nearest.height)
        return _Fit(gap, shared, self) if shared >= (LEAST_OVERLAP if is_far else MIN_OVERLAP) else None

    def put(self, box: Box) -> None:
        if not self.boxes:
            self.middle = box.middle
        index = bisect_left(self.lefts, box.left)
        self.boxes.insert(index, box)
        self.lefts.insert(index, box.left)


class _Fit(NamedTuple):
    """``gap`` is how far a box would stand from its neighbour in ``row``, ``shared`` the height that they share."""

    gap: float
    shared: float
    row: _Row


def rows(boxes: Iterable[Box]) -> list[list[Box]]:
    """Boxes grouped by vertical overlap, each with the row whose nearest box is the nearest in x; from the top down,
    in a row from left to right.
    """
    found: list[_Row] = []
    for box in sorted(boxes, key=from_above):
        fits = [fit for row in found[-OPEN_ROWS:] if (fit := row.fit(box)) is not None]
        sure = [fit for fit in fits if fit.shared >= MIN_OVERLAP]
        if sure:
            row = min(sure, key=lambda fit: fit.gap).row
        elif fits:
            row = max(fits, key=lambda fit: fit.shared).row
        else:
            row = _Row()
            found.append(row)
        row.put(box)
    return [row.boxes for row in sorted(found, key=lambda row: row.middle)]


def joined(row: Sequence[Box]) -> list[Line]:
    """The lines of a row: boxes that are close become one."""
    lines: list[Line] = []
    before: Box | None = None
    for box in row:
        if before is not None and is_close(before, box):
            lines[-1] = _join(lines[-1], box.line)
        else:
            lines.append(box.line)
        before = box
    return lines


def is_close(left: Box, right: Box) -> bool:
    return right.left - left.right <= MAX_GAP * min(left.height, right.height)


def _gap(a: Box, b: Box) -> float:
    """How far two boxes are apart in x; less than 0 where they overlap."""
    return max(a.left, b.left) - min(a.right, b.right)


def _shared_height(a: Box, b: Box) -> float:
    """How much of the lower box's height the two share where they face each other, 0..1.

    The height is measured where they are nearest, so that a line which bends over the width of the page still
    continues in its own row.
    """
    left, right = (a, b) if a.left <= b.left else (b, a)
    (top_l, bottom_l), (top_r, bottom_r) = left.right_edge, right.left_edge
    lower = min(bottom_l - top_l, bottom_r - top_r)
    shared = min(bottom_l, bottom_r) - max(top_l, top_r)
    return shared / lower if lower > 0 else 0.0


def _beside_overlap(a: Box, b: Box) -> float:
    """How much of the narrower box's width lies over or under the other, 0..1."""
    shared = min(a.right, b.right) - max(a.left, b.left)
    narrower = min(a.width, b.width)
    return shared / narrower if narrower > 0 else 0.0


def _join(left: Line, right: Line) -> Line:
    """One line of two pieces: a space between them, the confidence weighted by characters."""
    count_l, count_r = len(left.text), len(right.text)
    return Line(
        text=f"{left.text} {right.text}",
        confidence=(left.confidence * count_l + right.confidence * count_r) / (count_l + count_r),
        polygon=_around(left.polygon, right.polygon),
        words=None if left.words is None or right.words is None else (*left.words, *right.words),
    )


def _around(left: Quad, right: Quad) -> Quad:
    """From the left piece's left edge to the right piece's right edge."""
    return (left[0], right[1], right[2], left[3])
