"""A JPEG by its markers (ITU-T T.81, annex B): what it is, and what it costs to decode, counted before anything is."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from handlers.document.errors import DecodeFailed, DecodeTooCostly, UnsupportedFormat
from handlers.document.images.exif import Exif, Resolution, read_exif
from handlers.document.images.header import ImageHeader
from handlers.document.limits import DocumentLimits

MAX_BLOCK_VISITS = 128_000_000
"""Each scan of a progressive JPEG is one more pass over the whole picture, and one of a few bytes costs as much as any:
a file of 100 KB keeps the decoder busy for as long as its author likes, and a decoder cannot be interrupted. A pass
takes some 10 ns a block that it has nothing for, so this is a second or two; 80 megapixels without sub-sampling in the
ten scans that encoders write are 38 million."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Not among them: a stuffed 0xFF of entropy-coded data, fill bytes, and restart markers, which have no segment."""

_START, _END, _SCAN, _TEMPORARY = 0xD8, 0xD9, 0xDA, 0x01
_JFIF, _APP1 = 0xE0, 0xE1
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE, _ARITHMETIC = frozenset({0xC2, 0xC6, 0xCA, 0xCE}), frozenset(range(0xC9, 0xD0))

_COEFFICIENTS = 64

_JFIF_UNITS = {1: 1.0, 2: 2.54}


