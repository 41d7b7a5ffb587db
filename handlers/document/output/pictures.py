"""Pictures of a page: what was read on it and where, and a small one of it alone."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from PIL import ImageDraw, ImageFont
from PIL.Image import Image, frombuffer

from handlers.document.engine import DOUBTFUL_BELOW, Quad
from handlers.document.output.page import PlacedPage
from handlers.document.records import PageRecord

if TYPE_CHECKING:
    from handlers.document.engine import Page

PICTURE_TYPE = "image/jpeg"

_JPEG_QUALITY = 85
_WORD_ALPHA = 56
_SURE, _UNSURE, _DOUBTFUL, _ORDER = (0, 140, 60), (230, 140, 0), (210, 30, 30), (40, 80, 200)


def colour(confidence: float) -> tuple[int, int, int]:
    """Green from 0.95 on, amber from :data:`handlers.document.engine.DOUBTFUL_BELOW` on, red below."""
    if confidence >= 0.95:
        return _SURE
    return _UNSURE if confidence >= DOUBTFUL_BELOW else _DOUBTFUL


def thumbnail(pixels: Page, side: int) -> bytes:
    """JPEG bytes of a page, HxWx3 uint8 BGR, its longer side at most ``side`` pixels."""
    return _jpeg(_shrunk(pixels, side))


def draw_overlay(pixels: Page, record: PageRecord, side: int) -> bytes:
    """JPEG bytes as of :func:`thumbnail`, with what was read.

    Words are filled and lines are framed in the colour of their confidence; blocks have a blue frame, and their numbers
    in reading order.
    """
    placed = PlacedPage(record)
    picture = _shrunk(pixels, side)
    scale = (picture.width / record.width, picture.height / record.height)
    stroke = max(1, round(max(picture.size) / 1_000))
    draw = ImageDraw.Draw(picture, "RGBA")
    for line in placed.lines:
        for word in line.words:
            draw.polygon(_scaled(word.polygon, scale), fill=(*colour(word.confidence), _WORD_ALPHA))
        _frame(draw, _scaled(line.polygon, scale), colour(line.confidence), stroke)
    size = max(10, round(max(picture.size) / 70))
    for number, block in enumerate(placed.blocks, 1):
        corners = _scaled(placed.around(block.lines), scale)
        _frame(draw, corners, _ORDER, stroke)
        _label(draw, corners, str(number), size)
    return _jpeg(picture)


def _frame(
    draw: ImageDraw.ImageDraw, corners: list[tuple[float, float]], shade: tuple[int, int, int], width: int
) -> None:
    draw.line([*corners, corners[0]], fill=shade, width=width, joint="curve")


def _label(draw: ImageDraw.ImageDraw, corners: list[tuple[float, float]], text: str, size: int) -> None:
    """``text``, white on blue, before the block's first line as the block lies, and inside of the picture."""
    font = ImageFont.load_default(size)
    width, height = draw.textlength(text, font) + size / 2, 1.2 * size
    (x, y), (end_x, end_y) = corners[:2]
    length = math.hypot(x - end_x, y - end_y) or 1.0
    out_x, out_y = (x - end_x) / length, (y - end_y) / length
    away = abs(out_x) * width / 2 + abs(out_y) * height / 2
    left = max(0.0, x + out_x * away - width / 2)
    top = max(0.0, y + out_y * away - height / 2)
    draw.rectangle((left, top, left + width, top + height), fill=(*_ORDER, 220))
    draw.text((left + size / 4, top), text, fill="white", font=font)


def _scaled(polygon: Quad, scale: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * scale[0], y * scale[1]) for x, y in polygon]


def _shrunk(pixels: Page, side: int) -> Image:
    """A copy whose longer side is at most ``side`` pixels."""
    height, width = pixels.shape[:2]
    page = frombuffer("RGB", (width, height), pixels, "raw", "BGR", 0, 1)
    longer = max(page.size)
    if longer <= side:
        return page.copy()
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    return page.resize(size, reducing_gap=2.0)


def _jpeg(picture: Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()
