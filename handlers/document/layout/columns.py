"""Which empty strips of a page part columns, and which run through a table, a receipt or a form.

Both are white and both are tall. What tells them apart stands beside them: columns are filled by their lines, and need
not have these at the same heights; cells are short, or numbers, and stand in rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from handlers.document.layout.box import Box
from handlers.document.layout.gutters import LEAST_WIDTH, is_speck
from handlers.document.layout.rows import rows

IN_ROWS = 0.7
"""Two strips stand in rows where this share of the lines of the one with fewer has a line of the other beside it. Lines
of columns that are not set on one grid do so by chance in a third of the cases."""

SAME_HEIGHT = 0.3
"""In line heights: two lines stand in a row where their middles differ by no more."""

PROSE_WIDTH, FULL_WIDTH = 6.5, 12.0
"""Prose: the median line is so many line heights wide, some fifteen characters; from the second on, some thirty, cells
are rare."""

FILLED, PROSE_FILL = 0.8, 0.65
"""Prose: so large a share of the lines fills the column to the first share at least. Of cells, whose widths differ as
they happen to, less than half does."""

CLOSE_PITCH = 1.6
"""In line heights: lines of narrow columns follow each other at most so far apart, the rows of many a table do not."""

ALIKE, SAME_MAKE = 0.75, 0.35
"""Narrow columns of one text are as wide as each other to the first share at least, and by the second at most do the
shares of their lines differ that have digits. Those of a table hold each its own kind of thing: names, streets, towns.
"""

MAKE_LINES = 6
"""Lines below which a strip says nothing about its make: two addresses side by side differ by chance."""

LIST_WIDTH, LIST_LINES = 5.0, 15
"""An index, a word list, verses in two columns: so many lines, so many line heights wide, closely set. Shorter lists
are told from the words of a table by standing in no rows."""

FEW_LINES = 3
"""Below it a strip is no column but a note in the margin, or a stray piece."""

NOTE_GAP = 1.0
"""In line heights: how far a note stands from the text at least."""

BLOCK_GAP = 2.0
"""In line heights: what parts blocks at the foot of a page, which are columns however short and uneven they are."""


@dataclass(frozen=True, slots=True)
class _RowOfStrip:
    left: float
    right: float
    middle: float
    text: str


class Strip:
    """Pieces between two gaps that run the whole height, and what they look like."""

    def __init__(self, boxes: list[Box], height: float) -> None:
        self.boxes = boxes
        self.left = min(box.left for box in boxes)
        self.right = max(box.right for box in boxes)
        self._height = height
        self.lines = [_row_of(row) for row in rows(boxes)]

    @property
    def is_small(self) -> bool:
        return len(self.lines) < FEW_LINES

    @property
    def is_terse(self) -> bool:
        """Numbers, signs and codes: what stands in a cell, and fills no column."""
        return _share(self.lines, lambda line: _is_terse(line.text)) >= 0.5

    @property
    def is_labels(self) -> bool:
        return _share(self.lines, lambda line: line.text.rstrip().endswith((":", "\uff1a"))) >= 0.4

    @property
    def line_width(self) -> float:
        """Of the median line, in line heights."""
        return median(line.right - line.left for line in self.lines) / self._height

    @property
    def is_prose(self) -> bool:
        widths = sorted(line.right - line.left for line in self.lines)
        full = widths[int(0.9 * (len(widths) - 1))]
        filled = sum(width >= FILLED * full for width in widths)
        return self.line_width >= PROSE_WIDTH and filled >= PROSE_FILL * len(widths)

    @property
    def is_wide_prose(self) -> bool:
        """Prose that is no column of a table, whatever stands beside it."""
        return self.is_prose and self.line_width >= FULL_WIDTH

    @property
    def is_column(self) -> bool:
        return self.is_prose and (self.is_close or self.line_width >= FULL_WIDTH)

    @property
    def is_list(self) -> bool:
        return len(self.lines) >= LIST_LINES and self.is_block

    @property
    def is_block(self) -> bool:
        """Lines that stand together, and are no words in the cells of a table that has empty ones."""
        return self.line_width >= LIST_WIDTH and self.is_close

    @property
    def is_close(self) -> bool:
        """Whether the lines follow each other as those of a text do."""
        pitches = [below.middle - above.middle for above, below in pairwise(self.lines)]
        return bool(pitches) and median(pitches) <= CLOSE_PITCH * self._height

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def numbered(self) -> float:
        """The share of lines that have digits."""
        return _share(self.lines, lambda line: any(character.isdigit() for character in line.text))

    def faces(self, other: Strip) -> bool:
        """Whether some of one stands at the height of some of the other: what is above or below is not beside."""
        return self.lines[0].middle <= other.lines[-1].middle and other.lines[0].middle <= self.lines[-1].middle

    def in_rows_with(self, other: Strip) -> bool:
        """Whether the lines of the strip with fewer stand beside lines of the other; those that stand over or under all
        of the other, as an address over goods and sums under prices do, say nothing.
        """
        tolerance = SAME_HEIGHT * self._height
        top = max(self.lines[0].middle, other.lines[0].middle) - tolerance
        bottom = min(self.lines[-1].middle, other.lines[-1].middle) + tolerance
        facing = [[line for line in strip.lines if top <= line.middle <= bottom] for strip in (self, other)]
        few, many = sorted(facing, key=len)
        middles = [line.middle for line in many]
        beside = index = 0
        for line in few:
            while index < len(middles) and middles[index] < line.middle - tolerance:
                index += 1
            beside += index < len(middles) and middles[index] <= line.middle + tolerance
        return beside >= IN_ROWS * len(few)


def columns(boxes: Sequence[Box], height: float) -> list[list[Box]]:
    """``boxes`` parted into columns, from left to right; one where they are none. ``height`` is that of a line."""
    strips = _strips(boxes, height)
    cuts = _cuts(strips, [box for box in boxes if _is_terse(box.line.text)], height)
    parts: list[list[Box]] = [[] for _ in range(len(cuts) + 1)]
    for box in boxes:
        middle = (box.left + box.right) / 2
        parts[sum(cut < middle for cut in cuts)].append(box)
    return [part for part in parts if part]


def standing_blocks(boxes: Sequence[Box], height: float) -> list[list[Box]]:
    """``boxes`` at the foot of a page as the blocks that stand side by side there, from left to right; one where they
    are rows: of single lines, of labels with their values, of cells.
    """
    strips = _strips(boxes, height, BLOCK_GAP)
    several = [strip for strip in strips if len(strip.lines) > 1]
    if not several or any(strip.is_terse or strip.is_labels for strip in several):
        return [list(boxes)]
    lefts = [strip.left for strip in strips[1:]]
    parts: list[list[Box]] = [[] for _ in strips]
    for box in boxes:
        parts[sum(left <= box.left for left in lefts)].append(box)
    return parts


def _strips(boxes: Sequence[Box], height: float, gap: float = LEAST_WIDTH) -> list[Strip]:
    """What stands between the gaps of ``gap`` line heights that run through all of ``boxes``; specks are in none."""
    groups: list[list[Box]] = []
    reach = float("-inf")
    for box in sorted(boxes, key=lambda box: (box.left, box.right)):
        if is_speck(box, height):
            continue
        if not groups or box.left - reach >= gap * height:
            groups.append([])
        groups[-1].append(box)
        reach = max(reach, box.right)
    return [Strip(group, height) for group in groups]


def _cuts(strips: Sequence[Strip], numbers: Sequence[Box], height: float) -> list[float]:
    """Positions in x at which columns are parted.

    A strip of few lines between two columns is a stray piece. The columns are judged over it, and parted at its wider
    side; it stays with the nearer one.
    """
    cuts: list[float] = []
    large = [index for index, strip in enumerate(strips) if not strip.is_small]
    alike = _are_alike([strips[index] for index in large])
    for index, following in pairwise(large):
        if _are_columns(strips[index], strips[following], height, numbers, alike=alike):
            between = strips[index : following + 1]
            cuts.append(max(_gaps(between))[1])
    for side, inner in _notes(large, len(strips)):
        if _is_note(strips[side], strips[inner], height):
            near, far = sorted((strips[side], strips[inner]), key=lambda strip: strip.left)
            cuts.append((near.right + far.left) / 2)
    return sorted(cuts)


def _gaps(strips: Sequence[Strip]) -> list[tuple[float, float]]:
    """The width and the middle of each gap between strips that follow each other."""
    return [(b.left - a.right, (a.right + b.left) / 2) for a, b in pairwise(strips)]


def _notes(large: Sequence[int], count: int) -> list[tuple[int, int]]:
    """Strips of few lines that stand outside of all others, each with the strip inside of it."""
    if not large:
        return []
    left = [(index, large[0]) for index in (large[0] - 1,) if index >= 0]
    return left + [(index, large[-1]) for index in (large[-1] + 1,) if index < count]


def _are_alike(strips: Sequence[Strip]) -> bool:
    """Whether all may be columns of one text, by what :data:`ALIKE` and :data:`SAME_MAKE` say of narrow ones."""
    telling = [strip for strip in strips if len(strip.lines) >= MAKE_LINES]
    if not telling:
        return True
    widths, shares = [strip.width for strip in telling], [strip.numbered for strip in telling]
    return min(widths) >= ALIKE * max(widths) and max(shares) - min(shares) <= SAME_MAKE


def _are_columns(a: Strip, b: Strip, height: float, numbers: Sequence[Box], *, alike: bool) -> bool:
    """``numbers`` are the numbers about: narrow text that stands in rows with as many as it has is of their table.
    ``alike`` says whether all strips about may be columns of one text.
    """
    if a.is_terse or b.is_terse or a.is_labels or not a.faces(b):
        return False
    if not a.in_rows_with(b):
        are_apart = b.left - a.right >= NOTE_GAP * height
        return (are_apart and a.is_block and b.is_block) or a.is_prose or b.is_prose
    if a.is_wide_prose and b.is_wide_prose:
        return True
    both_columns = a.is_column and b.is_column
    if not alike or not (both_columns or (a.is_list and b.is_list)):
        return False
    return 2 * len(numbers) < len(a.lines) or not Strip(list(numbers), height).in_rows_with(a)


def _is_note(note: Strip, text: Strip, height: float) -> bool:
    gap = max(note.left - text.right, text.left - note.right)
    return gap >= NOTE_GAP * height and not note.is_terse and text.is_prose and not note.in_rows_with(text)


def _row_of(row: Sequence[Box]) -> _RowOfStrip:
    middle = sum(box.middle for box in row) / len(row)
    return _RowOfStrip(row[0].left, max(box.right for box in row), middle, " ".join(box.line.text for box in row))


def _share(lines: Sequence[_RowOfStrip], is_so: Callable[[_RowOfStrip], bool]) -> float:
    return sum(is_so(line) for line in lines) / len(lines)


def _is_terse(text: str) -> bool:
    """At most three characters, or no more letters than digits."""
    marks = [character for character in text if character.isalnum()]
    digits = sum(character.isdigit() for character in marks)
    return len(marks) <= 3 or 2 * digits >= len(marks)
