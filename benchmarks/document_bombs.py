"""Files that are small and want to be large: what a decoder would spend on them is out of proportion."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pikepdf
from PIL import Image

from testing.documents import bomb_png, jpeg_of_scans, lying_png, swollen_png, tiff_of
from testing.heic import Shape, heic_of

_SIDE = 20_000


def bomb(name: str) -> bytes:
    return BOMBS[name]()


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _grey(side: int = 64) -> Image.Image:
    return Image.new("L", (side, side), 200)


def _jpeg_with_size(width: int, height: int, **options: object) -> bytes:
    data = bytearray(_encoded(_grey().convert("RGB"), "JPEG", **options))
    at = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data)


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_with(*chunks: bytes) -> bytes:
    data = _encoded(_grey(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def _tiff_with_size(width: int, height: int, compression: str | None = None) -> bytes:
    data = bytearray(_encoded(_grey(), "TIFF", compression=compression))
    for tag, value in ((256, width), (257, height)):
        struct.pack_into("<HHII", data, _entry_of(data, tag), tag, 4, 1, value)
    return bytes(data)


def _entry_of(data: bytes | bytearray, tag: int, page: int = 1) -> int:
    """Where the entry of ``tag`` is in the directory of ``page``."""
    (at,) = struct.unpack_from("<I", data, 4)
    for _ in range(page - 1):
        (count,) = struct.unpack_from("<H", data, at)
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", data, at)
    places = range(at + 2, at + 2 + 12 * count, 12)
    return next(place for place in places if struct.unpack_from("<H", data, place)[0] == tag)


def _second_page_of(side: int) -> bytes:
    data = bytearray(tiff_of([_grey(), _grey()]))
    for tag in (256, 257):
        struct.pack_into("<HHII", data, _entry_of(data, tag, page=2), tag, 4, 1, side)
    return bytes(data)


def _directories(count: int, entries: int) -> bytes:
    """A TIFF of ``count`` pages that share ``entries`` entries, each chained to the next."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8))
    size = 2 + 12 * entries + 4
    for number in range(count):
        following = 8 + size * (number + 1) if number + 1 < count else 0
        body = struct.pack("<HHII", 256, 4, 1, 9) + struct.pack("<HHII", 257, 4, 1, 9)
        body += struct.pack("<HHII", 60_000, 4, 1, 0) * (entries - 2)
        data += struct.pack("<H", entries) + body + struct.pack("<I", following)
    return bytes(data)


def _webp_of(width: int, height: int) -> bytes:
    data = bytearray(_encoded(_grey(), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, bits >> 28 << 28 | (height - 1) << 14 | (width - 1))
    return bytes(data)


def _webp_with_canvas(width: int, height: int) -> bytes:
    data = bytearray(
        _encoded(_grey().convert("RGBA"), "WEBP", save_all=True, append_images=[Image.new("RGBA", (64, 64))])
    )
    at = data.index(b"VP8X") + 12
    data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def _nested_streams(depth: int, megabytes: int) -> bytes:
    """A PDF whose page is drawn by a stream of white space that was compressed ``depth`` times."""
    body = b" " * (megabytes * 2**20)
    for _ in range(depth):
        body = zlib.compress(body, 9)
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(200, 200))
    page.Contents = pikepdf.Stream(document, body)
    page.Contents.stream_dict = pikepdf.Dictionary(Filter=pikepdf.Array([pikepdf.Name.FlateDecode] * depth))
    stream = io.BytesIO()
    document.save(stream, deterministic_id=True, compress_streams=False)
    return stream.getvalue()


def _nested_forms(levels: int, times: int) -> bytes:
    """A PDF whose page draws a form that draws another so many times, and so on."""
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(200, 200))
    drawn = _form(document, b"0 0 9 9 re f")
    for _ in range(levels):
        outer = _form(document, b"/F Do " * times)
        outer.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=drawn))
        drawn = outer
    page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=drawn))
    page.Contents = pikepdf.Stream(document, b"/F Do")
    stream = io.BytesIO()
    document.save(stream, deterministic_id=True)
    return stream.getvalue()


def _form(document: pikepdf.Pdf, contents: bytes) -> pikepdf.Object:
    form = pikepdf.Stream(document, contents)
    form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
    form.BBox = pikepdf.Array([0, 0, 200, 200])
    return document.make_indirect(form)


