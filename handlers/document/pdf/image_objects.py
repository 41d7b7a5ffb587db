"""A picture as a PDF has it: the file's own bytes where a PDF can take them, else encoded anew.

- JPEG as it is (DCTDecode), unless it is arithmetically coded or of CMYK, which PDF/A's sRGB does not cover.
- PNG without its wrapping (FlateDecode with PNG's predictors), unless it is interlaced or transparent.
- TIFF's strip where it is one and of CCITT's group 4.
- Black and white in CCITT's group 4, a tenth of what Flate gives.
- All else losslessly, as Flate with PNG's predictors, up to a budget of bytes, and above it as JPEG of quality
  :data:`JPEG_QUALITY` without sub-sampling: a photo from HEIC would grow tenfold without loss.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from PIL.Image import Dither, Image, fromarray

from handlers.document.images.directory import Directory, read_directory, read_layout
from handlers.document.limits import DocumentLimits

if TYPE_CHECKING:
    from handlers.document.engine import Page

JPEG_QUALITY = 90

LOSSLESS_BYTES_PER_PIXEL = 0.25
"""Print on clean paper takes 0.02 to 0.2 bytes a pixel, scanned paper and photos 1 to 2."""

LOSSLESS_GROWTH = 1.5
"""What is at most this much larger than the file that it came in is kept without loss as well."""

GREY, COLOUR = "/DeviceGray", "/DeviceRGB"

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_DECODABLE = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended sequential and progressive, all of Huffman coding (ISO 32000-1, 7.4.8)."""

_SCAN, _END, _APP2, _APP14 = 0xDA, 0xD9, 0xE2, 0xEE
_PROFILE_NAME = b"ICC_PROFILE\0"
_MAX_PARTS = 20_000
_MAX_PROFILE = 4 << 20

_PNG_COLOURS = {0: 1, 2: 3, 3: 1}
_PNG_START = 8

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _OPTIONS = 273, 277, 278, 279, 293
_BLACK_IS_ZERO = 1
_GROUP_4 = 4


class ImageObject(NamedTuple):
    """``entries`` of an image's dictionary besides its colour space, in PDF's syntax, and its ``data``.

    ``colours`` is the space; where there is an ICC ``profile`` for it, the picture's colours are those of the profile.
    """

    entries: str
    colours: str
    data: bytes
    profile: bytes | None = None


class _Frame(NamedTuple):
    """A JPEG's frame header (ITU-T T.81, B.2.2): ``components`` are their identifiers."""

    kind: int
    precision: int
    height: int
    width: int
    components: bytes


def jpeg_object(data: bytes) -> ImageObject | None:
    """``None`` for a JPEG that a PDF cannot take, or whose colours a PDF would take for others."""
    frame: _Frame | None = None
    parts: list[bytes] = []
    for kind, body in _jpeg_segments(data):
        if kind in _FRAMES and frame is None:
            frame = _frame(kind, body)
        elif kind == _APP2 and body.startswith(_PROFILE_NAME):
            parts.append(body)
    if frame is None or frame.kind not in _DECODABLE or frame.precision != 8 or not frame.width or not frame.height:
        return None
    if len(frame.components) not in (1, 3) or frame.components == b"RGB":
        return None
    colours = GREY if len(frame.components) == 1 else COLOUR
    entries = f"/Width {frame.width} /Height {frame.height} /BitsPerComponent 8 /Filter /DCTDecode"
    return ImageObject(entries, colours, data, _usable(_jpeg_profile(parts), colours))


