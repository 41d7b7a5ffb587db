"""What stands over and under the text of a page: running titles, page numbers, footers."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from handlers.document.layout.block import BlockKind
from handlers.document.layout.box import Box

EDGE, NUMBER_EDGE = 0.1, 0.16
"""The shares of the page's height in which headers and footers stand, and a page number with what is in its row: books
that were photographed with their margins have them far inside."""

EDGE_GAP = 0.7
"""In line heights: what parts them from the text."""

LARGEST = 1.4
"""How many times as high as the text they are at most."""

MOST_LINES = 2

FEWEST = 5
"""Lines between the edges, below which a page says nothing about them: a label, a card, a cutting."""

_PAGE_NUMBER = re.compile(
    r"[\s\-\u2013\u2014\[(.|]*(?:(?:page|p\.|seite|p\u00e1gina|p\u00e1g\.)\s*)?"
    r"(?:\d{1,4}|(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3}))"
    r"(?:\s*(?:/|of|de|von)\s*\d{1,4})?[\s\-\u2013\u2014\]).|]*",
    re.IGNORECASE,
)


class Edges:
    """Tells what stands at the edges of a page of ``height``, whose lines are ``boxes``, most of them ``size`` high."""

    def __init__(self, boxes: Sequence[Box], height: float, size: float) -> None:
        self._boxes = boxes
        self._height = height
        self._size = size
        down = sorted(boxes, key=lambda box: box.middle)
        self._middles = [box.middle for box in down]
        self._lowest = list(accumulate((box.bottom for box in down), max))
        self._highest = list(accumulate((box.top for box in reversed(down)), min))[::-1]
        self._numbers = [box.middle for box in down if _is_page_number(box)]
        self._inside = sum(EDGE * height < middle < (1 - EDGE) * height for middle in self._middles)

    def kind(self, lines: Sequence[int]) -> BlockKind | None:
        """What a paragraph is; ``None`` where it is of the text."""
        members = [self._boxes[index] for index in lines]
        if self._inside < FEWEST or len(members) > MOST_LINES:
            return None
        if max(box.height for box in members) > LARGEST * self._size:
            return None
        edge = self._edge(members, NUMBER_EDGE if self._is_beside_number(members[0]) else EDGE)
        if edge is not None and len(members) == 1 and _is_page_number(members[0]):
            return BlockKind.PAGE_NUMBER
        return edge

    def _is_beside_number(self, box: Box) -> bool:
        index = bisect_left(self._numbers, box.middle - self._size / 2)
        return index < len(self._numbers) and self._numbers[index] < box.middle + self._size / 2

    def _edge(self, members: Sequence[Box], share: float) -> BlockKind | None:
        top, bottom = min(box.top for box in members), max(box.bottom for box in members)
        gap = EDGE_GAP * self._size
        below, above = bisect_right(self._middles, bottom), bisect_left(self._middles, top)
        if bottom <= share * self._height and (below == len(self._highest) or self._highest[below] >= bottom + gap):
            return BlockKind.HEADER
        if top >= (1 - share) * self._height and (above == 0 or self._lowest[above - 1] <= top - gap):
            return BlockKind.FOOTER
        return None


def _is_page_number(box: Box) -> bool:
    return _PAGE_NUMBER.fullmatch(box.line.text) is not None
