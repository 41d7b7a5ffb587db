"""Maps between a page as it was given and as it is read, and pages drawn by them.

Positions are those of :mod:`handlers.document.engine`: (0, 0) is the upper left corner of the first pixel. Angles are
degrees clockwise as one looks at the page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from handlers.document.engine import Line, Point, Quad, Word

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import Page

    Matrix: TypeAlias = npt.NDArray[np.floating[Any]]

_SAMPLED = 8
_BRIGHTNESS_BINS = 32


@dataclass(frozen=True, slots=True)
class Plane:
    """A page as it is read: ``pixels``, and ``back``, the 3x3 homography from its positions to the given page's."""

    pixels: Page
    back: Matrix

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def given(pixels: Page) -> Plane:
    """The page as it was given."""
    return Plane(pixels, np.eye(3))


def turned_back(plane: Plane, quarters: int) -> Plane:
    """The page turned counter-clockwise by ``quarters`` of a circle: exact, no pixel changes."""
    width, height = plane.width, plane.height
    back = {
        0: np.eye(3),
        1: np.array([[0, -1, width], [1, 0, 0], [0, 0, 1]], np.float64),
        2: np.array([[-1, 0, width], [0, -1, height], [0, 0, 1]], np.float64),
        3: np.array([[0, 1, 0], [-1, 0, height], [0, 0, 1]], np.float64),
    }[quarters % 4]
    if quarters % 4 == 0:
        return plane
    return Plane(np.ascontiguousarray(np.rot90(plane.pixels, quarters)), plane.back @ back)


def rotated_back(plane: Plane, degrees: float) -> Plane:
    """The page turned counter-clockwise by ``degrees``, on a sheet of the paper's colour that holds all of it."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    width, height = plane.width, plane.height
    wide = math.ceil(width * abs(cosine) + height * abs(sine) - 1e-6)
    high = math.ceil(width * abs(sine) + height * abs(cosine) - 1e-6)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], np.float64)
    return drawn(plane, shift(width / 2, height / 2) @ turn @ shift(-wide / 2, -high / 2), wide, high)


def scaled(plane: Plane, by: float) -> Plane:
    """The page ``by`` times as large on each side, to the next whole pixel."""
    wide, high = max(1, round(plane.width * by)), max(1, round(plane.height * by))
    pixels = cv2.resize(plane.pixels, (wide, high), interpolation=cv2.INTER_CUBIC if by > 1 else cv2.INTER_AREA)
    back = np.diag([plane.width / wide, plane.height / high, 1.0])
    return Plane(np.asarray(pixels, np.uint8), plane.back @ back)


def drawn(plane: Plane, back: Matrix, width: int, height: int) -> Plane:
    """A page of ``width`` x ``height`` pixels whose positions ``back`` maps to those of ``plane``."""
    centres = shift(-0.5, -0.5) @ back @ shift(0.5, 0.5)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    colour = paper_colour(plane.pixels)
    if np.allclose(centres[2], (0, 0, 1), atol=1e-12):
        pixels = cv2.warpAffine(plane.pixels, centres[:2], (width, height), flags=flags, borderValue=colour)
    else:
        pixels = cv2.warpPerspective(plane.pixels, centres, (width, height), flags=flags, borderValue=colour)
    return Plane(np.asarray(pixels, np.uint8), plane.back @ back)


def shift(right: float, down: float) -> Matrix:
    return np.array([[1, 0, right], [0, 1, down], [0, 0, 1]], np.float64)


def paper_colour(page: Page) -> tuple[int, int, int]:
    """Blue, green and red of what most of the page is: the median of the pixels of the most frequent brightness."""
    sample = page[::_SAMPLED, ::_SAMPLED].reshape(-1, 3)
    bins = sample.astype(np.int32).sum(axis=1) * _BRIGHTNESS_BINS // (3 * 256)
    usual = int(np.argmax(np.bincount(bins, minlength=_BRIGHTNESS_BINS)))
    blue, green, red = np.median(sample[np.abs(bins - usual) <= 1], axis=0)
    return int(blue), int(green), int(red)


def line_back(line: Line, back: Matrix, width: int, height: int) -> Line:
    """A line that was read on a plane, on the given page of ``width`` x ``height``."""
    words = None if line.words is None else tuple(_word_back(word, back, width, height) for word in line.words)
    return replace(line, polygon=quad_back(line.polygon, back, width, height), words=words)


def quad_back(polygon: Quad, back: Matrix, width: int, height: int) -> Quad:
    """The polygon on the given page, held to it: what was filled in at the borders is none of it."""
    first, second, third, fourth = (_point_back(point, back, width, height) for point in polygon)
    return (first, second, third, fourth)


def _word_back(word: Word, back: Matrix, width: int, height: int) -> Word:
    return replace(word, polygon=quad_back(word.polygon, back, width, height))


def _point_back(point: Point, back: Matrix, width: int, height: int) -> Point:
    x, y, by = (float(value) for value in back @ np.array([point[0], point[1], 1.0], np.float64))
    return (min(max(x / by, 0.0), float(width)), min(max(y / by, 0.0), float(height)))


def angle_of(back: Matrix, width: int, height: int) -> float:
    """How far a plane's horizontal is turned clockwise on the given page, at the middle of the plane (``width`` x
    ``height``): degrees in (-180, 180]."""
    ends = np.array([[width / 2 - 1, width / 2 + 1], [height / 2, height / 2], [1, 1]], np.float64)
    left, right = (back @ ends).T
    across, down = right[:2] / right[2] - left[:2] / left[2]
    angle = math.degrees(math.atan2(float(down), float(across)))
    return 180.0 if angle <= -180.0 else angle
