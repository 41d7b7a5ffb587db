"""The best file of a picture that a schema's bytes let in."""

from __future__ import annotations

import io
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from handlers.portal.adapt.containers import least_padding, wrapped
from handlers.portal.adapt.jpeg import Chroma, JpegEncoder, quality_of, scale_of
from handlers.portal.adapt.search import ByteRange, Found, finest
from handlers.portal.adapt.similarity import similarity
from handlers.portal.errors import SizeExceeded, SizeTooSmall
from handlers.portal.schema import ImageFormat, SchemaDefinition

if TYPE_CHECKING:
    from handlers.document.engine import Page

_FINEST = 1 / 64
"""A quarter of the scale at which every step is 1: bits cost nothing any more."""

_ONE_CHROMA = (0.2, 0.35)
"""Under this scale, about libjpeg's quality of 90, all of the chroma was better for each picture that was tried, and
above that one, 82, half of it; between them both are."""

_ROOMY = 1.0
"""Bytes a pixel with which a photograph has room for all there is of it: the bound is tried at once."""

_PALETTES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2)

_MOST_PADDING = 65_536
"""Bytes: no more than this is padded, or than the pixels themselves have. A file beyond is nothing but padding."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """``quality`` and ``chroma`` as :class:`handlers.portal.adapt.AdaptReport` has them."""

    data: bytes
    decoded: Page
    quality: int | None
    chroma: str
    padding: int
    encodings: int
    similarity: float


def encoded(page: Page, definition: SchemaDefinition) -> Encoded:
    """``page`` is HxWx3 uint8 BGR of the schema's pixels.

    Raises :class:`handlers.portal.errors.SizeExceeded`, :class:`handlers.portal.errors.SizeTooSmall` and
    :class:`core.errors.DependencyMissing`.
    """
    sizes = ByteRange.of(definition)
    if definition.output_format is ImageFormat.JPEG:
        return _jpeg(page, definition, sizes)
    return _png(page, definition, sizes)


def decoded(data: bytes) -> Page:
    """HxWx3 uint8 BGR. Raises :class:`ValueError`."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if found is None:
        raise ValueError("the file cannot be decoded")
    return np.ascontiguousarray(found, np.uint8)


def _jpeg(page: Page, definition: SchemaDefinition, sizes: ByteRange) -> Encoded:
    form, dpi = ImageFormat.JPEG, definition.target_dpi
    most = sizes.high - len(wrapped(form, b"\xff\xd8\xff\xd9", dpi)) + 4
    most = most if sizes.high - sizes.low >= least_padding(form) else most - least_padding(form)
    bound = max(_FINEST, scale_of(definition.quality))
    tried = _tried(page, most, bound)
    if all(found.best is None for _, found in tried):
        raise _exceeded(min(len(wrapped(form, found.smallest.data, dpi)) for _, found in tried), sizes)
    encodings = sum(found.encodings for _, found in tried)
    made = [
        _finished(page, found.best.data, form, dpi, sizes, quality_of(found.best.scale), chroma, encodings)
        for chroma, found in tried
        if found.best is not None
    ]
    return max(made, key=lambda one: one.similarity)


def _tried(page: Page, most: int, bound: float) -> list[tuple[Chroma, Found]]:
    half, full = JpegEncoder(page, "4:2:0"), JpegEncoder(page, "4:4:4")
    roomy = most > _ROOMY * page.shape[0] * page.shape[1]
    scale = bound if roomy else half.likely_scale(most)
    found: list[tuple[Chroma, Found]] = []
    if scale < _ONE_CHROMA[1]:
        found.append(("4:4:4", finest(full, most, bound, bound if roomy else full.likely_scale(most))))
    if not found or scale > _ONE_CHROMA[0] or found[0][1].best is None:
        found.append(("4:2:0", finest(half, most, bound, scale)))
    return found


def _finished(
    page: Page, data: bytes, form: ImageFormat, dpi: int, sizes: ByteRange, quality: int | None, chroma: str, tries: int
) -> Encoded:
    bare = len(wrapped(form, data, dpi))
    padding = max(sizes.low - bare, least_padding(form)) if bare < sizes.low else 0
    if padding > max(_MOST_PADDING, page.size):
        raise SizeTooSmall(
            f"the best file has {bare:,} bytes, and at least {sizes.low:,} are wanted: the rest were padding",
            nearest_bytes=bare,
            min_bytes=sizes.low,
        )
    pixels = decoded(data)
    return Encoded(wrapped(form, data, dpi, padding), pixels, quality, chroma, padding, tries, similarity(page, pixels))


def _exceeded(nearest: int, sizes: ByteRange) -> SizeExceeded:
    return SizeExceeded(
        f"the smallest file has {nearest:,} bytes, and at most {sizes.high:,} are let in",
        nearest_bytes=nearest,
        max_bytes=sizes.high,
    )


def _png(page: Page, definition: SchemaDefinition, sizes: ByteRange) -> Encoded:
    """All colours, or as many as fit."""
    form, dpi = ImageFormat.PNG, definition.target_dpi
    image = Image.fromarray(np.ascontiguousarray(page[:, :, ::-1]))
    made: dict[int | None, bytes] = {}

    def is_too_large(colours: int | None) -> bool:
        made[colours] = _png_data(image, colours)
        bare = len(wrapped(form, made[colours], dpi))
        return (max(sizes.low, bare + least_padding(form)) if bare < sizes.low else bare) > sizes.high

    best = None
    if is_too_large(None):
        at = bisect_left(_PALETTES, True, key=lambda colours: not is_too_large(colours))
        if at == len(_PALETTES):
            raise _exceeded(min(len(wrapped(form, data, dpi)) for data in made.values()), sizes)
        best = _PALETTES[at]
    chroma = "truecolour" if best is None else f"{best} colours"
    return _finished(page, made[best], form, dpi, sizes, None, chroma, len(made))


def _png_data(image: Image.Image, colours: int | None) -> bytes:
    drawn = image
    if colours is not None:
        palette = image.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2)
        drawn = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    file = io.BytesIO()
    drawn.save(file, "PNG", optimize=True)
    return file.getvalue()
