"""TIFF files written tag by tag, for what encoders do not write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Tag = tuple[int, Sequence[int]]
Order = Literal["<", ">"]
SHORT, LONG, RATIONAL = 3, 4, 5
_LETTERS = {1: "B", 3: "H", 4: "I", 5: "I", 7: "B", 16: "Q"}


@dataclass(frozen=True)
class Picture:
    """``planes`` is HxWxN, or N arrays of HxW that are stored one after the other; ``tags`` adds to what follows from
    them, or replaces it: ``{number: (type, values)}``. ``chunks`` are stored as they are in place of the planes.
    """

    planes: npt.NDArray[np.generic] | Sequence[npt.NDArray[np.generic]]
    photometric: int
    tags: Mapping[int, Tag] = field(default_factory=dict)
    chunks: Sequence[bytes] | None = None
    rows_a_strip: int | None = None


def tiff_file(*pictures: Picture, order: Order = "<", big: bool = False) -> bytes:
    """All ``pictures``, each behind the directory of the one before."""
    magic = b"II" if order == "<" else b"MM"
    out = bytearray(magic + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
    link = 8 if big else 4
    for picture in pictures:
        tags, chunks = _described(picture, order)
        offsets = []
        for chunk in chunks:
            offsets.append(len(out))
            out += chunk + b"\0" * (len(chunk) % 2)
        kind = 16 if big else LONG
        places = {324: 325} if 324 in tags else {273: 279}
        for place, size in places.items():
            tags[place], tags[size] = (kind, offsets), (LONG, [len(chunk) for chunk in chunks])
        entries = bytearray()
        for number, (kind, values) in sorted(tags.items()):
            entries += _entry(out, order, big, number, kind, values)
        struct.pack_into(order + ("Q" if big else "I"), out, link, len(out))
        out += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
        link = len(out)
        out += bytes(8 if big else 4)
    return bytes(out)


def _entry(out: bytearray, order: Order, big: bool, number: int, kind: int, values: Sequence[int]) -> bytes:
    data = struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
    count = len(values) // (2 if kind == RATIONAL else 1)
    room = 8 if big else 4
    if len(data) > room:
        place = len(out)
        out += data + b"\0" * (len(data) % 2)
        data = struct.pack(order + ("Q" if big else "I"), place)
    return struct.pack(order + ("HHQ" if big else "HHI"), number, kind, count) + data.ljust(room, b"\0")


def _described(picture: Picture, order: Order) -> tuple[dict[int, Tag], Sequence[bytes]]:
    separate = not isinstance(picture.planes, np.ndarray)
    planes = list(picture.planes) if separate else [picture.planes]
    first = np.asarray(planes[0])
    height, width = first.shape[:2]
    samples = len(planes) if separate else (first.shape[2] if first.ndim == 3 else 1)
    rows = picture.rows_a_strip or height
    tags: dict[int, Tag] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [first.dtype.itemsize * 8] * samples),
        259: (SHORT, [1]),
        262: (SHORT, [picture.photometric]),
        277: (SHORT, [samples]),
        278: (LONG, [rows]),
        284: (SHORT, [2 if separate else 1]),
        **picture.tags,
    }
    if picture.chunks is not None:
        return tags, picture.chunks
    stored = [np.asarray(plane).astype(first.dtype.newbyteorder(order)) for plane in planes]
    return tags, [plane[top : top + rows].tobytes() for plane in stored for top in range(0, height, rows)]
