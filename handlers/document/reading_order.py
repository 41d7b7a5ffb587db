"""Positions of a page that was turned upright, taken back to the page as it was given."""

from __future__ import annotations

from handlers.document.engine import Point, Quad


def turn_back(polygon: Quad, quarter_turns: int, width: float, height: float) -> Quad:
    """A polygon of the upright page as a polygon of the page as it was given.

    The upright page came of the given one, ``width`` x ``height`` pixels, by ``quarter_turns`` turns of 90
    degrees counter-clockwise. The order of the corners stays that of the text.
    """
    a, b, c, d = polygon
    turned = (_back(point, quarter_turns, width, height) for point in (a, b, c, d))
    first, second, third, fourth = turned
    return (first, second, third, fourth)


def _back(point: Point, quarter_turns: int, width: float, height: float) -> Point:
    x, y = point
    match quarter_turns % 4:
        case 0:
            return (x, y)
        case 1:
            return (width - y, x)
        case 2:
            return (width - x, height - y)
        case _:
            return (y, height - x)
