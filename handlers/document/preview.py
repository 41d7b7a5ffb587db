"""A picture of a page with what was read on it: a box a line, coloured by confidence."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import ImageDraw
from PIL.Image import Image

from handlers.document.engine import DOUBTFUL_BELOW, Line

CONTENT_TYPE = "image/jpeg"

_JPEG_QUALITY = 85
_FILL_ALPHA = 36
_SURE, _UNSURE, _DOUBTFUL = (0, 140, 60), (230, 140, 0), (210, 30, 30)


def colour(confidence: float) -> tuple[int, int, int]:
    """Green from 0.95 on, amber from :data:`DOUBTFUL_BELOW` on, red below."""
    if confidence >= 0.95:
        return _SURE
    return _UNSURE if confidence >= DOUBTFUL_BELOW else _DOUBTFUL


def draw_preview(page: Image, lines: Sequence[Line], side: int) -> bytes:
    """JPEG bytes of ``page`` (mode ``RGB``), its longer side at most ``side`` pixels, with the lines' boxes."""
    picture = _shrunk(page, side)
    scale_x, scale_y = picture.width / page.width, picture.height / page.height
    stroke = max(1, round(max(picture.size) / 800))
    draw = ImageDraw.Draw(picture, "RGBA")
    for line in lines:
        corners = [(x * scale_x, y * scale_y) for x, y in line.polygon]
        red, green, blue = colour(line.confidence)
        draw.polygon(corners, fill=(red, green, blue, _FILL_ALPHA))
        draw.line([*corners, corners[0]], fill=(red, green, blue), width=stroke, joint="curve")
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def _shrunk(page: Image, side: int) -> Image:
    """A copy whose longer side is at most ``side`` pixels."""
    longer = max(page.size)
    if longer <= side:
        return page.copy()
    size = (max(1, round(page.width * side / longer)), max(1, round(page.height * side / longer)))
    return page.resize(size, reducing_gap=2.0)
