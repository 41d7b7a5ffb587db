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
from typing import assert_never

from PIL.Image import DecompressionBombError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from handlers.document.errors import DecodeFailed, ImageTooLarge, UnsupportedFormat
from handlers.document.formats import Format
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
        case Format.PDF:
            raise UnsupportedFormat("a PDF is not an image")
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
