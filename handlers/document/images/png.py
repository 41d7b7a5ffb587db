"""A PNG by its chunks (W3C PNG, third edition): what it is, and whether it has the pixels that its header promises."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from handlers.document.errors import DecodeFailed, DecodeTooCostly
from handlers.document.images.exif import Exif, Resolution, read_exif
from handlers.document.images.header import ImageHeader
from handlers.document.limits import DocumentLimits

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel by colour type (W3C PNG, 11.2.1)."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and steps in x and y, of the passes of an interlaced picture (W3C PNG, 8.1)."""

_PIECE = 1 << 18
_START = 8
_END = b"\0\0\0\0IEND\xaeB`\x82"
_METRES_AN_INCH = 0.0254
_DRAWN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
"""What the pixels depend on. Comments and profiles, which may be compressed, are not given to the decoder."""


def read_png(data: bytes, limits: DocumentLimits) -> ImageHeader:
    """Raises :class:`DecodeFailed` for a damaged header, and :class:`DecodeTooCostly` for a flood of chunks."""
    width, height, _, colour = _described(data)
    resolution, exif = None, Exif()
    for kind, start, end in chunks(data, limits):
        if kind == b"pHYs":
            resolution = _resolution(data[start:end])
        elif kind == b"eXIf":
            exif = read_exif(data[start:end], limits)
    # 16 bits a sample are two bytes of grey, which Pillow keeps, or four of colour, which it halves.
    size = {0: 2, 3: 1}.get(colour, 4)
    return ImageHeader(width, height, width * height * size, exif.orientation, resolution or exif.resolution)


def chunks(data: bytes, limits: DocumentLimits) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, and where its contents start and end.

    Raises :class:`DecodeTooCostly`.
    """
    position = _START
    for _ in range(limits.max_parts):
        if position + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, position + 8, min(position + 8 + length, len(data))
        if kind == b"IEND":
            return
        position += 12 + length
    raise DecodeTooCostly(f"the PNG has more than {limits.max_parts} chunks", limit=limits.max_parts)


def stored_profile(data: bytes, limits: DocumentLimits, most: int) -> bytes | None:
    """The ICC profile, ``None`` where there is none. One that is damaged or has more than ``most`` bytes is empty."""
    for kind, start, end in chunks(data, limits):
        if kind == b"iCCP":
            name, _, packed = data[start:end].partition(b"\0")
            inflater = zlib.decompressobj()
            try:
                profile = inflater.decompress(packed[1:], most)
            except zlib.error:
                return b""
            return profile if name and inflater.eof else b""
        if kind == b"IDAT":
            break
    return None


def states_bits(data: bytes, limits: DocumentLimits) -> bool:
    """Whether it says how many bits its samples had before they were scaled to all that it has (W3C PNG, 11.3.2.7)."""
    for kind, _, _ in chunks(data, limits):
        if kind == b"sBIT":
            return True
        if kind == b"IDAT":
            break
    return False


def drawn_chunks(data: bytes, limits: DocumentLimits) -> bytes:
    """The PNG without what its pixels do not depend on, and with its end: ``data`` itself where that is what it is.

    The picture's data is checked first: Pillow makes what is missing black and says nothing. Raises
    :class:`DecodeFailed` where there is less than the header promises; damage to the compressed data raises
    :class:`zlib.error`.
    """
    _check_data(data, limits)
    kept = [(kind, start, end) for kind, start, end in chunks(data, limits) if kind in _DRAWN]
    if _START + sum(12 + end - start for _, start, end in kept) + len(_END) == len(data):
        return data
    return b"".join((data[:_START], *(_whole_chunk(data, *chunk) for chunk in kept), _END))


def _whole_chunk(data: bytes, kind: bytes, start: int, end: int) -> bytes:
    """The chunk as it is; one that the file's end cuts off, of which all that is needed is there, with an end."""
    if end + 4 <= len(data):
        return data[start - 8 : end + 4]
    body = data[start:end]
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _described(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits a sample and colour type. Raises :class:`DecodeFailed`."""
    if len(data) < 29 or data[12:16] != b"IHDR":
        raise DecodeFailed("the PNG has no header")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if colour not in _CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise DecodeFailed("the PNG's header is damaged")
    return width, height, depth, colour


def _resolution(body: bytes) -> Resolution | None:
    if len(body) < 9 or body[8] != 1:
        return None
    across, down = struct.unpack_from(">II", body)
    return across * _METRES_AN_INCH, down * _METRES_AN_INCH


def _check_data(data: bytes, limits: DocumentLimits) -> None:
    """Inflate the picture's data piece by piece and count it; no more than a quarter of a megabyte is held."""
    promised = _promised_bytes(data)
    found = 0
    for count in _inflated_counts(data, limits):
        found += count
        if found >= promised:
            return
    raise DecodeFailed("the PNG ends before its last row")


def _inflated_counts(data: bytes, limits: DocumentLimits) -> Iterator[int]:
    """The bytes that the picture's data gives, piece by piece and no further than it is asked for."""
    inflater = zlib.decompressobj()
    for part in _picture_data(data, limits):
        count, pending = _PIECE, part
        # A full piece says that there may be more, even where all input was taken. `flush` would give it unbounded.
        while (pending or count == _PIECE) and not inflater.eof:
            count = len(inflater.decompress(pending, _PIECE))
            pending = inflater.unconsumed_tail
            yield count


def _promised_bytes(data: bytes) -> int:
    """Bytes of all rows, each with its filter type, before compression."""
    width, height, depth, colour = _described(data)
    bits = depth * _CHANNELS[colour]
    sizes = [(width, height)] if not data[28] else [_pass_size(width, height, *grid) for grid in _ADAM7]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns)


def _pass_size(width: int, height: int, left: int, top: int, step_x: int, step_y: int) -> tuple[int, int]:
    return ((width - left + step_x - 1) // step_x, (height - top + step_y - 1) // step_y)


def _picture_data(data: bytes, limits: DocumentLimits) -> Iterator[bytes]:
    """The contents of the IDAT chunks, in order and in pieces: what is not yet inflated is copied with each step."""
    for kind, first, end in chunks(data, limits):
        if kind == b"IDAT":
            for start in range(first, end, _PIECE):
                yield data[start : min(start + _PIECE, end)]
