"""What happens to a page between the printer and the reader: each condition as a function of pixels and word boxes.

A :class:`Shot` is HxWx3 uint8 BGR with the word boxes on it and the angle of its content, clockwise in degrees;
``None`` where perspective leaves none that is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.document_pages.truth import Point, Quad, TruthWord

if TYPE_CHECKING:
    from handlers.document.engine import Page

Floats: TypeAlias = npt.NDArray[np.float32]
Matrix: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shot:
    pixels: Page
    words: tuple[TruthWord, ...]
    dpi: float
    angle: float | None = 0.0


def clean(shot: Shot, draw: Random) -> Shot:
    return shot


def blur(shot: Shot, draw: Random) -> Shot:
    """Out of focus: a Gaussian of 0.6 to 1.5 pixels at 200 dpi."""
    return _toned(shot, cv2.GaussianBlur(shot.pixels, (0, 0), draw.uniform(0.6, 1.5) * shot.dpi / 200))


def motion(shot: Shot, draw: Random) -> Shot:
    """Moved while it was taken, by 4 to 9 pixels at 200 dpi, in any direction."""
    length = max(3, round(draw.uniform(4, 9) * shot.dpi / 200)) | 1
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), draw.uniform(0, 180), 1.0)
    turned = cv2.warpAffine(kernel, turn, (length, length))
    return _toned(shot, cv2.filter2D(shot.pixels, -1, turned / turned.sum()))


def noise(shot: Shot, draw: Random) -> Shot:
    """A sensor's grain, a standard deviation of 12 to 32 grey levels, and specks."""
    source = _source(draw)
    height, width = shot.pixels.shape[:2]
    grain = source.normal(0, draw.uniform(12, 32), (height, width, 1)).astype(np.float32)
    noisy = _clipped(shot.pixels.astype(np.float32) + grain)
    specks = source.random((height, width)) < draw.uniform(0, 0.004)
    noisy[specks] = source.choice(np.array([0, 255], np.uint8), size=(int(specks.sum()), 1))
    return _toned(shot, noisy)


def jpeg(shot: Shot, draw: Random) -> Shot:
    """Compressed at a quality of 8 to 25."""
    return _toned(shot, _compressed(shot.pixels, draw.randint(8, 25)))


def dark(shot: Shot, draw: Random) -> Shot:
    """Low light: white becomes a grey of 45 to 110, with grain."""
    white = draw.uniform(45, 110)
    grain = _source(draw).normal(0, draw.uniform(2, 6), (*shot.pixels.shape[:2], 1)).astype(np.float32)
    return _toned(shot, _clipped(shot.pixels.astype(np.float32) * (white / 255) + 8 + grain))


def shadow(shot: Shot, draw: Random) -> Shot:
    """One or two soft-edged shadows and a falling light."""
    height, width = shot.pixels.shape[:2]
    light = np.linspace(draw.uniform(0.75, 1.0), draw.uniform(0.75, 1.0), width, dtype=np.float32)[None, :].repeat(
        height, 0
    )
    for _ in range(draw.randint(1, 2)):
        mask = np.zeros((height, width), np.float32)
        centre = (draw.uniform(0, width), draw.uniform(0, height))
        corners = [
            (centre[0] + draw.uniform(-0.8, 0.8) * width, centre[1] + draw.uniform(-0.6, 0.6) * height)
            for _ in range(4)
        ]
        cv2.fillConvexPoly(mask, cv2.convexHull(np.array(corners, np.int32)), 1.0)
        light *= 1 - draw.uniform(0.35, 0.6) * cv2.GaussianBlur(
            mask, (0, 0), max(height, width) * draw.uniform(0.008, 0.03)
        )
    return _toned(shot, _clipped(shot.pixels.astype(np.float32) * light[:, :, None]))


