"""A page's record made ready to be written: text that every format can hold, words in their places, blocks."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from handlers.document.engine import Line, Point, Quad
from handlers.document.layout import Block, blocks
from handlers.document.records import LineRecord, PageRecord, quad

_BREAKS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]")
_UNWRITABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """``text`` as one line that any of the formats can hold.

    Characters that break lines or pages become spaces. Those that XML 1.0 forbids or discourages (section 2.2: control
    characters, lone surrogates, non-characters) are left out, and so are the marks that make a reader show text in
    another order than it stands in (Unicode UAX 9: embeddings, overrides, isolates).
    """
    return _REORDERING.sub("", _UNWRITABLE.sub("", _BREAKS.sub(" ", text))).strip()


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """``start`` is where the word stands in its line's text, in characters. ``confidence`` is 0..1."""

    text: str
    start: int
    polygon: Quad
    confidence: float

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line with its words, in the order of its text; never without text."""

    text: str
    polygon: Quad
    confidence: float
    words: tuple[PlacedWord, ...]


class PlacedPage:
    """``lines`` of a record in reading order, without those that have no text that could be written."""

    def __init__(self, record: PageRecord) -> None:
        self.record = record
        self.lines = tuple(line for found in record.lines if (line := _placed(found)) is not None)
        self.turn = Turn(record.angle, record.width, record.height)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The page's blocks; their indices are those of ``lines``."""
        upright = [Line(line.text, line.confidence, self.turn.upright(line.polygon)) for line in self.lines]
        return blocks(upright, self.turn.width, self.turn.height)

    def around(self, lines: Sequence[int]) -> Quad:
        """The rectangle around ``lines``, turned as the page's text is, from the text's upper left clockwise."""
        corners = [point for index in lines for point in self.turn.upright(self.lines[index].polygon)]
        (left, top), (right, bottom) = (tuple(pick(axis) for axis in zip(*corners, strict=True)) for pick in (min, max))
        return self.turn.back(((left, top), (right, top), (right, bottom), (left, bottom)))


class Turn:
    """From a page whose content is turned clockwise by ``degrees`` to one that stands upright, and back.

    ``width`` and ``height`` are the upright page's, as far as quarter turns change them.
    """

    def __init__(self, degrees: float, width: float, height: float) -> None:
        self._cos, self._sin = _exact(math.cos(math.radians(degrees))), _exact(math.sin(math.radians(degrees)))
        self._centre = (width / 2, height / 2)
        on_its_side = abs(self._sin) > abs(self._cos)
        self.width, self.height = (height, width) if on_its_side else (width, height)

    def upright(self, polygon: Quad) -> Quad:
        return _each(polygon, self._upright)

    def back(self, polygon: Quad) -> Quad:
        return _each(polygon, self._back)

    def _upright(self, point: Point) -> Point:
        x, y = point[0] - self._centre[0], point[1] - self._centre[1]
        return (x * self._cos + y * self._sin + self.width / 2, y * self._cos - x * self._sin + self.height / 2)

    def _back(self, point: Point) -> Point:
        x, y = point[0] - self.width / 2, point[1] - self.height / 2
        return (x * self._cos - y * self._sin + self._centre[0], y * self._cos + x * self._sin + self._centre[1])


def _each(polygon: Quad, move: Callable[[Point], Point]) -> Quad:
    a, b, c, d = polygon
    return (move(a), move(b), move(c), move(d))


def _exact(value: float) -> float:
    """A quarter turn moves pixels to pixels."""
    return float(round(value)) if abs(value - round(value)) < 1e-12 else value


def _placed(line: LineRecord) -> PlacedLine | None:
    text = clean(line.text)
    if not text:
        return None
    polygon = quad(line.polygon)
    words = _words_of(line, text)
    if words is None:
        words = tuple(_shares(text, polygon, line.confidence))
    return PlacedLine(text, polygon, line.confidence, words)


def _words_of(line: LineRecord, text: str) -> tuple[PlacedWord, ...] | None:
    """The line's words where they stand in ``text``; ``None`` where they do not make it up."""
    found: list[PlacedWord] = []
    end = 0
    for word in line.words:
        content = clean(word.text)
        start = text.find(content, end)
        if not content or start < 0 or text[end:start].strip():
            return None
        confidence = line.confidence if word.confidence is None else word.confidence
        found.append(PlacedWord(content, start, quad(word.polygon), confidence))
        end = start + len(content)
    return tuple(found) if found and end == len(text) else None


def _shares(text: str, polygon: Quad, confidence: float) -> Iterator[PlacedWord]:
    """The words of a line whose reader does not know them: each has its characters' share of the line's polygon, to a
    ten-thousandth of the unit.
    """
    weights = [2.0 if unicodedata.east_asian_width(character) in "WF" else 1.0 for character in text]
    reach = [0.0, *accumulate(weights)]
    for match in re.finditer(r"\S+", text):
        start, end = reach[match.start()] / reach[-1], reach[match.end()] / reach[-1]
        place = _each(part(polygon, start, end), lambda point: (round(point[0], 4), round(point[1], 4)))
        yield PlacedWord(match.group(), match.start(), place, confidence)


def part(polygon: Quad, start: float, end: float) -> Quad:
    """What lies between two shares of a polygon's length, along its upper and its lower edge."""
    a, b, c, d = polygon
    return (_between(a, b, start), _between(a, b, end), _between(d, c, end), _between(d, c, start))


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
