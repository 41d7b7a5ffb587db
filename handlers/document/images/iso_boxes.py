"""Boxes of the ISO base media file format (ISO/IEC 14496-12), read without trusting their lengths."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from handlers.document.errors import DecodeFailed, DecodeTooCostly
from handlers.document.limits import DocumentLimits

Location: TypeAlias = tuple[tuple[int, int], ...]
"""Where an item's bytes are in the file: start and length of each of its extents, in order."""


class Reader:
    """Takes numbers, big-endian, from ``start`` on. Raises :class:`DecodeFailed` at ``end``."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data, self.position = data, start
        self.end = len(data) if end is None else min(end, len(data))

    @property
    def left(self) -> int:
        return self.end - self.position

    def take(self, letters: str) -> tuple[int, ...]:
        return struct.unpack(">" + letters, self.chunk(struct.calcsize(">" + letters)))

    def chunk(self, count: int) -> bytes:
        if count > self.left:
            raise DecodeFailed("a box is cut off")
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, size: int) -> int:
        """Of ``size`` bytes, 0 to 8."""
        return int.from_bytes(self.chunk(size), "big")

    def count(self, letter: str, limits: DocumentLimits) -> int:
        """How many parts follow. Raises :class:`DecodeTooCostly`."""
        (found,) = self.take(letter)
        if found > limits.max_parts:
            raise DecodeTooCostly(f"a box has more than {limits.max_parts} parts", limit=limits.max_parts)
        return found

    def rest(self) -> bytes:
        return self.chunk(self.left)


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    data: bytes
    start: int
    end: int

    def reader(self, skip: int) -> Reader:
        return Reader(self.data, self.start + skip, self.end)


@dataclass(slots=True)
class Locations:
    by_item: dict[int, Location] = field(default_factory=dict)

    def of(self, item: int) -> Location:
        return self.by_item.get(item, ())


def boxes(reader: Reader, limits: DocumentLimits) -> Iterator[Box]:
    """The boxes up to the reader's end. Raises :class:`DecodeFailed` for a length that cannot be, and
    :class:`DecodeTooCostly`."""
    for _ in range(limits.max_parts):
        if reader.left < 8:
            return
        start = reader.position
        size, kind = reader.take("I")[0], reader.chunk(4)
        if size == 1:
            size = reader.take("Q")[0]
        elif size == 0:
            size = reader.end - start
        if size < reader.position - start:
            raise DecodeFailed("a box is shorter than its head")
        end = min(start + size, reader.end)
        yield Box(kind, reader.data, reader.position, end)
        reader.position = end
    raise DecodeTooCostly(f"there are more than {limits.max_parts} boxes side by side", limit=limits.max_parts)


def full_box(box: Box) -> tuple[int, int, Reader]:
    """Version, flags, and what follows."""
    reader = box.reader(0)
    (head,) = reader.take("I")
    return head >> 24, head & 0xFFFFFF, reader


def read_locations(box: Box, inside: Box | None, limits: DocumentLimits) -> Locations:
    """The ``iloc`` box (14496-12, 8.11.3); ``inside`` is the ``idat`` box. Items elsewhere have no location."""
    version, _, reader = full_box(box)
    sizes = reader.number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    found = Locations()
    parts = 0
    for _ in range(reader.count("I" if version > 1 else "H", limits)):
        item = reader.number(4 if version > 1 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        start = reader.number(base)
        extents = []
        parts += (count := reader.count("H", limits))
        if parts > limits.max_parts:
            raise DecodeTooCostly(f"there are more than {limits.max_parts} extents", limit=limits.max_parts)
        for _ in range(count):
            reader.number(index if version else 0)
            extents.append((start + reader.number(offset), reader.number(length)))
        if method == 0:
            found.by_item[item] = tuple(extents)
        elif method == 1 and inside is not None:
            found.by_item[item] = tuple((inside.start + at, size) for at, size in extents)
    return found
