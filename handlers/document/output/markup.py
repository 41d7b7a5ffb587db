"""What hOCR and ALTO have in common: escaped text, upright boxes, and how a line lies."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple
from xml.sax.saxutils import quoteattr as _quoted

from handlers.document.engine import Point, Quad

DESCENT = 0.2
"""The share of a line's height under its baseline. Polygons hold a line with its descenders, and the baseline itself is
not measured; in most Latin typefaces these take a fifth."""


class Extent(NamedTuple):
    """An upright rectangle."""

    left: float
    top: float
    right: float
    bottom: float


def attribute(value: str) -> str:
    """``value`` in quotes, escaped. It holds no characters that XML forbids."""
    return _quoted(value)


def extent(polygons: Iterable[Quad], scale: float) -> Extent:
    """What encloses ``polygons``, in their unit times ``scale``."""
    points = [point for polygon in polygons for point in polygon]
    xs, ys = [x * scale for x, _ in points], [y * scale for _, y in points]
    return Extent(min(xs), min(ys), max(xs), max(ys))


def clockwise(polygon: Quad) -> float:
    """How far a line is turned clockwise, in degrees in [-180, 180]."""
    a, b, c, d = polygon
    return math.degrees(math.atan2(b[1] - a[1] + c[1] - d[1], b[0] - a[0] + c[0] - d[0]))


def baseline(polygon: Quad) -> tuple[Point, Point]:
    """Where a line's baseline begins and ends, by :data:`DESCENT`."""
    a, b, c, d = polygon
    return (_toward(d, a), _toward(c, b))


def _toward(low: Point, high: Point) -> Point:
    return (low[0] + (high[0] - low[0]) * DESCENT, low[1] + (high[1] - low[1]) * DESCENT)
