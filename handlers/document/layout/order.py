"""From the pieces of text that a detector found to lines in reading order.

A detector splits a line of print where a gap is wide, and gives its pieces in the order of their upper
edges. Pieces that stand side by side form a row; pieces of a row that are close become one line; rows go
from top to bottom. Columns are not told apart: a row runs over all of them, and its pieces stay separate
lines, left to right. Positions are those of a page that stands upright.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handlers.document.engine import Line, Quad

MIN_OVERLAP = 0.5
"""Two pieces are in one row where they share at least this much of the lower one's height."""

MAX_GAP = 2.0
"""Pieces of a row become one line where the gap is at most this many line heights: an indented or justified
line's widest space stays under it, the gutter between columns and the gap before a price over it."""


OPEN_ROWS = 6
"""How many of the newest rows a piece is tried with: on a page that is askew, lines below begin before a line ends."""


def ordered(pieces: Iterable[Line], width: float, height: float) -> tuple[Line, ...]:
    """The pieces joined to lines, rows from top to bottom, in a row from left to right.

    ``width`` and ``height`` are those of the page, in the unit of the polygons, whichever it is.
    """
    return tuple(line for row in _rows(pieces) for line in _joined(row))


def _rows(pieces: Iterable[Line]) -> list[list[Line]]:
    """Pieces grouped by vertical overlap, each with the row whose nearest piece is the nearest in x."""
    rows: list[list[Line]] = []
    for piece in sorted(pieces, key=lambda piece: (_middle(piece), _left(piece))):
        candidates = [(_nearest(piece, row), row) for row in rows[-OPEN_ROWS:]]
        beside = [(_gap(piece, near), row) for near, row in candidates if _belongs(piece, near, row)]
        if beside:
            min(beside, key=lambda pair: pair[0])[1].append(piece)
        else:
            rows.append([piece])
    for row in rows:
        row.sort(key=_left)
    return sorted(rows, key=lambda row: min(_middle(piece) for piece in row))


def _belongs(piece: Line, nearest: Line, row: Sequence[Line]) -> bool:
    """Whether ``piece`` stands beside ``nearest``, and neither over nor under any piece of ``row``."""
    if any(_beside_overlap(piece, other) > 0.5 for other in row):
        return False
    return _shared_height(piece, nearest) >= MIN_OVERLAP


def _nearest(piece: Line, row: Sequence[Line]) -> Line:
    return min(row, key=lambda other: _gap(piece, other))


def _gap(a: Line, b: Line) -> float:
    """The pixels between two pieces in x; less than 0 where they overlap."""
    return max(_left(a), _left(b)) - min(_right(a), _right(b))


def _shared_height(a: Line, b: Line) -> float:
    """How much of the lower piece's height the two share where they face each other, 0..1.

    The height is measured where the pieces are nearest, so that a line which climbs a little over the width
    of the page still continues in its own row.
    """
    left, right = (a, b) if _left(a) <= _left(b) else (b, a)
    top_l, bottom_l = left.polygon[1][1], left.polygon[2][1]
    top_r, bottom_r = right.polygon[0][1], right.polygon[3][1]
    lower = min(bottom_l - top_l, bottom_r - top_r)
    shared = min(bottom_l, bottom_r) - max(top_l, top_r)
    return shared / lower if lower > 0 else 0.0


def _beside_overlap(a: Line, b: Line) -> float:
    """How much of the narrower piece's width lies over or under the other, 0..1."""
    shared = min(_right(a), _right(b)) - max(_left(a), _left(b))
    narrower = min(_right(a) - _left(a), _right(b) - _left(b))
    return shared / narrower if narrower > 0 else 0.0


def _joined(row: Sequence[Line]) -> list[Line]:
    lines: list[Line] = []
    for piece in row:
        if lines and _is_close(lines[-1], piece):
            lines[-1] = _join(lines[-1], piece)
        else:
            lines.append(piece)
    return lines


def _is_close(left: Line, right: Line) -> bool:
    return _left(right) - _right(left) <= MAX_GAP * min(_height(left), _height(right))


def _join(left: Line, right: Line) -> Line:
    """One line of two pieces: a space between them, the confidence weighted by characters."""
    count_l, count_r = len(left.text), len(right.text)
    return Line(
        text=f"{left.text} {right.text}",
        confidence=(left.confidence * count_l + right.confidence * count_r) / (count_l + count_r),
        polygon=_around(left.polygon, right.polygon),
        words=None if left.words is None or right.words is None else (*left.words, *right.words),
    )


def _around(left: Quad, right: Quad) -> Quad:
    """From the left piece's left edge to the right piece's right edge."""
    return (left[0], right[1], right[2], left[3])


def _left(line: Line) -> float:
    return min(_xs(line))


def _right(line: Line) -> float:
    return max(_xs(line))


def _xs(line: Line) -> list[float]:
    return [point[0] for point in line.polygon]


def _middle(line: Line) -> float:
    return sum(point[1] for point in line.polygon) / 4


def _height(line: Line) -> float:
    """The mean length of the two short edges' vertical extent, in pixels."""
    (_, top_l), (_, top_r), (_, bottom_r), (_, bottom_l) = line.polygon
    return ((bottom_l - top_l) + (bottom_r - top_r)) / 2
