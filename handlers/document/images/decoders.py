"""The decoders: Pillow's plugins and pi_heif, each called for the format that it is for, and their errors translated.

``Image.open`` would import every plugin to find one for TIFF, and warns about sizes that are checked here against our
own limits.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from PIL import ImageCms, TiffImagePlugin
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Image import DecompressionBombError, Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT, DecodeFailed, ImageTooLarge, UnsupportedFormat
from handlers.document.formats import Format
from handlers.document.images import tiff
from handlers.document.images.directory import Directory
from handlers.document.images.header import ImageHeader
from handlers.document.images.heif import read_heif
from handlers.document.images.jpeg import read_jpeg, shrink_steps
from handlers.document.images.jpeg_end import check_all_there
from handlers.document.images.png import drawn_chunks, read_png, states_bits, stored_profile
from handlers.document.images.small import read_bmp, read_gif, read_webp
from handlers.document.limits import DocumentLimits

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
    ImageCms.PyCMSError,
    struct.error,
    zlib.error,
)
"""What Pillow's plugins raise on damaged input: nearly any built-in class. :class:`MemoryError` is not among
them: it says that this process is short, not that the document is wrong."""

MAX_PROFILE_BYTES = 8 * 1024 * 1024
"""Profiles of printing presses have 0.5 to 3 MB."""

STATED_BITS = "stated_bits"
"""In a picture's ``info``: the file says how many bits its samples had, and that they fill all 16 for that."""

# Pillow has a reader of its own for what is not compressed, which takes planes of 16 bits for planes of 8.
TiffImagePlugin.READ_LIBTIFF = True


@dataclass(frozen=True, slots=True)
class Picture:
    """What a decoder gave, and its ICC profile."""

    image: Image
    profile: bytes | None = None


def read_headers(data: bytes, form: Format, limits: DocumentLimits) -> tuple[ImageHeader, ...]:
    """What is known of each page before anything is decoded; ``form`` is not PDF.

    Raises :class:`DecodeFailed`, :class:`handlers.document.errors.UnsupportedFormat`,
    :class:`handlers.document.errors.TooManyPages`, :class:`handlers.document.errors.ImageTooLarge` and
    :class:`handlers.document.errors.DecodeTooCostly`.
    """
    return tiff.read_tiff(data, limits) if form is Format.TIFF else (_SINGLE[form].read(data, limits),)


def decode(data: bytes, form: Format, header: ImageHeader, limits: DocumentLimits) -> Picture:
    """The pixels of the page with ``header``, as the decoder gives them, shrunk where it can do that on the way.

    To be called under :func:`translated`. Raises :class:`DecodeFailed`, and
    :class:`core.errors.DependencyMissing` where the decoder is not installed.
    """
    return (_tiff if form is Format.TIFF else _SINGLE[form].decode)(data, header, limits)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The decoders' errors as :class:`DecodeFailed` or :class:`ImageTooLarge`, their warnings not shown.

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


def _loaded(image: ImageFile, header: ImageHeader) -> ImageFile:
    _check_size(image.size, header)
    image.load()
    return image


def _check_size(size: tuple[int, int], header: ImageHeader) -> None:
    if size != (header.width, header.height):
        raise DecodeFailed(
            f"the decoder sees {size[0]} x {size[1]} pixels where the header says {header.width} x {header.height}"
        )


def _with_profile(image: Image) -> Picture:
    profile = image.info.get("icc_profile")
    return Picture(image, profile if isinstance(profile, bytes) else None)


def _jpeg(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    image = JpegImageFile(io.BytesIO(data))
    _check_size(image.size, header)
    steps = shrink_steps(header.width, header.height, limits)
    if steps > 1:
        image.draft(None, (header.width // steps, header.height // steps))
    image.load()
    check_all_there(image, data, limits)
    return _with_profile(image)


def _tiff(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    directory = tiff.page_directory(data, header, limits)
    page = tiff.single_page(data, directory)
    profile = directory.value(tiff.ICC_PROFILE, MAX_PROFILE_BYTES)
    if tiff.is_deep(directory):
        return Picture(_deep_tiff(page, directory, header), profile)
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(page))
    except SyntaxError as error:
        raise UnsupportedFormat(f"a TIFF whose samples are laid out in a way of their own: {error}") from error
    return Picture(_loaded(image, header), profile)


def _deep_tiff(page: bytes, directory: Directory, header: ImageHeader) -> Image:
    from handlers.document.images.deep import read_deep_tiff  # noqa: PLC0415 - only who decodes has OpenCV

    image = read_deep_tiff(page, tiff.sample_bits(directory), directory.integer(tiff.PHOTOMETRIC, 1) == 0)
    _check_size(image.size, header)
    return image


def _heic(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    del header, limits
    try:
        import pi_heif  # noqa: PLC0415 - the function app has none, and needs none to inspect
    except ImportError as error:
        raise DependencyMissing(f"pi_heif is not installed: {OCR_INSTALL_HINT}") from error
    found = pi_heif.open_heif(io.BytesIO(data))
    return _with_profile(found[found.primary_index].to_pillow())


def _png(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    profile = stored_profile(data, limits, MAX_PROFILE_BYTES)
    image = _loaded(PngImageFile(io.BytesIO(drawn_chunks(data, limits))), header)
    if states_bits(data, limits):
        image.info[STATED_BITS] = True
    return Picture(image, profile)


def _webp(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    del limits
    return _with_profile(_loaded(WebPImageFile(io.BytesIO(data)), header))


def _bmp(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    del limits
    return Picture(_loaded(BmpImageFile(io.BytesIO(data)), header))


def _gif(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Picture:
    del limits
    return Picture(_loaded(GifImageFile(io.BytesIO(data)), header))


class _Single(NamedTuple):
    """How a format of one page is read."""

    read: Callable[[bytes, DocumentLimits], ImageHeader]
    decode: Callable[[bytes, ImageHeader, DocumentLimits], Picture]


_SINGLE = {
    Format.JPEG: _Single(read_jpeg, _jpeg),
    Format.PNG: _Single(read_png, _png),
    Format.WEBP: _Single(read_webp, _webp),
    Format.BMP: _Single(read_bmp, _bmp),
    Format.GIF: _Single(read_gif, _gif),
    Format.HEIC: _Single(read_heif, _heic),
}