def faint(shot: Shot, draw: Random) -> Shot:
    """A ribbon or cartridge at its end: ink at 18 to 40 percent, uneven, with gaps."""
    height, width = shot.pixels.shape[:2]
    source = _source(draw)
    patches = cv2.resize(
        source.uniform(0.6, 1.0, (12, 9)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    strength = draw.uniform(0.18, 0.40) * patches
    strength[source.random((height, width)) < draw.uniform(0, 0.06)] *= 0.3
    paper = float(np.median(shot.pixels))
    return _toned(shot, _clipped(paper - (paper - shot.pixels.astype(np.float32)) * strength[:, :, None]))


def small(shot: Shot, draw: Random) -> Shot:
    """Scanned or sent at 75 to 105 dpi."""
    share = draw.uniform(75, 105) / shot.dpi
    height, width = (max(1, round(side * share)) for side in shot.pixels.shape[:2])
    pixels = cv2.resize(shot.pixels, (width, height), interpolation=cv2.INTER_AREA)
    scale = np.diag([width / shot.pixels.shape[1], height / shot.pixels.shape[0], 1.0])
    return Shot(_page(pixels), _moved(shot.words, scale), shot.dpi * share, shot.angle)


def skew(shot: Shot, draw: Random) -> Shot:
    """Laid on the glass at an angle of -15 to 15 degrees, whole."""
    return turned_by(shot, round(draw.uniform(-15, 15), 2))


def turned(shot: Shot, draw: Random) -> Shot:
    """On its side or upside down."""
    turns = draw.randint(1, 3)
    height, width = shot.pixels.shape[:2]
    matrices = {
        1: [[0, -1, height], [1, 0, 0], [0, 0, 1]],
        2: [[-1, 0, width], [0, -1, height], [0, 0, 1]],
        3: [[0, 1, 0], [-1, 0, width], [0, 0, 1]],
    }
    pixels = np.ascontiguousarray(np.rot90(shot.pixels, -turns))
    angle = {1: 90.0, 2: 180.0, 3: -90.0}[turns]
    return Shot(pixels, _moved(shot.words, np.array(matrices[turns], np.float64)), shot.dpi, angle)


def photo(shot: Shot, draw: Random) -> Shot:
    """Taken by hand: the sheet in perspective on a table, uneven light, a little blur and noise, JPEG."""
    height, width = shot.pixels.shape[:2]
    out = (round(width * draw.uniform(1.15, 1.35)), round(height * draw.uniform(1.1, 1.25)))
    corners = _corners_in_view(draw, (width, height), out)
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, np.array(corners, np.float32))
    table = _table(draw, out)
    laid = cv2.warpPerspective(shot.pixels, matrix, out, flags=cv2.INTER_AREA)
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, out, flags=cv2.INTER_AREA)
    share = cover.astype(np.float32)[:, :, None] / 255
    seen = _page(_clipped(laid.astype(np.float32) * share + table.astype(np.float32) * (1 - share)))
    lit = shadow(Shot(seen, _moved(shot.words, matrix), shot.dpi, None), draw) if draw.random() < 0.5 else None
    result = lit or Shot(seen, _moved(shot.words, matrix), shot.dpi, None)
    softened = cv2.GaussianBlur(result.pixels, (0, 0), draw.uniform(0.4, 0.9))
    grain = _source(draw).normal(0, draw.uniform(1, 5), (*result.pixels.shape[:2], 3)).astype(np.float32)
    return _toned(result, _compressed(_clipped(softened.astype(np.float32) + grain), draw.randint(60, 90)))


def turned_by(shot: Shot, degrees: float) -> Shot:
    """Turned clockwise on a canvas that holds all of it, filled with the colour of the page's edge."""
    height, width = shot.pixels.shape[:2]
    matrix = np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0), [0, 0, 1]])
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    out = (round(width * cos + height * sin), round(width * sin + height * cos))
    matrix[0, 2] += (out[0] - width) / 2
    matrix[1, 2] += (out[1] - height) / 2
    edge = tuple(int(value) for value in np.median(shot.pixels[0], axis=0))
    pixels = cv2.warpAffine(
        shot.pixels, matrix[:2], out, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=edge
    )
    return Shot(_page(pixels), _moved(shot.words, matrix), shot.dpi, degrees)


CONDITIONS: Mapping[str, Callable[[Shot, Random], Shot]] = {
    "clean": clean,
    "blur": blur,
    "motion": motion,
    "noise": noise,
    "jpeg": jpeg,
    "dark": dark,
    "shadow": shadow,
    "faint": faint,
    "small": small,
    "skew": skew,
    "turned": turned,
    "photo": photo,
}


def _corners_in_view(draw: Random, page: tuple[int, int], out: tuple[int, int]) -> list[Point]:
    """Where the sheet's corners come to lie: inside the picture, each drawn in by up to a tenth."""
    width, height = page
    left, top = (out[0] - width) / 2, (out[1] - height) / 2
    slack = 0.09
    signs = ((0, 0), (1, 0), (1, 1), (0, 1))
    return [
        (
            left + x * width + (1 - 2 * x) * draw.uniform(-0.3 * slack, slack) * width,
            top + y * height + (1 - 2 * y) * draw.uniform(-0.3 * slack, slack) * height,
        )
        for x, y in signs
    ]


def _table(draw: Random, size: tuple[int, int]) -> Page:
    """Wood, or a plain cloth: bands of a dark colour with grain along one side."""
    width, height = size
    source = _source(draw)
    colour = np.array(draw.choice([(40, 60, 92), (60, 60, 66), (52, 74, 58), (96, 108, 120)]), np.float32)
    bands = cv2.resize(
        source.normal(0, 9, (height // 6 + 1, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    grain = source.normal(0, 5, (height, width)).astype(np.float32)
    return _page(_clipped(colour + (bands + grain)[:, :, None]))


def _moved(words: tuple[TruthWord, ...], matrix: Any) -> tuple[TruthWord, ...]:
    return tuple(replace(word, polygon=_moved_quad(word.polygon, matrix)) for word in words)


def _moved_quad(polygon: Quad, matrix: Any) -> Quad:
    first, second, third, fourth = (_moved_point(point, matrix) for point in polygon)
    return (first, second, third, fourth)


def _moved_point(point: Point, matrix: Any) -> Point:
    x, y, weight = (float(value) for value in matrix @ np.array([point[0], point[1], 1.0]))
    return x / weight, y / weight


def _toned(shot: Shot, pixels: Any) -> Shot:
    return replace(shot, pixels=_page(pixels))


def _page(pixels: Any) -> Page:
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _clipped(values: Any) -> Page:
    return _page(np.clip(values, 0, 255))


def _compressed(pixels: Page, quality: int) -> Page:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return _page(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _source(draw: Random) -> np.random.Generator:
    return np.random.default_rng(draw.getrandbits(64))
