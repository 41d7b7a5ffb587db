"""A directory of tags as TIFF 6.0, BigTIFF and EXIF have it, read without trusting it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from handlers.document.errors import DecodeFailed, DecodeTooCostly
from handlers.document.limits import DocumentLimits

SHORT, LONG, LONG8 = 3, 4, 16

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes a value by type (TIFF 6.0, page 15; BigTIFF for 16 to 18)."""

_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_RATIONALS = {5: "II", 10: "ii"}


@dataclass(frozen=True, slots=True)
class Layout:
    """``order`` is ``<`` or ``>``, ``big`` whether offsets and counts have 64 bits."""

    order: str
    big: bool

    def unpack(self, letters: str, data: bytes, at: int) -> tuple[int, ...]:
        """Raises :class:`DecodeFailed` outside ``data``."""
        try:
            return struct.unpack_from(self.order + letters, data, at)
        except (struct.error, OverflowError) as error:
            raise DecodeFailed("a directory points outside the file") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag's value: ``count`` values of ``kind`` at ``at``; ``raw`` is what the directory itself holds, from its tag
    on."""

    kind: int
    count: int
    at: int
    raw: bytes

    @property
    def size(self) -> int:
        """Bytes of the value; 0 for a type that nobody knows."""
        return _TYPE_SIZES.get(self.kind, 0) * self.count


@dataclass(frozen=True, slots=True)
class Directory:
    """``count`` is of the entries that are there, of which some may have the same tag. ``next`` is where the next
    directory is, 0 where there is none."""

    data: bytes
    layout: Layout
    count: int
    entries: dict[int, Entry]
    next: int

    def integers(self, tag: int, most: int = 1) -> tuple[int, ...]:
        """The first ``most`` of the tag's whole numbers; none where there is no such tag, or it holds others."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS or entry.at < 0:
            return ()
        count = min(entry.count, most)
        if entry.at + count * _TYPE_SIZES[entry.kind] > len(self.data):
            return ()
        return self.layout.unpack(f"{count}{_INTEGERS[entry.kind]}", self.data, entry.at)

    def integer(self, tag: int, default: int) -> int:
        return next(iter(self.integers(tag)), default)

    def rational(self, tag: int) -> float | None:
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _RATIONALS or not 0 <= entry.at <= len(self.data) - 8:
            return None
        over, under = self.layout.unpack(_RATIONALS[entry.kind], self.data, entry.at)
        return over / under if under else None

    def value(self, tag: int, most: int) -> bytes | None:
        """The bytes of a tag; ``None`` where there is none, they are more than ``most``, or outside the file."""
        entry = self.entries.get(tag)
        if entry is None or entry.size > most or entry.at + entry.size > len(self.data):
            return None
        return self.data[entry.at : entry.at + entry.size]


def read_layout(data: bytes) -> tuple[Layout, int]:
    """The layout that a TIFF header states, and the offset of its first directory. Raises :class:`DecodeFailed`."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise DecodeFailed("there is no TIFF header")
    plain = Layout(order, big=False)
    (version,) = plain.unpack("H", data, 2)
    if version == 42:
        return plain, plain.unpack("I", data, 4)[0]
    if version == 43 and plain.unpack("HH", data, 4) == (8, 0):
        return Layout(order, big=True), plain.unpack("Q", data, 8)[0]
    raise DecodeFailed("there is no TIFF header")


def read_directory(data: bytes, layout: Layout, at: int, limits: DocumentLimits) -> Directory:
    """Of two entries with the same tag the first counts.

    Raises :class:`DecodeFailed` for a directory that is not within ``data``, and :class:`DecodeTooCostly`.
    """
    head, size, letters = ("Q", 20, "HHQ") if layout.big else ("H", 12, "HHI")
    (count,) = layout.unpack(head, data, at)
    start = at + struct.calcsize("=" + head)
    if start + count * size > len(data):
        raise DecodeFailed("a directory is cut off")
    if count > limits.max_parts:
        raise DecodeTooCostly(f"a directory has more than {limits.max_parts} entries", limit=limits.max_parts)
    entries: dict[int, Entry] = {}
    for position in range(start, start + count * size, size):
        tag, kind, values = layout.unpack(letters, data, position)
        entries.setdefault(tag, _entry(data, layout, position, kind, values))
    # The chain's end is left out by some writers where the directory is the last thing in the file.
    end = start + count * size
    offset = "Q" if layout.big else "I"
    following = layout.unpack(offset, data, end)[0] if end + struct.calcsize("=" + offset) <= len(data) else 0
    return Directory(data, layout, count, entries, following)


def _entry(data: bytes, layout: Layout, position: int, kind: int, count: int) -> Entry:
    room = 8 if layout.big else 4
    field = position + (12 if layout.big else 8)
    inline = _TYPE_SIZES.get(kind, 0) * count <= room
    at = field if inline else layout.unpack("Q" if layout.big else "I", data, field)[0]
    return Entry(kind, count, at, data[position : field + room])
