"""Whether a PNG has the pixels that its header promises. Pillow makes what is missing black and says nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from handlers.document.errors import DecodeFailed

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel by colour type (W3C PNG, 11.2.1)."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and steps in x and y, of the passes of an interlaced picture (W3C PNG, 8.1)."""

_PIECE = 1 << 18


def check_png_data(data: bytes) -> None:
    """Inflate the picture's data piece by piece and count it; no more than a quarter of a megabyte is held.

    ``data`` is a PNG whose header was read before. Raises :class:`DecodeFailed` where there is less than the
    header promises; damage to the compressed data raises :class:`zlib.error` or :class:`struct.error`.
    """
    promised = _promised_bytes(data)
    found = 0
    for count in _inflated_counts(data):
        found += count
        if found >= promised:
            return
    raise DecodeFailed("the PNG ends before its last row")


def _inflated_counts(data: bytes) -> Iterator[int]:
    """The bytes that the picture's data gives, piece by piece and no further than it is asked for."""
    inflater = zlib.decompressobj()
    for part in _picture_data(data):
        count, pending = _PIECE, part
        # A full piece says that there may be more, even where all input was taken. `flush` would give it unbounded.
        while (pending or count == _PIECE) and not inflater.eof:
            count = len(inflater.decompress(pending, _PIECE))
            pending = inflater.unconsumed_tail
            yield count


def _promised_bytes(data: bytes) -> int:
    """Bytes of all rows, each with its filter type, before compression."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * _CHANNELS[colour]
    sizes = [(width, height)] if not interlaced else [_pass_size(width, height, *grid) for grid in _ADAM7]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns)


def _pass_size(width: int, height: int, left: int, top: int, step_x: int, step_y: int) -> tuple[int, int]:
    return ((width - left + step_x - 1) // step_x, (height - top + step_y - 1) // step_y)


def _picture_data(data: bytes) -> Iterator[bytes]:
    """The contents of the IDAT chunks, in order and in pieces: what is not yet inflated is copied with each step."""
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            end = min(position + 8 + length, len(data))
            for start in range(position + 8, end, _PIECE):
                yield data[start : min(start + _PIECE, end)]
        position += 12 + length
