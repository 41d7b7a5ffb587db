"""A finished file's container: its resolution everywhere that one is written, nothing else, and padding.

JPEG by ITU-T T.81, JFIF 1.02 and EXIF 2.32; PNG by the W3C's third edition.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from handlers.portal.schema import ImageFormat

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PADDING_CHUNK = b"npAd"
"""Ancillary, private, safe to copy: readers skip it."""

METRES_AN_INCH = 0.0254

_SOI, _EOI, _SOS, _JFIF, _EXIF, _COMMENT = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xFE
_LONGEST_SEGMENT = 65_533
_JPEG_LEAST, _PNG_LEAST = 4, 12
"""Bytes of an empty segment and of an empty chunk."""


@dataclass(frozen=True, slots=True)
class Part:
    """A JPEG's segment before its first scan, by its marker, or a PNG's chunk, by its name."""

    kind: str
    body: bytes


def least_padding(form: ImageFormat) -> int:
    return _JPEG_LEAST if form is ImageFormat.JPEG else _PNG_LEAST


def wrapped(form: ImageFormat, data: bytes, dpi: int, padding: int = 0) -> bytes:
    """The picture with its resolution, without the metadata it may have, and longer by ``padding`` bytes.

    ``padding`` is 0 or at least :func:`least_padding`.
    """
    return _jpeg(data, dpi, padding) if form is ImageFormat.JPEG else _png(data, dpi, padding)


def parts(form: ImageFormat, data: bytes) -> Iterator[Part]:
    """What stands before a JPEG's first scan, or all of a PNG. Raises :class:`ValueError` for what is neither."""
    return _segments(data) if form is ImageFormat.JPEG else _chunks(data)


def _jpeg(data: bytes, dpi: int, padding: int) -> bytes:
    jfif = b"JFIF\0" + struct.pack(">BBBHHBB", 1, 2, 1, dpi, dpi, 0, 0)
    head = [bytes((0xFF, _SOI)), _segment(_JFIF, jfif), _segment(_EXIF, b"Exif\0\0" + exif(dpi))]
    head += [_segment(_COMMENT, b" " * size) for size in _comment_sizes(padding)]
    return b"".join((*head, data[_end_of_metadata(data) :]))


def _comment_sizes(padding: int) -> Iterator[int]:
    while padding:
        size = min(padding, _LONGEST_SEGMENT + _JPEG_LEAST)
        size -= _JPEG_LEAST if 0 < padding - size < _JPEG_LEAST else 0
        yield size - _JPEG_LEAST
        padding -= size


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _end_of_metadata(data: bytes) -> int:
    position = 2
    while data[position] == 0xFF and (0xE0 <= data[position + 1] <= 0xEF or data[position + 1] == _COMMENT):
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return position


def exif(dpi: int) -> bytes:
    """A TIFF header and one directory: which way up, and the resolution."""
    rows, values = 4, 8 + 2 + 4 * 12 + 4
    entries = (
        struct.pack(">HHIHH", 0x0112, 3, 1, 1, 0),
        struct.pack(">HHII", 0x011A, 5, 1, values),
        struct.pack(">HHII", 0x011B, 5, 1, values + 8),
        struct.pack(">HHIHH", 0x0128, 3, 1, 2, 0),
    )
    rational = struct.pack(">II", dpi, 1)
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", rows) + b"".join(entries) + bytes(4) + rational * 2


def _png(data: bytes, dpi: int, padding: int) -> bytes:
    per_metre = round(dpi / METRES_AN_INCH)
    kept = [part for part in _chunks(data) if part.kind in ("IHDR", "PLTE", "IDAT", "IEND")]
    added = [Part("pHYs", struct.pack(">IIB", per_metre, per_metre, 1)), Part("eXIf", exif(dpi))]
    if padding:
        added.append(Part(PADDING_CHUNK.decode(), bytes(padding - _PNG_LEAST)))
    return PNG_SIGNATURE + b"".join(_chunk(part) for part in (kept[0], *added, *kept[1:]))


def _chunk(part: Part) -> bytes:
    named = part.kind.encode() + part.body
    return len(part.body).to_bytes(4) + named + zlib.crc32(named).to_bytes(4)


def _segments(data: bytes) -> Iterator[Part]:
    if not data.startswith(bytes((0xFF, _SOI))) or not data.endswith(bytes((0xFF, _EOI))):
        raise ValueError("no whole JPEG")
    position = 2
    while True:
        if data[position : position + 1] != b"\xff" or position + 4 > len(data):
            raise ValueError("a JPEG's segments do not follow each other")
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if length < 2 or position + 2 + length > len(data):
            raise ValueError("a JPEG's segment is cut off")
        yield Part(f"{marker:02X}", data[position + 4 : position + 2 + length])
        if marker == _SOS:
            return
        position += 2 + length


def _chunks(data: bytes) -> Iterator[Part]:
    if not data.startswith(PNG_SIGNATURE):
        raise ValueError("no PNG")
    position = len(PNG_SIGNATURE)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4])
        named, check = data[position + 4 : position + 8 + length], data[position + 8 + length : position + 12 + length]
        if len(named) != 4 + length or zlib.crc32(named).to_bytes(4) != check:
            raise ValueError("a PNG's chunk is damaged")
        yield Part(named[:4].decode("latin-1"), named[4:])
        position += 12 + length
