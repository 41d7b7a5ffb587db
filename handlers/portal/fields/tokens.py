"""The words of a page in upright rows, parted into cells where the space between words is wide."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from handlers.document.records import LineRecord, PageRecord

WIDE_GAP = 1.6
"""Of the line's height: more space than this between two words parts two cells."""

SAME_ROW = 0.5
"""Of the lower cell's height: cells that overlap by more stand in one row."""

_SCRIPTS = re.compile(r"(?<=[^\x00-\x7f])/(?=[A-Za-z])|(?<=[A-Za-z])/(?=[^\x00-\x7f])")
"""Between a label and its translation, where they are printed without a space."""

_WORD = re.compile(r"[^\W\d][^\s:]*:+(?=[^\s:/])|\S+")


@dataclass(frozen=True, slots=True)
class Box:
    """On the page turned upright, in its unit."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Token:
    """A word; never empty. ``confidence`` is 0..1."""

    text: str
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True)
class Cell:
    """Words that stand together in one line, at least one. ``row`` counts the page's rows from its top."""

    tokens: tuple[Token, ...]
    box: Box
    row: int = 0

    @property
    def text(self) -> str:
        return " ".join(token.text for token in self.tokens)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's cells, row by row and from left to right. ``angle`` is by how many degrees the content is turned."""

    page: int
    angle: float
    digits: int
    cells: tuple[Cell, ...]

    def polygon(self, tokens: Sequence[Token]) -> list[float]:
        """Around ``tokens``, on the page as it stands."""
        box = around(token.box for token in tokens)
        corners = ((box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom))
        turned = (_turned(x, y, self.angle) for x, y in corners)
        return [round(value, self.digits) for point in turned for value in point]

    def lines(self, tokens: Sequence[Token]) -> list[tuple[Token, ...]]:
        """``tokens``, which are in their order, line by line."""
        lines: list[list[Token]] = []
        for token in tokens:
            if lines and _beside(lines[-1][-1].box, token.box) and token.box.left >= lines[-1][-1].box.left:
                lines[-1].append(token)
            else:
                lines.append([token])
        return [tuple(line) for line in lines]


def sheet_of(record: PageRecord) -> Sheet:
    cells = [cell for line in record.lines for cell in _cells(line, record.angle)]
    return Sheet(record.page, record.angle, 1 if record.unit == "pixel" else 4, tuple(_in_rows(cells)))


def around(boxes: Iterable[Box]) -> Box:
    """Of at least one box."""
    found = list(boxes)
    return Box(
        min(box.left for box in found),
        min(box.top for box in found),
        max(box.right for box in found),
        max(box.bottom for box in found),
    )


def _cells(line: LineRecord, angle: float) -> Iterator[Cell]:
    tokens = _tokens(line, angle)
    if not tokens:
        return
    gap = WIDE_GAP * median(token.box.height for token in tokens)
    run = [tokens[0]]
    for token in tokens[1:]:
        if token.box.left - run[-1].box.right > gap:
            yield _cell(run)
            run = []
        run.append(token)
    yield _cell(run)


def _cell(tokens: Sequence[Token]) -> Cell:
    return Cell(tuple(tokens), around(token.box for token in tokens))


def _tokens(line: LineRecord, angle: float) -> list[Token]:
    if not line.words:
        return list(_parted(Token(line.text, _upright(line.polygon, angle), line.confidence)))
    words = (
        Token(word.text, _upright(word.polygon, angle), line.confidence if word.confidence is None else word.confidence)
        for word in line.words
    )
    return [token for word in words for token in _parted(word)]


def _parted(whole: Token) -> Iterator[Token]:
    """Its words, each with its share of the width; a label that a colon glues to its value is a word by itself."""
    box, text = whole.box, _SCRIPTS.sub(" ", whole.text)
    step = (box.right - box.left) / max(1, len(text))
    for match in _WORD.finditer(text):
        place = Box(box.left + match.start() * step, box.top, box.left + match.end() * step, box.bottom)
        yield Token(match.group(), place, whole.confidence)


def _upright(polygon: Sequence[float], angle: float) -> Box:
    points = [_turned(x, y, -angle) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _turned(x: float, y: float, degrees: float) -> tuple[float, float]:
    """Clockwise around the page's upper left, y down."""
    if degrees == 0:
        return x, y
    angle = math.radians(degrees)
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _in_rows(cells: Sequence[Cell]) -> Iterator[Cell]:
    """In an order that does not depend on the one in which they came."""
    rows: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda one: (one.box.middle, one.box.left, one.box.right, one.text)):
        if rows and _beside(rows[-1][0].box, cell.box):
            rows[-1].append(cell)
        else:
            rows.append([cell])
    for number, row in enumerate(rows):
        for cell in sorted(row, key=lambda one: (one.box.left, one.box.right, one.text)):
            yield Cell(cell.tokens, cell.box, number)


def _beside(one: Box, other: Box) -> bool:
    common = min(one.bottom, other.bottom) - max(one.top, other.top)
    return common > SAME_ROW * min(one.height, other.height)
