"""The invisible text of a page as operators of a PDF: each word in its polygon, turned and stretched to fill it.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from handlers.document.engine import Line, Point, Quad
from handlers.document.pdf.geometry import PageGeometry
from handlers.document.pdf.glyphless import DESCENT, GLYPH_WIDTH, Codes

Place: TypeAlias = Callable[[Point], Point]
"""From the page's unit, y down, to user space, y up."""

SMALLEST = 0.1
"""Units of user space. A word without width or height, as an engine may give, keeps its text."""

NARROWEST_SPACE = 0.05
"""In ems: the width of a space between words that touch."""

LEVEL_DRIFT = 0.25
"""A word whose ends are at most this much of its height off the horizontal, or vertical, is shown level. Readers
(poppler, PDF viewers' selections) take a word apart whose characters climb, and no character leaves its place by more
than this.
"""

_SHAPE = 5
_POSITION = 2


class _Box(NamedTuple):
    """A word in user space: where its lower left corner is, the unit vector along it, and its sides."""

    x: float
    y: float
    along: Point
    width: float
    height: float


class _Part(NamedTuple):
    """A word, whether a space comes after it, and its box."""

    text: str
    spaced: bool
    box: _Box


def placement(geometry: PageGeometry, width: float, height: float) -> Place:
    """For a page that is ``width`` x ``height`` in the unit of the positions."""
    across, down = geometry.size
    scale_x, scale_y = across / width, down / height
    return lambda point: geometry.placed(point[0] * scale_x, point[1] * scale_y)


def invisible_text(lines: Sequence[Line], place: Place, codes: Codes, font: str) -> bytes:
    """What shows the lines in the rendering mode that shows nothing; empty without lines.

    ``font`` is the resource's name. The graphics state after it is the one before it. Words of a line are separated
    by a space that fills the gap between them, where the line's text has one there.
    """
    shown = [operator for line in lines for operator in _line(line, place, codes, font)]
    if not shown:
        return b""
    return ("\n".join(["q", "BT", "3 Tr", *shown, "ET", "Q"]) + "\n").encode("ascii")


def _line(line: Line, place: Place, codes: Codes, font: str) -> Iterator[str]:
    parts = list(_parts(line, place))
    for number, part in enumerate(parts):
        yield _word(part, codes, font)
        if part.spaced and number + 1 < len(parts):
            yield _space(part.box, parts[number + 1].box, codes)


def _parts(line: Line, place: Place) -> Iterator[_Part]:
    """The words as the line's text has them; the line as one where its words are not known."""
    if not line.words:
        yield _Part(line.text, False, _box(line.polygon, place))
        return
    position = 0
    for word in line.words:
        found = line.text.find(word.text, position)
        position = found + len(word.text) if found >= 0 else position
        # A word that the line's text does not have as it is stands by itself.
        spaced = found < 0 or line.text[position : position + 1].isspace()
        yield _Part(word.text, spaced, _box(word.polygon, place))


def _box(polygon: Quad, place: Place) -> _Box:
    """The rectangle of the polygon's mean width and height around its middle, along its mean direction."""
    a, b, c, d = map(place, polygon)
    along = ((b[0] - a[0] + c[0] - d[0]) / 2, (b[1] - a[1] + c[1] - d[1]) / 2)
    up = ((a[0] - d[0] + b[0] - c[0]) / 2, (a[1] - d[1] + b[1] - c[1]) / 2)
    width = math.hypot(*along)
    unit = (along[0] / width, along[1] / width) if width > 0 else (1.0, 0.0)
    width = max(width, SMALLEST)
    height = max(abs(up[1] * unit[0] - up[0] * unit[1]), SMALLEST)
    unit = _level(unit, width, height)
    x, y = (a[0] + b[0] + c[0] + d[0]) / 4, (a[1] + b[1] + c[1] + d[1]) / 4
    return _Box(
        x - unit[0] * width / 2 + unit[1] * height / 2,
        y - unit[1] * width / 2 - unit[0] * height / 2,
        unit,
        width,
        height,
    )


def _level(unit: Point, width: float, height: float) -> Point:
    """The nearest of the four level directions where the word is nearly so."""
    cos, sin = unit
    if min(abs(cos), abs(sin)) * width / 2 > LEVEL_DRIFT * height:
        return unit
    return (math.copysign(1.0, cos), 0.0) if abs(cos) > abs(sin) else (0.0, math.copysign(1.0, sin))


def _word(part: _Part, codes: Codes, font: str) -> str:
    box, (cos, sin) = part.box, part.box.along
    operand, count = codes.encoded(part.text)
    rise = -DESCENT * box.height
    size = max(round(box.height, _POSITION), SMALLEST)
    matrix = " ".join(
        [
            *(_number(value, _SHAPE) for value in (cos, sin, -sin, cos)),
            *(_number(value, _POSITION) for value in (box.x - sin * rise, box.y + cos * rise)),
        ]
    )
    return f"/{font} {_number(size)} Tf {matrix} Tm {_stretch(box.width, count, size)} Tz {operand} Tj"


def _space(box: _Box, following: _Box, codes: Codes) -> str:
    """From the end of a word, where the last operator left the text's position, to the start of the next."""
    cos, sin = box.along
    along = (following.x - box.x) * cos + (following.y - box.y) * sin
    gap = max(along - box.width, NARROWEST_SPACE * box.height)
    operand, count = codes.encoded(" ")
    return f"{_stretch(gap, count, max(round(box.height, _POSITION), SMALLEST))} Tz {operand} Tj"


def _stretch(width: float, count: int, size: float) -> str:
    """The horizontal scaling, in percent, that makes ``count`` glyphs as wide as ``width``."""
    return _number(100 * width / (count * GLYPH_WIDTH * size), _SHAPE)


def _number(value: float, places: int = _POSITION) -> str:
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text
