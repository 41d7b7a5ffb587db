"""A page's lines as blocks: paragraphs, headings, lists, tables, and what stands at the page's edges.

What is said of a block is said from where its lines stand, how large they are and what they begin with, and no more is
claimed than that shows: what is in doubt is a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from handlers.document.engine import Line
from handlers.document.layout.block import Block, BlockKind
from handlers.document.layout.box import Box, box_of, line_height
from handlers.document.layout.edges import Edges
from handlers.document.layout.lean import lean_of
from handlers.document.layout.tables import tables

WIDER_PITCH = 1.4
"""A paragraph ends where the next line is so many times as far away as lines of the page usually are."""

OTHER_SIZE = 1.4
"""A paragraph ends where the lines' height changes by so much; detected heights of one size differ by a fifth."""

INDENT = 0.8
"""In line heights: how far the first line of a paragraph is set in, at least."""

SHORT = 0.6
"""A line that ends a paragraph among full ones reaches no farther into its width."""

TITLE_SIZE, HEADING_SIZE = 1.6, 1.35
"""How many times as high as the page's text the lines of a title and of a heading are at least. A detector draws the
box of a single short word up to 1.3 times as high as that of a line."""

MOST_LINES = 4
"""A title or heading has no more."""

RECENT = 20
"""So many lines of a paragraph say whether the next is of it."""

FEWEST = 5
"""Lines below which a page says nothing about its title."""

_MARKER = re.compile(r"(?:[\u2022\u25e6\u25aa\u25cf\u2023\u00b7*\u2013-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")


def blocks(lines: Sequence[Line], width: float, height: float) -> tuple[Block, ...]:
    """The blocks of a page that stands upright, ``width`` x ``height`` in the unit of the polygons.

    ``lines`` are in reading order, as :func:`handlers.document.layout.order.ordered` gives them, and so are the blocks,
    by their first lines. Each line is in one block.
    """
    lean = lean_of(lines)
    boxes = [box_of(line, lean) for line in lines]
    size = _text_height(boxes)
    found = tables(boxes, size)
    in_table = {index for table in found for index in table.lines}
    paragraphs = list(_paragraphs(boxes, in_table, size))
    edge = Edges(boxes, height, size)
    edges = {paragraph: edge.kind(paragraph) for paragraph in paragraphs}
    title = _title([paragraph for paragraph, kind in edges.items() if kind is None], boxes, height, size)
    for paragraph in paragraphs:
        kind = BlockKind.TITLE if paragraph == title else _kind(paragraph, boxes, size)
        found.append(Block(edges[paragraph] or kind, paragraph))
    return tuple(sorted(found, key=lambda block: block.lines))


def _text_height(boxes: Sequence[Box]) -> float:
    """The height of most of the text: the median over lines, each counted by its characters."""
    weighed = sorted((box.height, len(box.line.text)) for box in boxes if box.height > 0 and not box.runs_down)
    half, reached = sum(count for _, count in weighed) / 2, 0
    for value, count in weighed:
        reached += count
        if reached >= half:
            return value
    return line_height(boxes)


def _paragraphs(boxes: Sequence[Box], in_table: set[int], size: float) -> Iterator[tuple[int, ...]]:
    pitch = _usual_pitch(boxes, size)
    current: list[int] = []
    for index in range(len(boxes)):
        ends = index in in_table or not current or current[-1] != index - 1
        if current and (ends or _begins(boxes, current, index, pitch)):
            yield tuple(current)
            current = []
        if index not in in_table:
            current.append(index)
    if current:
        yield tuple(current)


def _usual_pitch(boxes: Sequence[Box], size: float) -> float:
    """How far lines of the text's size are below each other."""
    steps = [
        below.middle - above.middle
        for above, below in pairwise(boxes)
        if _is_under(above, below) and max(above.height, below.height) < OTHER_SIZE * size
    ]
    close = [step for step in steps if step < 3 * size]
    return max(size, median(close)) if close else 1.5 * size


def _is_under(above: Box, below: Box) -> bool:
    return below.middle > above.middle and below.left < above.right and above.left < below.right


def _begins(boxes: Sequence[Box], block: Sequence[int], index: int, pitch: float) -> bool:
    """Whether line ``index`` begins a paragraph after the lines ``block``, the last of which tell."""
    block = block[-RECENT:]
    above, box = boxes[block[-1]], boxes[index]
    height = median(boxes[i].height for i in block)
    low, high = sorted((height, box.height))
    if not _is_under(above, box) or high > OTHER_SIZE * low or above.runs_down or box.runs_down:
        return True
    usual = pitch if len(block) == 1 else min(2 * pitch, _pitch_of(boxes, block))
    if box.middle - above.middle > WIDER_PITCH * max(usual, box.height):
        return True
    return bool(_MARKER.match(box.line.text)) or _is_set_in(boxes, block, box) or _ended(boxes, block)


def _pitch_of(boxes: Sequence[Box], block: Sequence[int]) -> float:
    return median(boxes[b].middle - boxes[a].middle for a, b in pairwise(block))


def _is_set_in(boxes: Sequence[Box], block: Sequence[int], box: Box) -> bool:
    """Whether ``box`` begins to the right of lines that all begin at one place; a centred line does, too, and a line
    that hangs under a marker."""
    above = boxes[block[-1]]
    if abs((box.left + box.right) - (above.left + above.right)) < INDENT * box.height:
        return False
    flush = [boxes[i].left for i in (block[1:] or block)]
    indent = INDENT * box.height
    if max(flush) - min(flush) > indent or box.left - max(flush) < indent:
        return False
    return len(block) > 1 or above.right < box.right - (box.right - above.left) * (1 - SHORT)


def _ended(boxes: Sequence[Box], block: Sequence[int]) -> bool:
    """Whether the last of several lines is short where all others are full."""
    if len(block) < 3:
        return False
    *full, last = (boxes[i] for i in block)
    left, right = min(box.left for box in full), max(box.right for box in full)
    return min(box.right for box in full) >= right - (right - left) / 10 and last.right < left + SHORT * (right - left)


def _title(
    paragraphs: Sequence[tuple[int, ...]], boxes: Sequence[Box], height: float, size: float
) -> tuple[int, ...] | None:
    """The largest block of the page's upper half, where it is clearly larger than the text."""
    if len(boxes) < FEWEST:
        return None
    sizes = {paragraph: median(boxes[i].height for i in paragraph) for paragraph in paragraphs}
    largest = max(sizes, key=lambda paragraph: (sizes[paragraph], -paragraph[0]), default=None)
    if largest is None or len(largest) > MOST_LINES or sizes[largest] < TITLE_SIZE * size:
        return None
    return largest if boxes[largest[0]].middle < height / 2 and not boxes[largest[0]].runs_down else None


def _kind(paragraph: tuple[int, ...], boxes: Sequence[Box], size: float) -> BlockKind:
    first = boxes[paragraph[0]]
    if _is_heading([boxes[i] for i in paragraph], size):
        return BlockKind.HEADING
    return BlockKind.LIST_ITEM if _MARKER.match(first.line.text) else BlockKind.PARAGRAPH


def _is_heading(members: Sequence[Box], size: float) -> bool:
    """Larger than the text, or a line of capitals that is no sentence."""
    if len(members) > MOST_LINES or any(box.runs_down for box in members):
        return False
    text = members[0].line.text
    if not any(character.isalpha() for character in text):
        return False
    if median(box.height for box in members) >= HEADING_SIZE * size:
        return True
    return len(members) == 1 and sum(map(str.isalpha, text)) >= 4 and text.isupper() and text[-1:] not in ",;:"
