"""Rows of cells among the lines of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from handlers.document.layout.block import Block, BlockKind, Cell
from handlers.document.layout.box import Box

LEAST_ROWS = 3
"""Rows of two cells and more, below which what stands side by side is no table."""

WIDEST_GAP = 2.5
"""In line heights: rows that are farther apart than this begin another table."""


def tables(boxes: Sequence[Box], height: float) -> list[Block]:
    """The tables in ``boxes``, which are a page's lines in reading order; ``height`` is that of a line."""
    return [table for run in _runs(_bands(boxes), boxes, height) if (table := _table(run, boxes)) is not None]


def _bands(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of lines that follow each other and stand side by side, from left to right."""
    bands: list[list[int]] = []
    for index, box in enumerate(boxes):
        if bands and _follows_beside(boxes[bands[-1][-1]], box):
            bands[-1].append(index)
        else:
            bands.append([index])
    return bands


def _follows_beside(before: Box, box: Box) -> bool:
    shared = min(before.bottom, box.bottom) - max(before.top, box.top)
    return box.left >= before.right and 2 * shared >= min(before.height, box.height) > 0


def _runs(bands: Sequence[list[int]], boxes: Sequence[Box], height: float) -> Iterator[list[list[int]]]:
    """Rows one under the other of which each has several cells, or one that is no wider than those over it."""
    run: list[list[int]] = []
    for band in bands:
        if run and not _continues(run, band, boxes, height):
            yield _without_ends(run)
            run = []
        if run or len(band) > 1:
            run.append(band)
    yield _without_ends(run)


def _without_ends(run: list[list[int]]) -> list[list[int]]:
    """The run up to its last row of several cells: what follows may be text."""
    ends = [position for position, band in enumerate(run, 1) if len(band) > 1]
    return run[: ends[-1]] if ends else []


def _continues(run: Sequence[list[int]], band: Sequence[int], boxes: Sequence[Box], height: float) -> bool:
    above = [boxes[index] for index in run[-1]]
    here = [boxes[index] for index in band]
    gap = min(box.top for box in here) - max(box.bottom for box in above)
    if not -height < gap <= WIDEST_GAP * height or min(box.middle for box in here) <= above[0].middle:
        return False
    if len(band) > 1:
        return True
    left, right = (min(boxes[i].left for row in run for i in row), max(boxes[i].right for row in run for i in row))
    return here[0].width <= (right - left) / 2 and left <= here[0].left and here[0].right <= right and len(run[-1]) > 1


def _table(run: Sequence[list[int]], boxes: Sequence[Box]) -> Block | None:
    """The run as a table; ``None`` where it has too few rows of cells, or these stand in no columns."""
    full = [band for band in run if len(band) > 1]
    columns = _columns(full, boxes)
    if len(full) < LEAST_ROWS or len(columns) < 2:
        return None
    cells = [cell for row, band in enumerate(run) for cell in _cells(row, band, columns, boxes)]
    return Block(BlockKind.TABLE, tuple(index for band in run for index in band), tuple(cells))


def _columns(bands: Sequence[list[int]], boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """The extents in x of columns: those of cells that overlap, taken from the rows with the most cells.

    A cell over two columns would make one of them; it is mostly in a row with fewer.
    """
    most = max((len(band) for band in bands), default=0)
    extents = sorted((boxes[i].left, boxes[i].right) for band in bands if 4 * len(band) >= 3 * most for i in band)
    columns: list[tuple[float, float]] = []
    for left, right in extents:
        if columns and left < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(right, columns[-1][1]))
        else:
            columns.append((left, right))
    return columns


def _cells(
    row: int, band: Sequence[int], columns: Sequence[tuple[float, float]], boxes: Sequence[Box]
) -> Iterator[Cell]:
    """The cells of a row; lines that fall into one column share its cell."""
    borders = [(a[1] + b[0]) / 2 for a, b in pairwise(columns)]
    found: list[Cell] = []
    for index in band:
        box = boxes[index]
        inset = box.width / 10
        first = sum(border <= box.left + inset for border in borders)
        count = max(1, sum(border < box.right - inset for border in borders) - first + 1)
        before = found[-1] if found else None
        if before is not None and first < before.column + before.columns:
            columns_of_both = max(before.columns, first + count - before.column)
            found[-1] = Cell(row, before.column, (*before.lines, index), columns_of_both)
        else:
            found.append(Cell(row, first, (index,), count))
    yield from found
