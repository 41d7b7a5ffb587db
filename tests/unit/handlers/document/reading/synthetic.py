"""Pages to measure and to read, drawn from seeds, and what can happen to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from testing.documents import sample_page

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import Page

WORDS = (
    *("harbour", "lane", "printers", "the", "of", "and", "minister", "invoice", "total", "Saturday", "morning"),
    *("weather", "quiet", "letters", "small", "notes", "order", "price", "paper", "yellow", "under", "never", "window"),
)


def letter(seed: int) -> Page:
    return bgr(sample_page(seed).image)


def sparse(seed: int) -> Page:
    """Three short lines on an empty sheet."""
    draw, image, pen = _sheet(seed)
    for row in range(3):
        pen.text((draw.randint(100, 300), 300 + row * 200), words(draw, 5), font=_font(34), fill=0)
    return bgr(image)


def table(seed: int) -> Page:
    draw, image, pen = _sheet(seed)
    for row in range(20):
        y = 150 + row * 60
        pen.line([(100, y), (1140, y)], fill=0, width=2)
        for column, x in enumerate((110, 400, 700, 1000)):
            cell = words(draw, 1) if column < 2 else str(draw.randint(10, 9999))
            if row < 19:
                pen.text((x, y + 15), cell, font=_font(26), fill=0)
    for x in (100, 390, 690, 990, 1140):
        pen.line([(x, 150), (x, 150 + 19 * 60)], fill=0, width=2)
    return bgr(image)


def form(seed: int) -> Page:
    draw, image, pen = _sheet(seed)
    pen.text((100, 80), f"APPLICATION FORM {words(draw, 2)}", font=_font(44), fill=0)
    for row in range(14):
        y = 200 + row * 100
        pen.text((100, y), f"{words(draw, 2)}:", font=_font(22), fill=0)
        pen.rectangle([420, y - 10, 1140, y + 40], outline=0, width=2)
        if draw.random() < 0.6:
            pen.text((440, y - 4), words(draw, 3), font=_font(30), fill=(20, 20, 120))
    return bgr(image)


def receipt(seed: int) -> Page:
    draw = random.Random(seed)
    image = Image.new("RGB", (600, 1500), (235, 235, 230))
    pen = ImageDraw.Draw(image)
    for row in range(30):
        y = 60 + row * 44
        pen.text((40, y), words(draw, 2), font=_font(26), fill=(40, 40, 40))
        price = f"{draw.randint(1, 99)}.{draw.randint(10, 99)}"
        pen.text((560, y), price, font=_font(26), fill=(40, 40, 40), anchor="ra")
    return bgr(image)


def light_on_dark(seed: int) -> Page:
    return np.asarray(255 - letter(seed), np.uint8)


def with_picture(seed: int) -> Page:
    """A letter with a photo in its middle: texture in all directions."""
    page = letter(seed)
    page[900:1500, 200:900] = _texture(seed, 600, 700)
    return page


KINDS: Mapping[str, Callable[[int], Page]] = {
    "letter": letter,
    "sparse": sparse,
    "table": table,
    "form": form,
    "receipt": receipt,
    "light_on_dark": light_on_dark,
    "with_picture": with_picture,
}


def texture(seed: int) -> Page:
    """No print at all."""
    return _texture(seed, 1500, 1100)


def turned(page: Page, degrees: float) -> Page:
    """The page turned clockwise, whole, on a sheet of its own paper's colour."""
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1)
    cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
    wide, high = int(height * sine + width * cosine) + 2, int(height * cosine + width * sine) + 2
    turn[0, 2] += (wide - width) / 2
    turn[1, 2] += (high - height) / 2
    paper = tuple(int(value) for value in np.median(page[:40, :40].reshape(-1, 3), axis=0))
    return np.asarray(cv2.warpAffine(page, turn, (wide, high), flags=cv2.INTER_CUBIC, borderValue=paper), np.uint8)


def photographed(page: Page, seed: int, spread: float = 60.0) -> tuple[Page, npt.NDArray[np.float32]]:
    """The page on a dark, structured table, its corners up to ``spread`` pixels off a rectangle, and these corners."""
    draw = random.Random(seed)
    height, width = page.shape[:2]
    table_top = np.asarray(np.clip(_texture(seed, height + 400, width + 400) * 0.4 + 20, 0, 255), np.uint8)
    sides = ((200, 200), (200 + width, 200), (200 + width, 200 + height), (200, 200 + height))
    corners = np.array(
        [[x + draw.uniform(-spread, spread), y + draw.uniform(-spread, spread)] for x, y in sides], np.float32
    )
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    homography = cv2.getPerspectiveTransform(flat, corners)
    size = (table_top.shape[1], table_top.shape[0])
    photo = cv2.warpPerspective(page, homography, size, dst=table_top, borderMode=cv2.BORDER_TRANSPARENT)
    return np.asarray(photo, np.uint8), corners


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(count))


def bgr(image: Image.Image) -> Page:
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[:, :, ::-1])


def _texture(seed: int, height: int, width: int) -> Page:
    grain = np.random.default_rng(seed).normal(128, 90, (height, width, 3)).astype(np.float32)
    return np.asarray(np.clip(cv2.GaussianBlur(grain, (0, 0), 3) * 3 - 256, 0, 255), np.uint8)


def _sheet(seed: int) -> tuple[random.Random, Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (1240, 1754), "white")
    return random.Random(seed), image, ImageDraw.Draw(image)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
