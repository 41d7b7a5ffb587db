"""An HEIC file by its boxes (ISO/IEC 23008-12): the picture that it is about, and what decoding that takes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

from handlers.document.errors import DecodeFailed, DecodeTooCostly, ImageTooLarge, UnsupportedFormat
from handlers.document.images.header import ImageHeader
from handlers.document.images.hevc import SEQUENCE_PARAMETERS, sequence_size, unit_type
from handlers.document.images.iso_boxes import Box, Location, Locations, Reader, boxes, full_box, read_locations
from handlers.document.limits import DocumentLimits

_CODED = b"hvc1"
_DERIVED = frozenset({b"grid", b"iden", b"iovl"})
_CODED_BYTES, _PIXEL_BYTES = 2, 8
"""Bytes a pixel: of what is coded, its planes; of the picture, what libheif makes of them and Pillow's copy."""

_SLACK = 64
"""How much more than the picture a coded one may have each way, in pixels: its last blocks are padded."""


@dataclass(slots=True)
class _Meta:
    """What the ``meta`` box says. ``links`` are the items that an item is made of, in order; ``helpers`` are those that
    belong to it, its transparency among them."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    links: dict[int, list[int]] = field(default_factory=dict)
    helpers: dict[int, list[int]] = field(default_factory=dict)
    properties: list[Box] = field(default_factory=list)
    owned: dict[int, list[int]] = field(default_factory=dict)
    locations: Locations = field(default_factory=Locations)

    def of(self, item: int) -> list[Box]:
        """The item's properties, in order; an index that points nowhere is passed over."""
        return [self.properties[n - 1] for n in self.owned.get(item, []) if 1 <= n <= len(self.properties)]


def read_heif(data: bytes, limits: DocumentLimits) -> ImageHeader:
    """The primary picture, as it is looked at: its own turns and mirrors count, and EXIF's are a copy of them.

    Raises :class:`DecodeFailed`, :class:`UnsupportedFormat` for pictures that are not HEVC, :class:`ImageTooLarge`
    where a part is more than the whole may be, and :class:`DecodeTooCostly`.
    """
    meta = _read_meta(data, limits)
    width, height = _size(meta, meta.primary)
    pixels = _Cost(data, meta, limits).of(meta.primary)
    turned = _turned(meta.of(meta.primary), width, height)
    return ImageHeader(*turned, width * height * _PIXEL_BYTES + pixels * _CODED_BYTES)


class _Cost:
    """Counts the pixels that are decoded for an item, and checks each coded one on the way."""

    def __init__(self, data: bytes, meta: _Meta, limits: DocumentLimits) -> None:
        self._data, self._meta, self._limits = data, meta, limits
        self._known: dict[int, int] = {}

    def of(self, item: int, depth: int = 0) -> int:
        if depth > self._limits.max_nesting:
            raise DecodeTooCostly(
                f"the HEIC's pictures are nested more than {self._limits.max_nesting} deep",
                limit=self._limits.max_nesting,
            )
        if item not in self._known:
            self._known[item] = self._count(item, depth)
        return self._known[item]

    def _count(self, item: int, depth: int) -> int:
        kind = self._meta.kinds.get(item)
        if kind == _CODED:
            pixels = self._coded(item)
        elif kind in _DERIVED:
            pixels = sum(self.of(part, depth + 1) for part in self._meta.links.get(item, []))
        elif kind is None:
            raise DecodeFailed("the HEIC names a picture that it does not have")
        else:
            raise UnsupportedFormat(f"an HEIC whose picture is {kind.decode('latin-1')!r}")
        pixels += sum(self.of(helper, depth + 1) for helper in self._meta.helpers.get(item, []))
        # Tiles are padded to their full size, and transparency doubles all.
        if pixels > 4 * self._limits.max_pixels:
            limit = 4 * self._limits.max_pixels
            raise DecodeTooCostly(f"the HEIC's parts have more than {limit} pixels", limit=limit)
        return pixels

    def _coded(self, item: int) -> int:
        width, height = _size(self._meta, item)
        units = [*_configured(self._meta.of(item)), *_units(self._data, self._meta.locations.of(item), self._limits)]
        sizes = [sequence_size(unit) for unit in units if unit_type(unit) == SEQUENCE_PARAMETERS]
        if not sizes:
            raise DecodeFailed("the HEIC's picture has no parameters")
        if any(across > width + _SLACK or down > height + _SLACK for across, down in sizes):
            raise DecodeFailed("the HEIC's picture is larger than the file says")
        if width * height > self._limits.max_pixels:
            raise ImageTooLarge(
                f"a part of page 1 is {width} x {height}, more than the limit of {self._limits.max_pixels} pixels",
                page=1,
                width=width,
                height=height,
                limit=self._limits.max_pixels,
            )
        return width * height


def _size(meta: _Meta, item: int) -> tuple[int, int]:
    for box in meta.of(item):
        if box.kind == b"ispe":
            width, height = box.reader(4).take("II")
            return width, height
    raise DecodeFailed("the HEIC's picture has no size")


