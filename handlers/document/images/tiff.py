"""A TIFF by its directories (TIFF 6.0, BigTIFF): its pages, and each as a file of its own for the decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from handlers.document.errors import DecodeFailed, DecodeTooCostly, TooManyPages, UnsupportedFormat
from handlers.document.images.directory import Directory, read_directory, read_layout
from handlers.document.images.exif import orientation_of, resolution_of
from handlers.document.images.header import ImageHeader
from handlers.document.limits import DocumentLimits

NEW_SUBFILE_TYPE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
SAMPLES, ROWS_PER_STRIP, PLANAR, TILE_WIDTH, TILE_LENGTH, SAMPLE_FORMAT = 277, 278, 284, 322, 323, 339
ICC_PROFILE = 34_675

_DRAWN = frozenset(
    {WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, ROWS_PER_STRIP, PLANAR, TILE_WIDTH, TILE_LENGTH}
    | {SAMPLE_FORMAT, 266, 273, 279, 292, 293, 317, 320, 324, 325, 332, 338, 347, *range(512, 522), *range(529, 533)}
)
"""The tags that the pixels depend on; orientation and colour profile are applied here, the rest is not given to the
decoder."""

_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32_771, 32_773, 32_946, 34_925, 50_000, 50_001})
"""None, CCITT, LZW, JPEG (old and new), Deflate, PackBits, LZMA, Zstandard, WebP: what Pillow knows by name."""

_UNSIGNED = 1

_NOT_A_PAGE = 1 | 4
"""A smaller copy of another page, or a mask of its transparency (TIFF 6.0, page 36)."""

_ENTRIES_A_PAGE = 64


def read_tiff(data: bytes, limits: DocumentLimits) -> tuple[ImageHeader, ...]:
    """The pages, in the order of the chain of directories, which ends where one comes back. One that goes astray has
    lost pages, nobody knows how many, and is damaged.

    Raises :class:`DecodeFailed`, :class:`UnsupportedFormat`, :class:`TooManyPages` and :class:`DecodeTooCostly`.
    """
    directories = [(at, found, found.integer(NEW_SUBFILE_TYPE, 0)) for at, found in _chain(data, limits)]
    pages = [(at, found) for at, found, kind in directories if not kind & _NOT_A_PAGE]
    return tuple(_header(at, found) for at, found in pages or [(at, found) for at, found, _ in directories])


def page_directory(data: bytes, header: ImageHeader, limits: DocumentLimits) -> Directory:
    layout, _ = read_layout(data)
    return read_directory(data, layout, header.at, limits)


def sample_bits(directory: Directory) -> int:
    """Bits of the largest sample of a pixel."""
    return max(directory.integers(BITS, 8), default=1)


def is_deep(directory: Directory) -> bool:
    """Whether Pillow has no mode for the samples, or takes one for another: grey of more than 8 bits, numbers with a
    sign, floats; and BigTIFF from the big end."""
    bits, samples = sample_bits(directory), directory.integer(SAMPLES, 1)
    odd = bits > 8 and (samples == 1 or bits != 16 or directory.integer(SAMPLE_FORMAT, _UNSIGNED) != _UNSIGNED)
    return odd or (directory.layout.big and directory.layout.order == ">")


def single_page(data: bytes, directory: Directory) -> bytes:
    """A TIFF of one page, whose directory, behind everything else, has only the tags that its pixels depend on."""
    layout = directory.layout
    entries = [directory.entries[tag].raw for tag in sorted(directory.entries) if tag in _DRAWN]
    count, offset, first = ("Q", "Q", 8) if layout.big else ("H", "I", 4)
    at = len(data) + len(data) % 2
    start = struct.pack(layout.order + offset, at)
    return b"".join(
        (
            data[:first],
            start,
            data[first + len(start) :],
            b"\0" * (at - len(data)),
            struct.pack(layout.order + count, len(entries)),
            *entries,
            struct.pack(layout.order + offset, 0),
        )
    )


def _chain(data: bytes, limits: DocumentLimits) -> Iterator[tuple[int, Directory]]:
    layout, at = read_layout(data)
    seen: set[int] = set()
    entries = 0
    while at and at not in seen:
        seen.add(at)
        if len(seen) > limits.max_pages:
            raise TooManyPages(f"the document has more than {limits.max_pages} pages", limit=limits.max_pages)
        directory = read_directory(data, layout, at, limits)
        entries += directory.count
        if entries > limits.max_parts + _ENTRIES_A_PAGE * len(seen):
            raise DecodeTooCostly(f"the TIFF has more than {limits.max_parts} entries", limit=limits.max_parts)
        yield at, directory
        at = directory.next
    if not seen:
        raise DecodeFailed("the TIFF has no page")


def _header(at: int, directory: Directory) -> ImageHeader:
    compression = directory.integer(COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise UnsupportedFormat(f"a TIFF with the compression {compression}")
    width, height = directory.integer(WIDTH, 0), directory.integer(LENGTH, 0)
    return ImageHeader(
        width,
        height,
        _decoder_bytes(directory, width, height),
        orientation_of(directory),
        resolution_of(directory),
        at=at,
    )


def _decoder_bytes(directory: Directory, width: int, height: int) -> int:
    """Pillow's picture, or OpenCV's and what is made of it; and libtiff's buffer for one strip or tile."""
    samples, bits = directory.integer(SAMPLES, 1), sample_bits(directory)
    size = 4 if samples > 1 else 1
    if is_deep(directory):
        size += max(1, bits // 8) * samples
    across = directory.integer(TILE_WIDTH, width)
    down = directory.integer(TILE_LENGTH, min(directory.integer(ROWS_PER_STRIP, height), height))
    return width * height * size + across * down * samples * bits // 8
