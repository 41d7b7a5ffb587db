"""From the pieces of text that a detector found to lines in reading order.

A detector splits a line of print where a gap is wide, and gives its pieces in the order of their upper edges. Here a
region of the page is parted at the tallest gutter that has columns beside it: first what is above the gutter, then
each column from left to right, then what is below, each looked at in the same way. What has no columns is read row by
row, a table or a receipt, too; pieces of a row that are close become one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from handlers.document.engine import Line
from handlers.document.layout.box import Box, box_of, from_above, line_height, on_its_side
from handlers.document.layout.columns import columns, standing_blocks
from handlers.document.layout.gutters import Gutter, gutters, is_part_of
from handlers.document.layout.lean import lean_of
from handlers.document.layout.merged import parted
from handlers.document.layout.rows import joined, rows

FEWEST = 6
"""Pieces below which a region is read row by row: three lines beside three."""

DEEPEST = 24
"""How often regions are parted again."""

EDGE = 0.1
"""The share of the page's height, above and below, in which running titles and page numbers stand."""

EDGE_GAP = 1.0
"""In line heights: what parts these from the text at least, over the whole width."""


def ordered(pieces: Iterable[Line], width: float, height: float) -> tuple[Line, ...]:
    """The pieces joined to lines, in reading order; the same for the same pieces in any order.

    The page stands upright within some degrees, and is ``width`` x ``height`` in the unit of the polygons, whichever it
    is. Pieces that run downwards on a page whose others do not come last; where most do, lines are taken to run
    downwards and to follow each other from the right to the left. On a page that is wider than high, mostly two pages
    side by side, titles and numbers at the edges are of their columns.
    """
    lines = list(pieces)
    lean = lean_of(lines)
    boxes = parted(sorted((box_of(line, lean) for line in lines), key=from_above), lean)
    boxes.sort(key=from_above)
    downwards = [box for box in boxes if box.runs_down]
    across = [box for box in boxes if not box.runs_down]
    if _characters(downwards) > _characters(across):
        return tuple(_region([on_its_side(box) for box in boxes], DEEPEST))
    page = _page(across, height) if width <= height else _region(across, DEEPEST)
    return (*page, *(box.line for box in sorted(downwards, key=lambda box: (box.left, box.top))))


def _characters(boxes: Iterable[Box]) -> int:
    return sum(len(box.line.text) for box in boxes)


def _page(boxes: Sequence[Box], height: float) -> Iterator[Line]:
    """The running title first and the page number last, though columns may stand in line with both. What stands at the
    foot in blocks of several lines, an imprint beside an address, is read block by block.
    """
    head, body, foot = _parted_edges(boxes, height)
    yield from _lines(head)
    yield from _region(body, DEEPEST)
    for block in standing_blocks(foot, line_height(foot)):
        yield from _lines(block)


def _parted_edges(boxes: Sequence[Box], height: float) -> tuple[Sequence[Box], Sequence[Box], Sequence[Box]]:
    """The first and the last row where each stands at the page's edge, and apart from all else; ``boxes`` go down."""
    gap, count = EDGE_GAP * line_height(boxes), len(boxes)
    bottoms = list(accumulate((box.bottom for box in boxes), max))
    tops = list(accumulate((box.top for box in reversed(boxes)), min))[::-1]
    parted = [index for index in range(1, count) if tops[index] - bottoms[index - 1] >= gap]
    first = next((index for index in parted if boxes[index - 1].middle <= EDGE * height), 0)
    last = next((index for index in reversed(parted) if boxes[index].middle >= (1 - EDGE) * height), count)
    return boxes[:first], boxes[first:last], boxes[last:]


def _region(boxes: Sequence[Box], depth: int) -> Iterator[Line]:
    height = line_height(boxes)
    for above, parts, below in _partings(boxes, height) if depth and len(boxes) >= FEWEST else ():
        yield from _region(above, depth - 1)
        for part in parts:
            yield from _region(part, depth - 1)
        yield from _region(below, depth - 1)
        return
    yield from _lines(boxes)


def _partings(boxes: Sequence[Box], height: float) -> Iterator[tuple[Sequence[Box], list[list[Box]], Sequence[Box]]]:
    """Above, columns and below, for each run of lines that has columns; the whole region first."""
    parts = columns(boxes, height)
    if len(parts) > 1:
        yield [], parts, []
    refused: list[Gutter] = []
    for gutter in gutters(boxes, height):
        if any(is_part_of(gutter, taller, height) for taller in refused):
            continue
        beside = [box for box in boxes if gutter.top <= box.middle <= gutter.bottom]
        parts = columns(beside, height)
        if len(parts) > 1:
            above = [box for box in boxes if box.middle < gutter.top]
            below = [box for box in boxes if box.middle > gutter.bottom]
            yield above, parts, below
        else:
            refused.append(gutter)


def _lines(boxes: Iterable[Box]) -> Iterator[Line]:
    for row in rows(boxes):
        yield from joined(row)
