"""The headers of BMP, GIF and WebP: one page each."""

from __future__ import annotations

import struct

from handlers.document.errors import DecodeFailed, DecodeTooCostly
from handlers.document.images.exif import Exif, read_exif
from handlers.document.images.header import ImageHeader
from handlers.document.limits import DocumentLimits

MAX_RUN_BYTES = 8 * 1024 * 1024
"""Pillow reads the run-length codes of a BMP in Python: this much takes it some seconds."""

_RLE8, _RLE4 = 1, 2
_METRES_AN_INCH = 0.0254
_WEBP_BYTES = 16
"""Bytes a pixel: libwebp's animation decoder has two canvases of four, Pillow copies one, and makes a picture of it."""


def read_bmp(data: bytes, limits: DocumentLimits) -> ImageHeader:
    """The headers of OS/2 (12 bytes) and Windows (40 and more). Raises :class:`DecodeFailed` and
    :class:`DecodeTooCostly`."""
    del limits
    (size,) = _unpacked("<I", data, 14)
    if size == 12:
        width, height, _, bits = _unpacked("<HHHH", data, 18)
        return ImageHeader(width, height, width * height * _bmp_bytes(bits))
    if not 16 <= size <= 1_024:
        raise DecodeFailed("the BMP's header is damaged")
    width, height, _, bits, packing, _, across, down = _unpacked("<iiHHIIii", data, 18)
    if packing in (_RLE8, _RLE4) and len(data) > MAX_RUN_BYTES:
        raise DecodeTooCostly(f"the BMP has more than {MAX_RUN_BYTES} bytes of runs", limit=MAX_RUN_BYTES)
    resolution = (across * _METRES_AN_INCH, down * _METRES_AN_INCH)
    # A height below zero says that the first row is the upper one.
    return ImageHeader(width, abs(height), width * abs(height) * _bmp_bytes(bits), resolution=resolution)


def read_gif(data: bytes, limits: DocumentLimits) -> ImageHeader:
    """The first frame, on the screen that it is drawn on: Pillow makes that larger where the frame does not fit.

    Raises :class:`DecodeFailed` where there is no frame, and :class:`DecodeTooCostly`.
    """
    width, height, flags = _unpacked("<HHB", data, 6)
    position = _first_frame(data, 13 + _colours(flags), limits)
    left, top, across, down = _unpacked("<HHHH", data, position + 1)
    width, height = max(width, left + across), max(height, top + down)
    return ImageHeader(width, height, width * height * 4)


def read_webp(data: bytes, limits: DocumentLimits) -> ImageHeader:
    """The first frame (RFC 9649). Raises :class:`DecodeFailed` and :class:`DecodeTooCostly`."""
    exif, canvas, picture = Exif(), None, None
    position, end = 12, min(len(data), 8 + _unpacked("<I", data, 4)[0])
    for _ in range(limits.max_parts):
        if position + 8 > end:
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + min(length, 1 << 20)]
        if kind == b"VP8X":
            canvas = canvas or (_24_bits(body, 4) + 1, _24_bits(body, 7) + 1)
        elif kind in (b"VP8 ", b"VP8L"):
            picture = picture or _webp_size(kind, body)
        elif kind == b"EXIF" and exif == Exif():
            exif = read_exif(body, limits)
        position += 8 + length + length % 2
    else:
        raise DecodeTooCostly(f"the WebP has more than {limits.max_parts} chunks", limit=limits.max_parts)
    if canvas is not None and picture is not None and canvas != picture:
        raise DecodeFailed("the WebP's picture is not of the size of its canvas")
    size = canvas or picture
    if size is None:
        raise DecodeFailed("the WebP has no picture")
    return ImageHeader(*size, size[0] * size[1] * _WEBP_BYTES, exif.orientation, exif.resolution)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    """Of a VP8 key frame (RFC 6386, 9.1) or a lossless picture (RFC 9649, 3.4)."""
    if kind == b"VP8 ":
        if body[3:6] != b"\x9d\x01\x2a":
            raise DecodeFailed("the WebP's picture does not start with a key frame")
        width, height = _unpacked("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    if body[:1] != b"\x2f":
        raise DecodeFailed("the WebP's picture is damaged")
    (bits,) = _unpacked("<I", body, 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _24_bits(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 3], "little")


def _bmp_bytes(bits: int) -> int:
    """Bytes a pixel in Pillow: it has no picture of more than 8 bits that takes less than 4."""
    return 1 if bits <= 8 else 4


def _colours(flags: int) -> int:
    """Bytes of a GIF's colour table (GIF89a, 18)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _first_frame(data: bytes, position: int, limits: DocumentLimits) -> int:
    """Where a GIF's first picture is, behind extensions, each a row of data sub-blocks (GIF89a, 15 and 20)."""
    inside = False
    for _ in range(limits.max_parts):
        if position >= len(data):
            break
        if inside:
            inside = data[position] != 0
            position += 1 + data[position]
        elif data[position] == ord(","):
            return position
        elif data[position] == ord("!"):
            inside = True
            position += 2
        else:
            break
    else:
        raise DecodeTooCostly(f"the GIF has more than {limits.max_parts} blocks", limit=limits.max_parts)
    raise DecodeFailed("the GIF has no picture")


def _unpacked(letters: str, data: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(letters, data, at)
    except struct.error as error:
        raise DecodeFailed("the header is cut off") from error
