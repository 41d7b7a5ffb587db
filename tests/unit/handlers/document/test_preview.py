from __future__ import annotations

import io

import pytest
from PIL import Image

from handlers.document.engine import Line, Quad
from handlers.document.preview import colour, draw_preview

BOX: Quad = ((100, 100), (300, 100), (300, 200), (100, 200))


def drawn(page: Image.Image, *lines: Line, side: int = 1_600) -> Image.Image:
    image = Image.open(io.BytesIO(draw_preview(page, lines, side)))
    image.load()
    return image


@pytest.mark.parametrize(
    ("size", "expected"), [((400, 300), (400, 300)), ((3_200, 800), (1_600, 400)), ((9_000, 1), (1_600, 1))]
)
def test_the_picture_is_the_pages_shape_and_at_most_so_large(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert drawn(Image.new("RGB", size)).size == expected


@pytest.mark.parametrize("side", [1_600, 200])
def test_a_box_is_where_the_line_is_in_the_colour_of_its_confidence(side: int) -> None:
    page = Image.new("RGB", (400, 300), "white")
    image = drawn(page, Line("text", 0.5, BOX), side=side)
    scale = image.width / 400

    def pixel(x: float, y: float) -> tuple[int, ...]:
        found = image.getpixel((round(x * scale), round(y * scale)))
        assert isinstance(found, tuple)
        return found

    assert pixel(20, 20) == pytest.approx((255, 255, 255), abs=8)
    edge, inside = pixel(200, 100), pixel(200, 150)
    assert edge[0] > edge[1] + 60
    assert inside[0] > inside[1] + 10
    assert page.getpixel((200, 100)) == (255, 255, 255)


def test_colours_fall_from_green_over_amber_to_red() -> None:
    assert len({colour(0.99), colour(0.9), colour(0.5)}) == 3
    assert colour(0.95) == colour(1.0)
    assert colour(0.80) == colour(0.94)
    assert colour(0.0) == colour(0.79)


def test_the_same_page_gives_the_same_bytes() -> None:
    page = Image.effect_noise((800, 600), 60).convert("RGB")
    line = Line("text", 0.9, BOX)

    assert draw_preview(page, [line], 500) == draw_preview(page, [line], 500)
