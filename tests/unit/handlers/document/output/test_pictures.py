from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from handlers.document.engine import Line, Word
from handlers.document.output.pictures import colour, draw_overlay, thumbnail
from tests.support.printed import box
from tests.support.records import failed_page, printed_page, record, unusual_page


def page(width: int, height: int, value: int = 255) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixel(image: Image.Image, x: float, y: float) -> Sequence[int]:
    found = image.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize(
    ("size", "expected"), [((400, 300), (400, 300)), ((3_200, 800), (1_600, 400)), ((9_000, 1), (1_600, 1))]
)
def test_a_thumbnail_is_the_pages_shape_and_at_most_so_large(size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = opened(thumbnail(page(*size), 1_600))

    assert image.size == expected
    assert image.format == "JPEG"


def test_blue_stays_blue() -> None:
    pixels = page(64, 64, 0)
    pixels[:, :, 0] = 255

    assert pixel(opened(thumbnail(pixels, 64)), 30, 30) == pytest.approx((0, 0, 255), abs=8)


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "pixel"), (0.25, "pixel"), (1.0, "inch")])
def test_words_are_where_they_stand_in_the_colour_of_their_confidence(scale: float, unit: str) -> None:
    """The page is looked at in the record's size, in pixels of the picture, or in inches."""
    words = (Word("sure", box(200, 500, 300, 100), 0.99), Word("not", box(700, 500, 300, 100), 0.4))
    line = Line("sure not", 0.6, box(200, 500, 800, 100), words)
    pixels = page(round(1_700 * scale), round(2_200 * scale))
    image = opened(draw_overlay(pixels, record(1, [line], "inch" if unit == "inch" else "pixel"), 5_000))

    assert pixel(image, 50 * scale, 50 * scale) == pytest.approx((255, 255, 255), abs=8)
    green, red = pixel(image, 350 * scale, 550 * scale), pixel(image, 850 * scale, 550 * scale)
    assert green[1] > green[0] + 20
    assert red[0] > red[1] + 20
    assert (pixels == 255).all()


def test_colours_fall_from_green_over_amber_to_red() -> None:
    assert len({colour(0.99), colour(0.9), colour(0.5)}) == 3
    assert colour(0.95) == colour(1.0)
    assert colour(0.80) == colour(0.94)
    assert colour(0.0) == colour(0.79)


@pytest.mark.parametrize(
    ("angle", "turns", "corner"),
    [(0.0, 0, (360, 385, 400, 420)), (90.0, 1, (385, 360, 420, 400)), (180.0, 2, (400, 385, 440, 420))],
)
def test_a_blocks_number_stands_before_its_first_line_as_that_lies(
    angle: float, turns: int, corner: tuple[int, int, int, int]
) -> None:
    """The text begins at (400, 400), and is turned about it."""
    a, b, c, d = ((0, 0), (400, 0), (400, 40), (0, 40))
    polygon = [(400 + x, 400 + y) for x, y in (turned(point, turns) for point in (a, b, c, d))]
    line = Line("a line", 1.0, (polygon[0], polygon[1], polygon[2], polygon[3]))
    empty = opened(draw_overlay(page(1_700, 2_200), record(1, []), 2_200))
    one = opened(draw_overlay(page(1_700, 2_200), record(1, [line], angle=angle), 2_200))

    assert np.asarray(empty.crop(corner)).min() > 240
    distance = np.abs(np.asarray(one.crop(corner)).astype(int) - (40, 80, 200)).sum(axis=2)
    assert (distance < 60).sum() > 100


def turned(point: tuple[int, int], turns: int) -> tuple[int, int]:
    x, y = point
    return {0: (x, y), 1: (-y, x), 2: (-x, -y)}[turns]


@pytest.mark.parametrize("found", [printed_page(1), unusual_page(2), failed_page(3), printed_page(1, "inch")])
def test_the_same_page_gives_the_same_bytes(found: object) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (550, 425, 3), np.uint8)

    assert draw_overlay(pixels, found, 500) == draw_overlay(pixels, found, 500)  # type: ignore[arg-type]
