"""What the streams of a PDF would cost, found out before PDFium sees the file: it decompresses each whole.

Each stream is decompressed piece by piece, and none is kept; so it is also found which are damaged. Not looked at are
the pictures in picture streams, which are bounded by the size that they state (of a JPEG only whether it has all of its
scans and an end), and streams in slow old compressions
that are too short to be costly, whatever is in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from handlers.document.errors import DecodeFailed, DecodeTooCostly, UnsupportedFormat
from handlers.document.images.jpeg import ends_early, read_jpeg
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.qpdf import open_copy, translated
from handlers.document.pdf.stream_filters import (
    COMPRESSING,
    GROWTH,
    NAMES,
    Pieces,
    StreamBroken,
    in_pieces,
    undone,
)
from handlers.document.pdf.stream_places import PdfBytes, StreamPlace

FREE_BYTES = 4 * 1024 * 1024
"""A stream of at most this may be of any compression: it takes PDFium some 25 ms."""

FREE_TOTAL = 64 * 1024 * 1024
MAX_TOTAL_EXPANSION = 32
"""All streams together may have :data:`FREE_TOTAL` bytes, or this many for each of the file's."""

MAX_PICTURE_EXPANSION = 1_024
"""Pixels that a picture over the limit of a page has for each of its bytes. Large drawings in CCITT's group 4 have 50
to 500."""

MAX_INLINE_PIXELS = 24_000_000
"""Of a picture inside a content stream, which is decompressed whole. They are meant for 4 KB (ISO 32000-1, 8.9.7)."""

STREAMS_A_PART = 10
"""A PDF has a stream for each picture, font and page, so it may have this many times the parts of other files."""

_INLINE = re.compile(rb"BI\s(?=[^>]{0,400}?/W(?:idth)?\s*(\d{1,9}))(?=[^>]{0,400}?/H(?:eight)?\s*(\d{1,9}))")
_CONTENTS = re.compile(rb"/Contents\s*(\[[^\]]*\]|\d+\s+\d+\s+R)")
_SLOW = frozenset({b"LZWDecode", b"LZW", b"RunLengthDecode", b"RL"})
"""What is undone here byte by byte."""

_LINE_END = 4

_JPEG_NAMES = frozenset({b"DCTDecode", b"DCT"})
_CODESTREAM = re.compile(rb"\xff\x4f\xff\x51.{4}(.{4})(.{4})", re.DOTALL)


MAX_COSTLY = 16
"""Streams that are too costly, each of which has to be looked at to find that out. A document of more is none to be
read in part."""


class CostlyStream(NamedTuple):
    place: StreamPlace
    error: DecodeTooCostly


class Look(NamedTuple):
    """``numbers`` are those of the streams that there are, ``cut`` of those whose data ends before its time, or makes
    no sense, as far as they were looked at. ``forms_draw`` says that a form may draw another. ``costly`` are what a
    page can do without, if need be."""

    numbers: frozenset[int]
    cut: frozenset[int]
    forms_draw: bool
    costly: tuple[CostlyStream, ...] = ()


def look_at_streams(data: bytes, limits: DocumentLimits, password: str | None = None) -> Look:
    """Raises :class:`DecodeTooCostly` where the whole document is, and :class:`core.errors.DependencyMissing`."""
    if b"/Encrypt" not in data:
        return _Look(data, limits, None).taken()
    with suppress(DecodeFailed), translated(), open_copy(data, password) as pdf:
        return _Look(data, limits, lambda number: pdf.get_object(number, 0).read_raw_bytes()).taken()
    return Look(frozenset(), frozenset(), forms_draw=False)


