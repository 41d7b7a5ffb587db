"""From the characters of a page to its words and lines. Pure.

A word ends at white space, at a gap that the characters' positions show, and where the direction of the text changes.
Where text stands is told along that direction, so that rotated text has rotated polygons. Order is left to
:func:`handlers.document.layout.ordered`, on the page turned so that most of its text runs to the right: the content of
a PDF may be in any order.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from handlers.document.engine import Line, Point, Quad, Word
from handlers.document.layout import ordered
from handlers.document.pdf.glyphs import Glyph

WORD_GAP = 0.25
"""Without a space, a gap of this many line heights ends a word. A space is 0.2 to 0.3 em wide in print."""

PIECE_GAP = 1.5
"""A gap of this many line heights ends a piece of a line: a column's gutter, or a cell of a table."""

LINE_SHIFT = 0.6
"""Characters whose middles are farther apart than this many line heights are in different lines; a superscript is
raised by a third."""

MAX_TURN = 2.0
"""Degrees by which characters of a word may differ in direction."""

NEAR_DIAGONAL = 0.25
"""Near 45 degrees the upright box around a character says too little of its width and height."""

_SOFT_HYPHEN = "\u00ad"
_LINE_HYPHENS = ("\x02", "\ufffe")
"""What PDFium has for the hyphen of a word that goes on in the next line."""

_LIGATURES = range(0xFB00, 0xFB07)


@dataclass(frozen=True, slots=True)
class Span:
    """A character or more along the direction of text: ``start`` to ``end`` along it, ``top`` to ``bottom`` across."""

    start: float
    end: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def joined(self, other: Span) -> Span:
        return Span(
            min(self.start, other.start),
            max(self.end, other.end),
            min(self.top, other.top),
            max(self.bottom, other.bottom),
        )

    def gap(self, other: Span) -> float:
        """Along the text, on whichever side ``other`` is; less than 0 where they overlap."""
        return max(other.start - self.end, self.start - other.end)

    def shift(self, other: Span) -> float:
        return abs(self.middle - other.middle)


@dataclass(slots=True)
class _Word:
    text: str
    span: Span


@dataclass(slots=True)
class _Piece:
    """A line, or the part of one up to a wide gap, while it is put together."""

    angle: float
    words: list[_Word] = field(default_factory=list)
    last: Span | None = None
    is_open: bool = False
    """Whether the next character may belong to the last word."""


def text_lines(glyphs: Sequence[Glyph], width: float, height: float, scale: float) -> tuple[Line, ...]:
    """Lines in reading order, positions times ``scale`` and within ``width`` x ``height``, which are scaled already.

    Characters outside of the page are left out: nobody sees them.
    """
    seen = [glyph for glyph in glyphs if _is_on_page(glyph, width / scale, height / scale)]
    lines = [line for piece in _pieces(seen) if (line := _line(piece, scale, width, height)) is not None]
    return _in_order(lines, _quarter_turns(seen), width, height)


def span_of(glyph: Glyph) -> Span:
    """The character's own rectangle, turned as its text is, from the upright one around it.

    The upright rectangle around one of ``w`` x ``h`` that is turned by an angle has the sides ``w |cos| + h |sin|`` and
    ``w |sin| + h |cos|``: two equations for two unknowns, except at 45 degrees.
    """
    cos, sin = _direction(glyph.angle)
    across, down = glyph.right - glyph.left, glyph.bottom - glyph.top
    c, s = abs(cos), abs(sin)
    if abs(c - s) < NEAR_DIAGONAL:
        tall = min(1.2 * glyph.size, (across + down) / (c + s))
        wide = max(0.0, (across - tall * s) / c)
    else:
        wide = max(0.0, (across * c - down * s) / (c * c - s * s))
        tall = max(0.0, (down * c - across * s) / (c * c - s * s))
    x, y = (glyph.left + glyph.right) / 2, (glyph.top + glyph.bottom) / 2
    along, off = x * cos + y * sin, y * cos - x * sin
    return Span(along - wide / 2, along + wide / 2, off - tall / 2, off + tall / 2)


def _direction(angle: float) -> tuple[float, float]:
    """Cosine and sine, exact at quarter turns."""
    if angle % 90 == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(angle // 90) % 4]
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))


def _is_on_page(glyph: Glyph, width: float, height: float) -> bool:
    x, y = (glyph.left + glyph.right) / 2, (glyph.top + glyph.bottom) / 2
    return glyph.generated or (0 <= x <= width and 0 <= y <= height)


def _pieces(glyphs: Iterable[Glyph]) -> Iterator[_Piece]:
    piece: _Piece | None = None
    for glyph in glyphs:
        if _is_break(glyph):
            if piece is not None and glyph.text in "\r\n":
                yield piece
                piece = None
            elif piece is not None:
                piece.is_open = False
            continue
        span = span_of(glyph)
        if piece is not None and not _continues(piece, glyph, span):
            yield piece
            piece = None
        if piece is None:
            piece = _Piece(_rounded(glyph.angle))
        _add(piece, glyph, span)
    if piece is not None:
        yield piece


