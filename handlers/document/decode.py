"""One page as pixels: upright by its EXIF or TIFF orientation, on white, 8 bits a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL.Image import Image, Transpose, new
from PIL.ImageFile import ImageFile

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT, PageNotFound
from handlers.document.formats import Format, sniff
from handlers.document.inspect import check_pixels
from handlers.document.limits import DocumentLimits
from handlers.document.pillow import FOREIGN_ERRORS, open_image, translated
from handlers.document.png import check_png_data

if TYPE_CHECKING:
    from handlers.document.engine import Page

_EXIF_ORIENTATION = 0x0112
_TIFF_PHOTOMETRIC = 0x0106
_WHITE_IS_ZERO = 0


def decode_page(data: bytes, number: int, limits: DocumentLimits) -> Page:
    """Page ``number`` (from 1) as HxWx3 uint8 BGR, contiguous.

    Raises as :func:`decode_image`, and :class:`core.errors.DependencyMissing` without numpy.
    """
    return to_bgr(decode_image(data, number, limits))


def decode_image(data: bytes, number: int, limits: DocumentLimits) -> Image:
    """Page ``number`` (from 1) as a Pillow image of mode ``RGB``.

    Transparency is laid on white. Colours without a profile are taken as they are; CMYK is converted by
    Pillow's formula. Raises :class:`UnsupportedFormat`, :class:`PageNotFound`, :class:`ImageTooLarge` before
    anything is decoded, and :class:`DecodeFailed`.
    """
    form = sniff(data)
    with translated(f"page {number}"), open_image(data, form) as image:
        _seek(image, form, number)
        check_pixels(number, image.size, limits)
        if form is Format.PNG:
            check_png_data(data)
        inverted = _is_inverted_16_bit(image)
        image.load()
        rgb = _to_rgb(image, inverted)
        # Pillow turns a TIFF upright itself when it loads it.
        return rgb if form is Format.TIFF else _upright(rgb, _orientation(image))


def to_bgr(image: Image) -> Page:
    """HxWx3 uint8 BGR of an image of mode ``RGB``. Raises :class:`core.errors.DependencyMissing` without numpy."""
    try:
        import numpy as np  # noqa: PLC0415 - the function app has none, and needs none to inspect or assemble
    except ImportError as error:
        raise DependencyMissing(f"numpy is not installed: {OCR_INSTALL_HINT}") from error
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8)[:, :, ::-1])


def _seek(image: ImageFile, form: Format, number: int) -> None:
    if number == 1:
        return
    if number < 1 or form is not Format.TIFF:
        raise PageNotFound(f"the document has no page {number}", page=number)
    try:
        image.seek(number - 1)
    except EOFError as error:
        raise PageNotFound(f"the document has no page {number}", page=number) from error


def _to_rgb(image: Image, inverted: bool) -> Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _eight_bits(image, inverted).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image)
    return image.convert("RGB")


def _eight_bits(image: Image, inverted: bool) -> Image:
    """Grey of 16 bits (0..65535), or of floats: 0..1, 0..255, or 0 to their largest, whichever is the first to fit."""
    if image.mode == "F":
        _, largest = image.getextrema()
        assert isinstance(largest, float | int)
        span = 1.0 if largest <= 1 else 255.0 if largest <= 255 else largest
    else:
        image = image.convert("I")
        span = 65_535.0
    scale, offset = (-255.0 / span, 255.0) if inverted else (255.0 / span, 0.0)
    return image.point(lambda value: value * scale + offset).convert("L")


def _on_white(image: Image) -> Image:
    layer = image.convert("RGBA")
    page = new("RGB", layer.size, "white")
    page.paste(layer, mask=layer.getchannel("A"))
    return page


def _is_inverted_16_bit(image: ImageFile) -> bool:
    """Whether 0 is white: Pillow heeds TIFF's WhiteIsZero up to 8 bits and passes over it for 16."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and image.mode.startswith("I;16") and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO


def _orientation(image: Image) -> int:
    """1 to 8 as EXIF has it; 1 where there is none or it cannot be read: damaged metadata spoils no page."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except FOREIGN_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _upright(image: Image, orientation: int) -> Image:
    """Undo an EXIF orientation (EXIF 2.32, tag 0x0112); values outside 2 to 8 are nothing to undo."""
    undo = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if undo is None else image.transpose(undo)