def _turned(properties: list[Box], width: int, height: int) -> tuple[int, int]:
    """After cropping (``clap``) and quarter turns (``irot``), in the order in which they stand; a mirror changes no
    size."""
    return reduce(_transformed, properties, (width, height))


def _transformed(size: tuple[int, int], box: Box) -> tuple[int, int]:
    width, height = size
    if box.kind == b"irot" and box.reader(0).take("B")[0] & 1:
        return height, width
    if box.kind == b"clap":
        across, by, down, under = box.reader(0).take("IIII")
        if not by or not under:
            raise DecodeFailed("the HEIC's picture is cropped to nothing")
        return min(width, across // by), min(height, down // under)
    return size


def _configured(properties: list[Box]) -> Iterator[bytes]:
    """The NAL units of the decoder's configuration (ISO/IEC 14496-15, 8.3.2.1.2)."""
    for box in properties:
        if box.kind == b"hvcC":
            reader = box.reader(22)
            for _ in range(reader.take("B")[0]):
                _, count = reader.take("BH")
                for _ in range(count):
                    yield reader.chunk(reader.take("H")[0])


def _units(data: bytes, location: Location, limits: DocumentLimits) -> Iterator[bytes]:
    """The first bytes of each NAL unit of a coded picture, each behind its length. One that is damaged ends them."""
    for number, (start, length) in enumerate(location):
        position, end = start, min(start + length, len(data))
        if number > limits.max_parts:
            break
        for _ in range(limits.max_parts):
            if position + 4 > end:
                break
            (size,) = struct.unpack_from(">I", data, position)
            yield data[position + 4 : min(position + 4 + min(size, 1_024), end)]
            position += 4 + size
        else:
            raise DecodeTooCostly(f"the HEIC's picture has more than {limits.max_parts} units", limit=limits.max_parts)


def _read_meta(data: bytes, limits: DocumentLimits) -> _Meta:
    tops = {box.kind: box for box in boxes(Reader(data), limits)}
    if b"meta" not in tops:
        raise DecodeFailed("the HEIC has no picture")
    parts = {box.kind: box for box in boxes(tops[b"meta"].reader(4), limits)}
    meta = _Meta()
    for kind in (b"pitm", b"iinf", b"iloc", b"iprp"):
        if kind not in parts:
            raise DecodeFailed("the HEIC's description of its picture is not whole")
    version, _, reader = full_box(parts[b"pitm"])
    meta.primary = reader.take("I" if version else "H")[0]
    meta.kinds = _kinds(parts[b"iinf"], limits)
    meta.locations = read_locations(parts[b"iloc"], parts.get(b"idat"), limits)
    _read_properties(meta, parts[b"iprp"], limits)
    if b"iref" in parts:
        _read_links(meta, parts[b"iref"], limits)
    return meta


def _kinds(box: Box, limits: DocumentLimits) -> dict[int, bytes]:
    version, _, reader = full_box(box)
    reader.take("I" if version else "H")
    kinds: dict[int, bytes] = {}
    for entry in boxes(reader, limits):
        if entry.kind == b"infe":
            version, _, inner = full_box(entry)
            if version >= 2:
                item = inner.take("I" if version > 2 else "H")[0]
                inner.take("H")
                kinds[item] = inner.chunk(4)
    return kinds


def _read_properties(meta: _Meta, box: Box, limits: DocumentLimits) -> None:
    for inner in boxes(box.reader(0), limits):
        if inner.kind == b"ipco":
            meta.properties = list(boxes(inner.reader(0), limits))
        elif inner.kind == b"ipma":
            version, flags, reader = full_box(inner)
            for _ in range(reader.count("I", limits)):
                item = reader.take("I" if version else "H")[0]
                indexes = (reader.take("H" if flags & 1 else "B")[0] for _ in range(reader.take("B")[0]))
                meta.owned[item] = [index & (0x7FFF if flags & 1 else 0x7F) for index in indexes]


def _read_links(meta: _Meta, box: Box, limits: DocumentLimits) -> None:
    version, _, reader = full_box(box)
    letter = "I" if version else "H"
    for link in boxes(reader, limits):
        inner = link.reader(0)
        source = inner.take(letter)[0]
        targets = [inner.take(letter)[0] for _ in range(inner.count("H", limits))]
        if link.kind == b"dimg":
            meta.links[source] = targets
        elif link.kind == b"auxl" and _is_alpha(meta, source):
            for target in targets:
                meta.helpers.setdefault(target, []).append(source)


def _is_alpha(meta: _Meta, item: int) -> bool:
    """Of what belongs to a picture only its transparency is decoded; depth and the like are not."""
    kinds = (box.reader(4).rest() for box in meta.of(item) if box.kind == b"auxC")
    return any(b"alpha" in kind or b":auxid:1" in kind for kind in kinds)