def png_object(data: bytes) -> ImageObject | None:
    """``None`` for a PNG that a PDF cannot take without its pixels being written anew."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    parts = {b"IDAT": [], b"PLTE": [], b"tRNS": [], b"iCCP": []}  # type: dict[bytes, list[bytes]]
    for kind, body in _png_chunks(data):
        if kind in parts:
            parts[kind].append(body)
    palette = b"".join(parts[b"PLTE"])
    if colour not in _PNG_COLOURS or interlaced or parts[b"tRNS"] or not parts[b"IDAT"]:
        return None
    if colour == 3 and (not palette or len(palette) % 3):
        return None
    channels = _PNG_COLOURS[colour]
    entries = (
        f"/Width {width} /Height {height} /BitsPerComponent {depth} /Filter /FlateDecode "
        f"/DecodeParms << /Predictor 15 /Colors {channels} /BitsPerComponent {depth} /Columns {width} >>"
    )
    space = COLOUR if colour == 2 else GREY
    profile = None if colour == 3 else _usable(_png_profile(b"".join(parts[b"iCCP"])), space)
    if colour == 3:
        space = f"[/Indexed /DeviceRGB {len(palette) // 3 - 1} <{palette.hex().upper()}>]"
    return ImageObject(entries, space, b"".join(parts[b"IDAT"]), profile)


def pixels_object(pixels: Page, source_bytes: int) -> ImageObject:
    """HxWx3 uint8 BGR, encoded anew; ``source_bytes`` is what the page takes in the file that it came in."""
    image = _simplest(pixels)
    if image.mode == "1":
        return _group_4(image)
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=6)
    lossless = png_object(stream.getvalue())
    assert lossless is not None
    budget = max(LOSSLESS_BYTES_PER_PIXEL * image.width * image.height, LOSSLESS_GROWTH * source_bytes)
    if len(lossless.data) <= budget:
        return lossless
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    lossy = jpeg_object(stream.getvalue())
    assert lossy is not None
    return min(lossless, lossy, key=lambda found: len(found.data))


def _simplest(pixels: Page) -> Image:
    """Of mode ``1``, ``L`` or ``RGB``, whichever is the first to hold the pixels without loss."""
    blue = pixels[:, :, 0]
    if not ((blue == pixels[:, :, 1]).all() and (blue == pixels[:, :, 2]).all()):
        return fromarray(pixels[:, :, ::-1].copy())
    grey = fromarray(blue.copy())
    if ((blue == 0) | (blue == 255)).all():
        return grey.convert("1", dither=Dither.NONE)
    return grey


def group_4_object(page: Directory) -> ImageObject | None:
    """A TIFF's page (TIFF 6.0, section 11); ``None`` where it is not one strip of group 4, its bits in their order."""
    if (page.integer(_COMPRESSION, 1), page.integer(_BITS, 1), page.integer(_SAMPLES, 1)) != (_GROUP_4, 1, 1):
        return None
    photometric = page.integer(_PHOTOMETRIC, 0)
    if page.integer(_FILL_ORDER, 1) != 1 or page.integer(_OPTIONS, 0) or photometric not in (0, _BLACK_IS_ZERO):
        return None
    starts, sizes = page.integers(_STRIP_OFFSETS, 2), page.integers(_STRIP_BYTES, 2)
    width, height = page.integer(_WIDTH, 0), page.integer(_HEIGHT, 0)
    if len(starts) != 1 or len(sizes) != 1 or width < 1 or height < 1:
        return None
    black_is_one = "true" if photometric == _BLACK_IS_ZERO else "false"
    entries = (
        f"/Width {width} /Height {height} /BitsPerComponent 1 /Filter /CCITTFaxDecode "
        f"/DecodeParms << /K -1 /Columns {width} /Rows {height} /BlackIs1 {black_is_one} >>"
    )
    return ImageObject(entries, GREY, page.data[starts[0] : starts[0] + sizes[0]])


def _group_4(image: Image) -> ImageObject:
    """Pillow writes a TIFF of one strip, and the strip is what a PDF takes."""
    stream = io.BytesIO()
    image.save(stream, "TIFF", compression="group4", tiffinfo={_ROWS_PER_STRIP: image.height})
    data = stream.getvalue()
    layout, first = read_layout(data)
    found = group_4_object(read_directory(data, layout, first, DocumentLimits()))
    assert found is not None
    return found


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Up to the first scan; what is before a marker and no marker itself is skipped, as decoders do."""
    position = 0
    for _ in range(_MAX_PARTS):
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            return
        kind = data[position + 1]
        if kind in (_SCAN, _END):
            return
        if kind in (0, 0xFF) or kind in _STANDALONE:
            position += 1 if kind == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield kind, data[position + 4 : position + 2 + length]
        position += 2 + length


def _frame(kind: int, body: bytes) -> _Frame | None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        return None
    precision, height, width, count = struct.unpack_from(">BHHB", body)
    return _Frame(kind, precision, height, width, body[6 : 6 + 3 * count : 3])


def _jpeg_profile(parts: list[bytes]) -> bytes:
    """The profile of ICC.1, annex B.4: parts that are numbered from 1."""
    head = len(_PROFILE_NAME)
    return b"".join(part[head + 2 :] for part in sorted(parts, key=lambda part: part[head : head + 1]))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = _PNG_START
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        if kind == b"IEND":
            return
        position += 12 + length


def _png_profile(body: bytes) -> bytes:
    _, _, packed = body.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE)
    except zlib.error:
        return b""


def _usable(profile: bytes, colours: str) -> bytes | None:
    """``profile`` where it is one for ``colours`` that a PDF may have (ISO 32000-1, 8.6.5.5): a version of ICC up to
    4, and of an input, display, output or colour space device."""
    if not 132 <= len(profile) <= _MAX_PROFILE or profile[36:40] != b"acsp" or profile[8] > 4:
        return None
    if int.from_bytes(profile[:4], "big") != len(profile) or profile[12:16] not in (b"scnr", b"mntr", b"prtr", b"spac"):
        return None
    return profile if profile[16:20] == (b"GRAY" if colours == GREY else b"RGB ") else None
