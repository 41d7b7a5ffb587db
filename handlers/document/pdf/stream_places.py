"""Where the streams of a PDF are, by its bytes alone: not by its table of objects, which can say anything.

Readers that find a table wrong look for objects themselves, so what is asked here is what any reader could come upon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

_STREAM = re.compile(rb"stream[^\r\n]{0,8}(?:\r\n|\r|\n)")
_NUMBER = re.compile(rb"(\d{1,10})\s+\d{1,5}\s*$")
_VALUE = re.compile(rb"obj\s*(\[[^\[\]]*\]|/[^\s/<>\[\]()]+|\d+)")
_COMMENT = re.compile(rb"%[^\r\n]*")
_INNER = re.compile(rb"<<(?:[^<>]|<[0-9A-Fa-f\s]*>)*>>")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_LENGTH = re.compile(rb"/Length\s+(\d+)(?!\s+\d+\s+R)")
_FILTER = re.compile(rb"/Filter\s*(\[[^\]]*\]|/[^\s/<>\[\]()]+|\d+\s+\d+\s+R)")
_NAME_OR_REFERENCE = re.compile(rb"/([^\s/<>\[\]()]+)|(\d+)\s+\d+\s+R")
_REFERENCE = re.compile(rb"(\d+)\s+\d+\s+R")

_END = b"endstream"
_MAX_HEAD = 64 * 1024
"""Bytes of a dictionary in front of its stream: forms have their resources in it."""

_MAX_FOLLOWED = 4
"""References from one to the next."""


class StreamPlace(NamedTuple):
    """A stream in a file: its object's ``number`` (0 where none is told), where its data starts and how many bytes it
    has: what its dictionary says, or to where it seems to end, whichever is more. ``head`` is its dictionary, which
    begins at ``begin``, ``entries`` is that without the dictionaries inside it. ``is_cut`` says that the file ends
    before the stream does.
    """

    number: int
    begin: int
    start: int
    length: int
    head: bytes
    entries: bytes
    is_cut: bool

    @property
    def is_image(self) -> bool:
        return bool(re.search(rb"/Subtype\s*/Image\b", self.entries))

    @property
    def is_form(self) -> bool:
        return bool(re.search(rb"/Subtype\s*/Form\b", self.entries))

    @property
    def is_of_objects(self) -> bool:
        return b"/ObjStm" in self.entries

    @property
    def is_of_structure(self) -> bool:
        """Whether other objects are found by it."""
        return self.is_of_objects or bool(re.search(rb"/Type\s*/XRef\b", self.entries))

    def integer(self, key: bytes) -> int:
        """0 where there is none."""
        found = re.search(rb"/" + key + rb"\s+(\d{1,9})\b", self.entries)
        return int(found[1]) if found else 0


class PdfBytes:
    """A PDF as bytes in which things are looked for. Linear in its size, whatever is asked for how often."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def streams(self) -> Iterator[StreamPlace]:
        data, behind, end = self.data, 0, -1
        for found in _STREAM.finditer(data):
            at = found.start()
            if data[at - 3 : at] == b"end":
                continue
            if end < found.end():
                end = data.find(_END, found.end())
                end = len(data) + 1 if end < 0 else end
            yield _place(data, max(behind, at - _MAX_HEAD), at, found.end(), end)
            behind = at

    def filters(self, place: StreamPlace) -> tuple[bytes, ...]:
        """The names of the filters in the order in which they are undone; a reference that leads nowhere is none."""
        stated = _FILTER.findall(place.entries)
        return tuple(self._names(stated[-1], _MAX_FOLLOWED)) if stated else ()

    def references(self, value: bytes) -> list[int]:
        """The numbers of the objects in an array, or in the one that a reference leads to."""
        numbers = [int(number) for number in _REFERENCE.findall(value)]
        if value[:1] != b"[" and len(numbers) == 1 and self._values.get(numbers[0], b"")[:1] == b"[":
            return self.references(self._values[numbers[0]])
        return numbers

    def _names(self, value: bytes, followed: int) -> Iterator[bytes]:
        for name, number in _NAME_OR_REFERENCE.findall(value):
            if name:
                yield _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), name)
            elif followed:
                yield from self._names(self._values.get(int(number), b""), followed - 1)

    @cached_property
    def _values(self) -> dict[int, bytes]:
        """Objects that are a name, a number, or an array without arrays in it; of several the last."""
        found = ((_number(self.data, value.start()), value[1]) for value in _VALUE.finditer(self.data))
        return {number: value for number, value in found if number}


def _place(data: bytes, least: int, keyword: int, start: int, end: int) -> StreamPlace:
    at = data.rfind(b"obj", least, keyword)
    begin = at + 3 if at >= 0 else max(least, keyword - 2_048)
    head = data[begin:keyword]
    if b"%" in head:
        head = _COMMENT.sub(b"", head)
    entries = _own_entries(head)
    stated = _LENGTH.findall(entries)
    length = min(end, len(data)) - start
    if stated and start + int(stated[-1]) <= len(data):
        length = max(length, int(stated[-1]))
    return StreamPlace(_number(data, at) if at >= 0 else 0, begin, start, length, head, entries, end > len(data))


def _number(data: bytes, at: int) -> int:
    """That of the object whose keyword is at ``at``."""
    found = _NUMBER.search(data[max(0, at - 24) : at])
    return int(found[1]) if found else 0


def _own_entries(head: bytes) -> bytes:
    """A dictionary without those inside it."""
    entries = head[head.find(b"<<") + 2 : head.rfind(b">>")]
    count = entries.count(b"<<")
    while count:
        entries, found = _INNER.subn(b" null ", entries)
        count = count - found if found else 0
    return entries