def _pdf_picture(side: int) -> bytes:
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(200, 200))
    picture = pikepdf.Stream(document, zlib.compress(bytes(side * side // 8), 9))
    picture.stream_dict = pikepdf.Dictionary(
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=side,
        Height=side,
        BitsPerComponent=1,
        ColorSpace=pikepdf.Name.DeviceGray,
        Filter=pikepdf.Name.FlateDecode,
    )
    page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(I=document.make_indirect(picture)))
    page.Contents = pikepdf.Stream(document, b"q 200 0 0 200 0 0 cm /I Do Q")
    stream = io.BytesIO()
    document.save(stream, deterministic_id=True, compress_streams=False)
    return stream.getvalue()


def _pdf_page(width: float, height: float) -> bytes:
    document = pikepdf.new()
    document.add_blank_page(page_size=(width, height))
    stream = io.BytesIO()
    document.save(stream, deterministic_id=True)
    return stream.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG of 32,000 x 32,000 in 124 KB": bomb_png,
    "PNG whose header promises 8,000 x 8,000": lambda: lying_png(8_000, 8_000),
    "PNG with a gigabyte behind its last row": lambda: swollen_png(1_000),
    "PNG with a comment of 64 MB": lambda: _png_with(_png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26), 9))),
    "PNG with a profile of 64 MB": lambda: _png_with(_png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26), 9))),
    "PNG with 500,000 comments": lambda: _png_with(_png_chunk(b"tEXt", b"a\0b") * 500_000),
    "JPEG of 65,500 x 65,500": lambda: _jpeg_with_size(65_500, 65_500),
    "JPEG of 20,000 x 20,000 without data": lambda: _jpeg_with_size(_SIDE, _SIDE),
    "JPEG of 8,900 x 8,900 without data": lambda: _jpeg_with_size(8_900, 8_900),
    "JPEG of 8,900 x 8,900 without data, progressive": lambda: _jpeg_with_size(8_900, 8_900, progressive=True),
    "JPEG of 100,000 scans": lambda: jpeg_of_scans(100_000),
    "JPEG of a million comments": lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000 + _encoded(_grey(), "JPEG")[2:],
    "TIFF of 50,000 x 50,000 without data": lambda: _tiff_with_size(50_000, 50_000),
    "TIFF of 8,900 x 8,900 without data": lambda: _tiff_with_size(8_900, 8_900),
    "TIFF of 8,900 x 8,900 without data, LZW": lambda: _tiff_with_size(8_900, 8_900, "tiff_lzw"),
    "TIFF of 25,000 x 25,000 in fax lines": lambda: _encoded(
        Image.new("1", (25_000, 25_000), 1), "TIFF", compression="group4"
    ),
    "TIFF of 100,000 pages": lambda: _directories(100_000, 3),
    "TIFF of 900 pages with 4,000 entries each": lambda: _directories(900, 4_000),
    "TIFF whose second page is 60,000 x 60,000": lambda: _second_page_of(60_000),
    "WebP of 16,000 x 16,000": lambda: _webp_of(16_000, 16_000),
    "WebP whose canvas is 16 million wide": lambda: _webp_with_canvas(2**24, 2**24),
    "GIF whose screen is 65,535 x 65,535": lambda: b"GIF89a\xff\xff\xff\xff" + _encoded(_grey(), "GIF")[10:],
    "BMP of 30,000 x 30,000 without data": lambda: (
        _encoded(_grey(), "BMP")[:18] + struct.pack("<ii", 30_000, 30_000) + _encoded(_grey(), "BMP")[26:]
    ),
    "HEIC that says 32,000 x 32,000": lambda: heic_of(_grey(), Shape(stated=(32_000, 32_000))),
    "HEIC whose grid says 30,000 x 30,000": lambda: heic_of(_grey(), Shape(tiles=(2, 2), stated=(30_000, 30_000))),
    "HEIC that says 32 x 32 and is 640 x 640": lambda: heic_of(_grey(640), Shape(stated=(32, 32))),
    "HEIC whose grid is made of itself": lambda: _itself(heic_of(_grey(), Shape(tiles=(2, 2)))),
    "PDF of 14,400 x 14,400 points": lambda: _pdf_page(14_400, 14_400),
    "PDF with a stream compressed 8 times": lambda: _nested_streams(8, 64),
    "PDF with a stream compressed once": lambda: _nested_streams(1, 64),
    "PDF with a picture of 32,000 x 32,000": lambda: _pdf_picture(32_000),
    "PDF of forms in forms, 10 times 10": lambda: _nested_forms(10, 10),
}


def _itself(data: bytes) -> bytes:
    changed = bytearray(data)
    struct.pack_into(">H", changed, data.index(b"dimg") + 8, 5)
    return bytes(changed)