class _Look:
    """``decrypted`` gives the bytes of an encrypted stream."""

    def __init__(self, data: bytes, limits: DocumentLimits, decrypted: Callable[[int], bytes] | None) -> None:
        self._bytes = PdfBytes(data)
        self._limits = limits
        self._decrypted = decrypted
        self._places: dict[int, StreamPlace] = {}
        self._sizes: dict[int, int] = {}
        self._cut: set[int] = set()
        self._left = max(FREE_TOTAL, MAX_TOTAL_EXPANSION * len(data))
        self._objects: list[bytes] = []
        self._forms_draw = False
        self._costly: list[CostlyStream] = []

    def taken(self) -> Look:
        most = STREAMS_A_PART * self._limits.max_parts
        for count, place in enumerate(self._bytes.streams(), 1):
            if count > most:
                raise DecodeTooCostly(f"the PDF has more than {most} streams", limit=most)
            self._places[place.number] = place
            if place.is_cut:
                self._cut.add(place.number)
            self._forms_draw |= place.is_form and b"/Resources" in place.head
            left = self._left
            try:
                self._look_at(place)
            except DecodeTooCostly as error:
                self._do_without(place, error)
                self._left = left
        for text in (self._bytes.data, *self._objects):
            for contents in _CONTENTS.finditer(text):
                self._check_contents(self._bytes.references(contents[1]))
        return Look(frozenset(self._places), frozenset(self._cut), self._forms_draw, tuple(self._costly))

    def _do_without(self, place: StreamPlace, error: DecodeTooCostly) -> None:
        """Raises ``error`` where the document cannot be read without it, or has too many of the kind."""
        if self._left < 0 or not place.number or place.is_of_structure or len(self._costly) == MAX_COSTLY:
            raise error
        self._costly.append(CostlyStream(place, error))

    def _look_at(self, place: StreamPlace) -> None:
        filters = self._bytes.filters(place)
        if len(filters) > self._limits.max_nesting:
            raise DecodeTooCostly("a stream of the PDF is compressed too many times", limit=self._limits.max_nesting)
        if place.is_image:
            self._check_picture(place, filters)
            filters = filters[:-1]
        is_quick = bool(filters) and not place.is_image and _SLOW.isdisjoint(filters)
        if is_quick or place.is_of_objects or _at_most(place, filters) > FREE_BYTES:
            self._measure(place, filters)

    def _check_contents(self, numbers: Sequence[int]) -> None:
        """What a page draws counts as often as it is named."""
        counts = Counter(numbers)
        places = [(self._places[number], count) for number, count in counts.items() if number in self._places]
        if sum(_at_most(place, self._bytes.filters(place)) * count for place, count in places) <= FREE_BYTES:
            return
        try:
            self._check_sum(places)
        except DecodeTooCostly as error:
            self._do_without(max(places, key=lambda each: each[0].length * each[1])[0], error)

    def _check_sum(self, places: Sequence[tuple[StreamPlace, int]]) -> None:
        limit = self._limits.max_stream_bytes
        if sum(self._size(place) * count for place, count in places) > limit:
            raise DecodeTooCostly(f"the contents of a page have more than {limit} bytes", limit=limit)

    def _size(self, place: StreamPlace) -> int:
        """The stream's bytes as the content of a page, whatever it says that it is."""
        if any(place == costly for costly, _ in self._costly):
            return 0
        if place.number not in self._sizes or place.is_image:
            self._measure(place, self._bytes.filters(place))
        return self._sizes[place.number]

    def _measure(self, place: StreamPlace, filters: Sequence[bytes]) -> None:
        names = [NAMES[name] for name in filters if name in NAMES]
        if sum(name in COMPRESSING for name in names) > 1:
            _check_predictor(place)
        total = 0
        kept: list[bytes] | None = [] if place.is_of_objects else None
        try:
            for piece in self._pieces(place, self._raw(place), names):
                total += len(piece)
                self._count(place, total, len(piece))
                _check_inline(piece)
                if kept is not None:
                    kept.append(piece)
        except StreamBroken:
            self._cut.add(place.number)
        self._sizes[place.number] = total
        if kept is not None:
            self._objects.append(b"".join(kept))

    def _pieces(self, place: StreamPlace, raw: bytes | memoryview, names: Sequence[str]) -> Pieces:
        if not bytes(raw[:_LINE_END]).strip():
            return ()  # an empty stream, whatever its filters
        pieces: Pieces = in_pieces(raw)
        for position, name in enumerate(names):
            pieces = undone(pieces, name, b"/EarlyChange 0" not in place.head)
            if position + 1 < len(names):
                pieces = self._counted(place, pieces)
        return pieces

    def _counted(self, place: StreamPlace, pieces: Pieces) -> Iterator[bytes]:
        """What is in between takes room as well."""
        total = 0
        for piece in pieces:
            total += len(piece)
            self._count(place, total, len(piece))
            yield piece

    def _raw(self, place: StreamPlace) -> bytes | memoryview:
        if self._decrypted is not None and not re.search(rb"/Type\s*/XRef\b", place.entries):
            try:
                with translated():
                    return self._decrypted(place.number)
            except DecodeFailed as error:
                raise StreamBroken from error
        return memoryview(self._bytes.data)[place.start : place.start + place.length]

    def _count(self, place: StreamPlace, total: int, more: int) -> None:
        limits = self._limits
        if total > limits.max_stream_bytes:
            raise DecodeTooCostly(
                f"a stream of the PDF has more than {limits.max_stream_bytes} bytes", limit=limits.max_stream_bytes
            )
        if total > FREE_BYTES and total > limits.max_stream_expansion * place.length:
            raise DecodeTooCostly(
                f"a stream of the PDF has more than {limits.max_stream_expansion} times the bytes that it takes",
                limit=limits.max_stream_expansion,
            )
        self._left -= more
        if self._left < 0:
            raise DecodeTooCostly(
                f"the PDF's streams have more than {MAX_TOTAL_EXPANSION} times the bytes that it has",
                limit=MAX_TOTAL_EXPANSION,
            )

    def _check_picture(self, place: StreamPlace, filters: Sequence[bytes]) -> None:
        sizes = [(place.integer(b"Width"), place.integer(b"Height"))]
        if len(filters) == 1 and filters[0] in _JPEG_NAMES and self._decrypted is None:
            with suppress(DecodeFailed, UnsupportedFormat):
                jpeg = self._bytes.data[place.start : place.start + place.length]
                header = read_jpeg(jpeg, self._limits)
                sizes.append((header.width, header.height))
                if ends_early(jpeg, self._limits):
                    self._cut.add(place.number)
        if filters[-1:] == (b"JPXDecode",) and (found := _CODESTREAM.search(self._bytes.data, place.start)):
            sizes.append((int.from_bytes(found[1], "big"), int.from_bytes(found[2], "big")))
        pixels = max(width * height for width, height in sizes)
        if pixels > self._limits.max_pixels and pixels > MAX_PICTURE_EXPANSION * place.length:
            raise DecodeTooCostly(
                f"a picture of the PDF has {pixels} pixels, more than {MAX_PICTURE_EXPANSION} for each of its bytes",
                limit=self._limits.max_pixels,
            )


def _at_most(place: StreamPlace, filters: Sequence[bytes]) -> int:
    """Bytes that the stream may have, whatever is in it; without filters that could make it larger, its own."""
    size = place.length
    for name in filters:
        size *= GROWTH.get(NAMES.get(name, ""), 1)
    return size


def _check_predictor(place: StreamPlace) -> None:
    if b"/Predictor" in place.head:
        raise DecodeTooCostly("a stream of the PDF is compressed twice, with a predictor in between", limit=1)


def _check_inline(piece: bytes) -> None:
    for found in _INLINE.finditer(piece):
        if int(found[1]) * int(found[2]) > MAX_INLINE_PIXELS:
            raise DecodeTooCostly("a picture in the contents of a page is too large", limit=MAX_INLINE_PIXELS)
