"""The adapter to Pillow: opening by format, and translating what Pillow raises into our errors, once.

The plugin of the sniffed format is called directly. ``Image.open`` would import every plugin to find one for
TIFF, and warns about sizes that are checked here against our own limit.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import assert_never

from PIL.Image import DecompressionBombError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from handlers.document.errors import DecodeFailed, ImageTooLarge, UnsupportedFormat
from handlers.document.jpeg import check_jpeg_markers

FOREIGN_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow's plugins raise on damaged input: nearly any built-in class. :class:`MemoryError` is not among
them: it says that this process is short, not that the document is wrong."""


class Format(StrEnum):
    """The formats on the allow-list. The value is the media type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    TIFF = "image/tiff"


_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"II\x2a\x00", Format.TIFF),
    (b"MM\x00\x2a", Format.TIFF),
    (b"II\x2b\x00", Format.TIFF),
    (b"MM\x00\x2b", Format.TIFF),
)
"""First bytes: JPEG's start of image (ITU-T T.81), the PNG signature (W3C PNG), and the two byte orders of TIFF
6.0 (42) and BigTIFF (43)."""


def sniff(data: bytes) -> Format:
    """The format by content, never by name. Raises :class:`UnsupportedFormat`."""
    for signature, form in _SIGNATURES:
        if data.startswith(signature):
            return form
    what = "the document is empty" if not data else "the document is not a JPEG, PNG or TIFF image"
    raise UnsupportedFormat(what)


def open_image(data: bytes, form: Format) -> ImageFile:
    """Read the header; no pixels are decoded. To be called, like all use of its result, under :func:`translated`.

    Raises :class:`DecodeFailed` for a JPEG that would take too long.
    """
    stream = io.BytesIO(data)
    match form:
        case Format.JPEG:
            check_jpeg_markers(data)
            return JpegImageFile(stream)
        case Format.PNG:
            return PngImageFile(stream)
        case Format.TIFF:
            return TiffImageFile(stream)
        case _:
            assert_never(form)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Pillow's errors as :class:`DecodeFailed` or :class:`ImageTooLarge`, its warnings not shown.

    Pillow warns of damaged metadata in files that it reads well. The filter is set for this process and is
    not taken back: taking it back is not safe with threads, and setting it again changes nothing.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    except DecompressionBombError as error:
        raise ImageTooLarge(f"{what} has more pixels than the decoder accepts") from error
    except FOREIGN_ERRORS as error:
        raise DecodeFailed(f"{what} cannot be decoded: {str(error)[:200] or type(error).__name__}") from error
