"""From what a decoder gives to the pixels of a page: 8 bits, in sRGB, on white, upright, within a size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL.Image import Image, Resampling, Transpose, fromarray, new

from handlers.document.images.decoders import STATED_BITS, Picture
from handlers.document.images.deep import eight_bits, white_of_16_bits
from handlers.document.images.profiles import lab_converter, profile_converter
from handlers.document.warnings import PageWarning, WarningCode

if TYPE_CHECKING:
    from handlers.document.engine import Page

_BAND_PIXELS = 1_000_000
"""How much is converted at a time: what is in between takes a few megabytes, whatever the size of the page."""

_UNDO = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a page upright, by its orientation (EXIF 2.32, tag 0x0112)."""

Converter: TypeAlias = Callable[[Image], Image]


def upright_pixels(picture: Picture, orientation: int, max_pixels: int) -> tuple[Page, list[PageWarning]]:
    """HxWx3 uint8 BGR, contiguous, of at most ``max_pixels``; and what was passed over."""
    image, profile = _shrunk(picture.image, max_pixels), picture.profile
    del picture  # what was decoded goes before the page is made, where the caller keeps none of it
    if orientation in _UNDO:
        image = image.transpose(_UNDO[orientation])
    warnings: list[PageWarning] = []
    convert = _to_rgb(image.mode, profile, warnings)
    return _bgr(image, convert), warnings


def fitting_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The size to which a page is shrunk to have at most ``max_pixels``."""
    if width * height <= max_pixels:
        return width, height
    factor = (max_pixels / (width * height)) ** 0.5
    return max(1, int(width * factor)), max(1, int(height * factor))


def _shrunk(image: Image, max_pixels: int) -> Image:
    """Of 8 bits a sample. Made in bands: Pillow's copies on the way have several times the bytes of the picture."""
    size = fitting_size(*image.size, max_pixels)
    if size == image.size or _is_deep(image):
        image = _eight_bits(image)
    if size == image.size:
        return image
    page: Image | None = None
    rows = max(1, _BAND_PIXELS * size[1] // (image.width * image.height))
    for top in range(0, size[1], rows):
        band = _shrunk_band(image, size, top, min(top + rows, size[1]))
        page = page or new(band.mode, size)
        page.paste(band, (0, top))
    assert page is not None
    return page


def _shrunk_band(image: Image, size: tuple[int, int], top: int, bottom: int) -> Image:
    """Rows ``top`` to ``bottom`` of the picture at ``size``, each made of rows at most one step above and below."""
    step = image.height / size[1]
    first = max(0, int((top - 1) * step) - 1)
    last = min(image.height, int((bottom + 1) * step) + 2)
    rows = _eight_bits(image.crop((0, first, image.width, last)))
    box = (0, top * step - first, image.width, min(bottom * step - first, rows.height))
    return rows.resize((size[0], bottom - top), Resampling.BILINEAR, box)


def _is_deep(image: Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _eight_bits(image: Image) -> Image:
    """A picture whose mode is one of ``L``, ``LA``, ``RGB``, ``RGBA``, ``CMYK`` and ``LAB``."""
    if _is_deep(image):
        samples = np.asarray(image)
        white = 65_535.0 if image.mode == "F" or STATED_BITS in image.info else white_of_16_bits(samples)
        return fromarray(eight_bits(samples, white))
    if image.mode == "1" and "transparency" not in image.info:
        return image.convert("L")
    if image.mode in ("P", "PA") or ("transparency" in image.info and image.mode in ("1", "L", "RGB")):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    target = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}.get(image.mode)
    if target is not None:
        return image.convert(target)
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB") else image.convert("RGB")


def _to_rgb(mode: str, profile: bytes | None, warnings: list[PageWarning]) -> Converter:
    """Turns a band of ``mode`` into ``RGB``. A profile that is damaged, or not for such colours, is passed over with
    a warning; colours without one are taken for sRGB, and CMYK is converted by Pillow's formula."""
    opaque = {"LA": "L", "RGBA": "RGB"}.get(mode, mode)
    colours = _colours(opaque, profile, warnings)
    return colours if opaque == mode else lambda band: _on_white(colours(band.convert(opaque)), band.getchannel("A"))


def _colours(mode: str, profile: bytes | None, warnings: list[PageWarning]) -> Converter:
    if profile is not None:
        try:
            return profile_converter(mode, profile)
        except ValueError:
            warnings.append(PageWarning(WarningCode.PROFILE_IGNORED))
    return lab_converter() if mode == "LAB" else _plain


def _plain(band: Image) -> Image:
    return band.convert("RGB")


def _on_white(colours: Image, opacity: Image) -> Image:
    page = new("RGB", colours.size, "white")
    page.paste(colours, mask=opacity)
    return page


def _bgr(image: Image, convert: Converter) -> Page:
    page = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for top, band in _bands(image):
        rows = convert(band).tobytes("raw", "BGR")
        page[top : top + band.height] = np.frombuffer(rows, dtype=np.uint8).reshape(band.height, image.width, 3)
    return page


def _bands(image: Image) -> Iterator[tuple[int, Image]]:
    """The picture in bands from top to bottom, each with its first row."""
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))