def _is_break(glyph: Glyph) -> bool:
    """White space and what has no place in a word: control characters that are no hyphen."""
    if glyph.text in _LINE_HYPHENS:
        return False
    return glyph.text.isspace() or unicodedata.category(glyph.text) in {"Cc", "Cn", "Cs"}


def _rounded(angle: float) -> float:
    """Quarter turns exactly, what PDFium computes with rounding."""
    quarter = round(angle / 90) * 90.0
    return quarter % 360 if abs(angle - quarter) < 0.05 else angle


def _continues(piece: _Piece, glyph: Glyph, span: Span) -> bool:
    last = piece.last
    if last is None:
        return True
    turn = abs(glyph.angle - piece.angle) % 360
    if min(turn, 360 - turn) > MAX_TURN:
        return False
    height = max(last.height, span.height)
    return last.shift(span) <= LINE_SHIFT * height and last.gap(span) <= PIECE_GAP * height


def _add(piece: _Piece, glyph: Glyph, span: Span) -> None:
    text = _plain(glyph)
    apart = piece.last is not None and piece.last.gap(span) > WORD_GAP * min(piece.last.height, span.height)
    if piece.is_open and not apart:
        word = piece.words[-1]
        word.text += text
        word.span = word.span.joined(span)
    else:
        piece.words.append(_Word(text, span))
    piece.last = span
    piece.is_open = True


def _plain(glyph: Glyph) -> str:
    """A ligature as its letters, a hyphen that is seen as one."""
    if glyph.text in _LINE_HYPHENS or (glyph.text == _SOFT_HYPHEN and glyph.hyphen):
        return "-"
    if ord(glyph.text) in _LIGATURES:
        return unicodedata.normalize("NFKC", glyph.text)
    return glyph.text


def _line(piece: _Piece, scale: float, width: float, height: float) -> Line | None:
    found = [(text, word.span) for word in piece.words if (text := _without_soft_hyphens(word.text))]
    if not found:
        return None
    words = tuple(Word(text, _polygon(span, piece.angle, scale, width, height), 1.0) for text, span in found)
    whole = found[0][1]
    for _, span in found[1:]:
        whole = whole.joined(span)
    text = " ".join(text for text, _ in found)
    return Line(text, 1.0, _polygon(whole, piece.angle, scale, width, height), words)


def _without_soft_hyphens(text: str) -> str:
    """Only the one at the end is seen."""
    shown = text.replace(_SOFT_HYPHEN, "")
    return shown + "-" if text.endswith(_SOFT_HYPHEN) else shown


def _polygon(span: Span, angle: float, scale: float, width: float, height: float) -> Quad:
    cos, sin = _direction(angle)

    def corner(along: float, off: float) -> Point:
        x, y = (along * cos - off * sin) * scale, (along * sin + off * cos) * scale
        return (min(max(x, 0.0), width), min(max(y, 0.0), height))

    return (
        corner(span.start, span.top),
        corner(span.end, span.top),
        corner(span.end, span.bottom),
        corner(span.start, span.bottom),
    )


def _quarter_turns(glyphs: Iterable[Glyph]) -> int:
    """How most of the text is turned, in quarters clockwise."""
    counted = Counter(round(glyph.angle / 90) % 4 for glyph in glyphs if not _is_break(glyph))
    return max(range(4), key=lambda turns: (counted[turns], -turns))


def _in_order(lines: Sequence[Line], turns: int, width: float, height: float) -> tuple[Line, ...]:
    if not turns:
        return ordered(lines, width, height)
    sides = (width, height) if turns == 2 else (height, width)
    upright = ordered([_turned(line, -turns % 4, width, height) for line in lines], *sides)
    return tuple(_turned(line, turns, *sides) for line in upright)


def _turned(line: Line, turns: int, width: float, height: float) -> Line:
    """The line on its page of ``width`` x ``height`` turned by quarters clockwise."""
    words = tuple(Word(word.text, _turned_quad(word.polygon, turns, width, height), 1.0) for word in line.words or ())
    return Line(line.text, line.confidence, _turned_quad(line.polygon, turns, width, height), words)


def _turned_quad(quad: Quad, turns: int, width: float, height: float) -> Quad:
    a, b, c, d = (_turned_point(point, turns, width, height) for point in quad)
    return (a, b, c, d)


def _turned_point(point: Point, turns: int, width: float, height: float) -> Point:
    x, y = point
    match turns:
        case 0:
            return point
        case 1:
            return (height - y, x)
        case 2:
            return (width - x, height - y)
        case _:
            return (y, width - x)
