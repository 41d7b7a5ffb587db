"""Pieces in which a detector drew lines of two columns together, parted at the gutter.

Where a gutter is narrow, some lines reach over it. Left so, each would stand between what is above and what is below it
in both columns, and the columns be read in slices. A piece is parted between two words that are apart where its
neighbours are: the lines to the right begin at one place, and hardly any line runs across.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from handlers.document.engine import Line, Point, Word
from handlers.document.layout.box import Box, box_of
from handlers.document.layout.lean import Lean

LEAST_GAP = 0.5
"""In line heights: words of a line of print are rarely so far apart, and columns are not closer."""

AS_FAR = 8.0
"""In line heights: how far above and below a piece its neighbours are looked for."""

NEIGHBOURS = 30
"""How many of them at most, above and below each."""

FLUSH = 0.5
"""In line heights: lines that begin at one place begin this close to each other."""

WITNESSES = 3
"""So many neighbours have to begin at the gap, and so many times those that run across it."""


class _Gap(NamedTuple):
    """Between the word before ``word`` and it, from ``left`` to ``right``."""

    word: int
    left: float
    right: float


def parted(boxes: Sequence[Box], lean: Lean) -> list[Box]:
    """``boxes`` from the top down, those that reach over a gutter in two; ``lean`` is what was taken from the page."""
    gaps = [list(_gaps(box, lean)) for box in boxes]
    found: list[Box] = []
    for index, box in enumerate(boxes):
        cuts = [gap for gap in gaps[index] if _is_gutter(gap, index, boxes, gaps)]
        found.extend(box_of(line, lean) for line in _cut(box.line, cuts)) if cuts else found.append(box)
    return found


def _gaps(box: Box, lean: Lean) -> Iterator[_Gap]:
    words = box.line.words or ()
    for index in range(1, len(words)):
        left, right = _end(words[index - 1], lean), _start(words[index], lean)
        if right - left >= LEAST_GAP * box.height > 0:
            yield _Gap(index, left, right)


def _start(word: Word, lean: Lean) -> float:
    return min(lean.level(point)[0] for point in word.polygon)


def _end(word: Word, lean: Lean) -> float:
    return max(lean.level(point)[0] for point in word.polygon)


def _is_gutter(gap: _Gap, index: int, boxes: Sequence[Box], gaps: Sequence[Sequence[_Gap]]) -> bool:
    """Whether neighbours begin in ``gap`` or where it ends, at one place; behind it may be a line that is set in."""
    flush = FLUSH * boxes[index].height
    starts: list[float] = []
    across: list[float | None] = []
    for other in _near(index, boxes):
        box = boxes[other]
        inside = [
            at for at in (box.left, *(found.right for found in gaps[other])) if gap.left < at <= gap.right + flush
        ]
        starts += inside[:1]
        if box.left < gap.left and box.right > gap.right:
            across.append(inside[0] if inside else None)
    place = max(starts, key=lambda start: (sum(abs(at - start) <= flush for at in starts), start), default=0.0)
    begin = sum(abs(at - place) <= flush for at in starts)
    elsewhere = sum(at is None or abs(at - place) > flush for at in across)
    return begin >= WITNESSES and begin >= WITNESSES * elsewhere


def _near(index: int, boxes: Sequence[Box]) -> Iterator[int]:
    """The boxes above and below, those that are nearest in height."""
    box = boxes[index]
    for step in (-1, 1):
        other = index + step
        for _ in range(NEIGHBOURS):
            if not 0 <= other < len(boxes) or abs(boxes[other].middle - box.middle) > AS_FAR * box.height:
                break
            yield other
            other += step


def _cut(line: Line, gaps: Iterable[_Gap]) -> Iterator[Line]:
    """The line's parts; all of it where its words do not stand in its text."""
    words = line.words or ()
    starts = _starts(line.text, words)
    ends = [gap.word for gap in gaps]
    if starts is None:
        yield line
        return
    for first, last in zip([0, *ends], [*ends, len(words)], strict=True):
        stop = starts[last] if last < len(words) else len(line.text)
        (a, _, _, d), (_, b, c, _) = words[first].polygon, words[last - 1].polygon
        left = (a, d) if first else (line.polygon[0], line.polygon[3])
        right = (b, c) if last < len(words) else (line.polygon[1], line.polygon[2])
        upper, lower = (line.polygon[0], line.polygon[1]), (line.polygon[3], line.polygon[2])
        polygon = (_on(upper, left[0]), _on(upper, right[0]), _on(lower, right[1]), _on(lower, left[1]))
        text = line.text[starts[first] if first else 0 : stop].strip()
        yield Line(text, line.confidence, polygon, words[first:last])


def _on(edge: tuple[Point, Point], point: Point) -> Point:
    """The place of ``edge`` that is over or under ``point``."""
    (x1, y1), (x2, y2) = edge
    share = (point[0] - x1) / (x2 - x1) if x2 != x1 else 0.0
    return (point[0], y1 + share * (y2 - y1))


def _starts(text: str, words: Sequence[Word]) -> list[int] | None:
    starts: list[int] = []
    end = 0
    for word in words:
        start = text.find(word.text, end)
        if start < 0:
            return None
        starts.append(start)
        end = start + len(word.text)
    return starts