@dataclass(frozen=True, slots=True)
class _Frame:
    """The frame header (T.81, B.2.2): ``sampling`` has each component's factors, across and down, ``components`` the
    byte that stands for it in a scan."""

    kind: int
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    components: bytes

    @property
    def blocks(self) -> int:
        """Blocks of 8 by 8 samples, of all components together."""
        widest, tallest = max(h for h, _ in self.sampling), max(v for _, v in self.sampling)
        return sum(
            -(-self.width * across // (8 * widest)) * -(-self.height * down // (8 * tallest))
            for across, down in self.sampling
        )


@dataclass(slots=True)
class _Found:
    frame: _Frame | None = None
    scans: int = 0
    missing: dict[int, set[int]] = field(default_factory=dict)
    """By component, the coefficients whose lowest bit no scan has brought so far."""
    in_parts: bool = False
    end: int | None = None
    exif: Exif = field(default_factory=Exif)
    resolution: Resolution | None = None


def read_jpeg(data: bytes, limits: DocumentLimits) -> ImageHeader:
    """Linear in bytes. What is damaged otherwise is left to the decoder, which skips to the next marker as this does.

    Raises :class:`DecodeFailed` without a frame, or with one that the file is too short for,
    :class:`UnsupportedFormat` for 12 bits a sample, and :class:`DecodeTooCostly`.
    """
    found = _walk(data, limits)
    if found.frame is None:
        raise DecodeFailed("the JPEG has no frame header")
    frame, blocks = found.frame, found.frame.blocks
    if found.scans * blocks > MAX_BLOCK_VISITS:
        raise DecodeTooCostly(f"the JPEG's {found.scans} scans are too many for its size", limit=MAX_BLOCK_VISITS)
    if frame.kind not in _ARITHMETIC and blocks > 8 * len(data):
        raise DecodeFailed("the JPEG is too short for its size: each block of 64 pixels takes a bit at least")
    return ImageHeader(
        frame.width,
        frame.height,
        _decoder_bytes(found, frame, limits),
        found.exif.orientation,
        found.resolution or found.exif.resolution,
        shrinks=True,
    )


def end_of_picture(data: bytes, limits: DocumentLimits) -> int | None:
    """Where the marker of the picture's end is. Raises :class:`DecodeTooCostly`."""
    return _walk(data, limits).end


def ends_early(data: bytes, limits: DocumentLimits) -> bool:
    """Whether there is no end, or the scans in front of it do not bring all coefficients to their last bit: of a
    progressive JPEG the decoder makes a picture of what there is. Raises :class:`DecodeTooCostly`."""
    found = _walk(data, limits)
    return found.end is None or any(found.missing.values())


def shrink_steps(width: int, height: int, limits: DocumentLimits) -> int:
    """What is decoded is a 1st, 2nd, 4th or 8th of each side: the largest that has at most twice the pixels that are
    wanted in the end."""
    steps = 1
    while steps < 8 and width * height > 2 * limits.max_page_pixels * steps**2:
        steps *= 2
    return steps


def _decoder_bytes(found: _Found, frame: _Frame, limits: DocumentLimits) -> int:
    """Pillow's picture, and where there are several scans all coefficients, of two bytes each."""
    steps = shrink_steps(frame.width, frame.height, limits)
    picture = frame.width * frame.height // steps**2 * (1 if len(frame.sampling) == 1 else 4)
    several = found.scans > 1 or found.in_parts or frame.kind in _PROGRESSIVE
    return picture + (128 * frame.blocks if several else 0)


def _walk(data: bytes, limits: DocumentLimits) -> _Found:
    found, position = _Found(), 0
    for _ in range(limits.max_parts):
        marker = _MARKER.search(data, position)
        if marker is None or data[marker.end() - 1] == _END:
            found.end = None if marker is None else marker.start()
            return found
        kind, position = data[marker.end() - 1], marker.end()
        if kind in (_START, _TEMPORARY):
            continue
        if position + 2 > len(data):
            return found
        (length,) = struct.unpack_from(">H", data, position)
        _take(found, kind, data[position + 2 : position + length], limits)
        position += length
    raise DecodeTooCostly(f"the JPEG has more than {limits.max_parts} segments", limit=limits.max_parts)


def _take(found: _Found, kind: int, body: bytes, limits: DocumentLimits) -> None:
    if kind == _SCAN:
        found.scans += 1
        found.in_parts |= found.frame is not None and body[:1] != bytes([len(found.frame.sampling)])
        if found.scans > limits.max_scans:
            raise DecodeTooCostly(f"the JPEG has more than {limits.max_scans} scans", limit=limits.max_scans)
        if found.frame is not None:
            _take_scan(found.missing, found.frame, body)
    elif kind in _FRAMES and found.frame is None:
        found.frame = _frame(kind, body)
        found.missing = {component: set(range(_COEFFICIENTS)) for component in found.frame.components}
    elif kind == _JFIF and body.startswith(b"JFIF\0") and len(body) >= 12:
        unit, across, down = struct.unpack_from(">BHH", body, 7)
        scale = _JFIF_UNITS.get(unit)
        found.resolution = None if scale is None else (across * scale, down * scale)
    elif kind == _APP1 and body.startswith(b"Exif\0\0") and found.exif == Exif():
        found.exif = read_exif(body, limits)


def _take_scan(missing: dict[int, set[int]], frame: _Frame, body: bytes) -> None:
    """A scan's header (T.81, B.2.3): which components it is of, its first and last coefficient, and how many of their
    lowest bits it leaves to later scans."""
    count = body[0] if body else 0
    if len(body) < 4 + 2 * count:
        return
    first, last, bits = body[1 + 2 * count : 4 + 2 * count]
    if frame.kind not in _PROGRESSIVE:
        first, last, bits = 0, _COEFFICIENTS - 1, 0
    if not bits & 15:
        for component in body[1 : 1 + 2 * count : 2]:
            missing.get(component, set()).difference_update(range(first, last + 1))


def _frame(kind: int, body: bytes) -> _Frame:
    if len(body) < 6 or len(body) < 6 + 3 * body[5] or not body[5]:
        raise DecodeFailed("the JPEG's frame header is damaged")
    precision, height, width, count = struct.unpack_from(">BHHB", body)
    if precision == 12:
        raise UnsupportedFormat("a JPEG of 12 bits a sample")
    sampling = tuple((body[7 + 3 * n] >> 4, body[7 + 3 * n] & 15) for n in range(count))
    if not all(1 <= factor <= 4 for pair in sampling for factor in pair):
        raise DecodeFailed("the JPEG's frame header is damaged")
    return _Frame(kind, width, height, sampling, body[6 : 6 + 3 * count : 3])
