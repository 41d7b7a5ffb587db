"""Small, valid files of every format that documents come in: what mutations start from."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from types import MappingProxyType

import pikepdf
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from testing.documents import sample_page, tiff_of
from testing.heic import Shape, heic_of

_SIZE = (124, 176)
_ORIENTATION = 0x0112


@cache
def valid_files() -> MappingProxyType[str, bytes]:
    """By name; the part before the first ``-`` is the format. The same bytes in every process."""
    return MappingProxyType({name: make() for name, make in sorted(_FILES.items())})


@cache
def _page() -> Image.Image:
    return sample_page(1).image.resize(_SIZE, Image.Resampling.BOX)


def _colour() -> Image.Image:
    return Image.merge("RGB", [_page(), _page().transpose(Image.Transpose.FLIP_TOP_BOTTOM), _page()])


def _see_through() -> Image.Image:
    image = _colour().convert("RGBA")
    image.putalpha(_page().transpose(Image.Transpose.ROTATE_180))
    return image


def _deep() -> Image.Image:
    return Image.frombytes("I;16", _SIZE, b"".join(bytes((level, level)) for level in _page().tobytes()))


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION], exif[0x011A], exif[0x011B] = 6, 300, 300
    return exif.tobytes()


def _profile() -> bytes:
    # Pillow's own profile has the time in its header (ICC.1, 7.2.8).
    profile = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"x\0R\0G\0B")
    )
    profile[24:36] = bytes(12)
    return bytes(profile)


def _tiff(image: Image.Image, compression: str | None = None, **tags: int) -> bytes:
    directory = ImageFileDirectory_v2()
    for name, value in tags.items():
        directory[int(name.removeprefix("tag_"))] = value
    return _encoded(image, "TIFF", compression=compression, tiffinfo=directory)


def _pdf(form: str) -> bytes:
    """A PDF of two pages that are images (``pictures``), or of one with text, in object streams (``packed``) or not."""
    if form == "pictures":
        stream = io.BytesIO()
        _page().save(stream, "PDF", save_all=True, append_images=[_page().convert("1")], resolution=100)
        return _with_fixed_dates(stream.getvalue())
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(300, 400))
    font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
    page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
    page.Contents = document.make_stream(b"BT /F1 18 Tf 40 300 Td (Invoice 4711) Tj 0 -30 Td (Total 12.50) Tj ET")
    stream = io.BytesIO()
    packed = pikepdf.ObjectStreamMode.generate if form == "packed" else pikepdf.ObjectStreamMode.disable
    document.save(stream, object_stream_mode=packed, deterministic_id=True)
    return stream.getvalue()


def _with_fixed_dates(data: bytes) -> bytes:
    document = pikepdf.open(io.BytesIO(data))
    del document.docinfo
    stream = io.BytesIO()
    document.save(stream, deterministic_id=True)
    return stream.getvalue()


_FILES: dict[str, Callable[[], bytes]] = {
    "jpeg-grey": lambda: _encoded(_page(), "JPEG", dpi=(300, 300)),
    "jpeg-colour": lambda: _encoded(_colour(), "JPEG", exif=_exif(), icc_profile=_profile()),
    "jpeg-progressive": lambda: _encoded(_colour(), "JPEG", progressive=True),
    "jpeg-inks": lambda: _encoded(_colour().convert("CMYK"), "JPEG"),
    "jpeg-restarts": lambda: _encoded(_page(), "JPEG", restart_marker_rows=1),
    "png-grey": lambda: _encoded(_page(), "PNG", dpi=(300, 300)),
    "png-bits": lambda: _encoded(_page().convert("1"), "PNG"),
    "png-palette": lambda: _encoded(_colour().quantize(16), "PNG", transparency=3),
    "png-see_through": lambda: _encoded(_see_through(), "PNG", exif=_exif(), icc_profile=_profile()),
    "png-deep": lambda: _encoded(_deep(), "PNG"),
    "tiff-raw": lambda: _tiff(_colour(), tag_274=8),
    "tiff-fax": lambda: _tiff(_page().convert("1"), "group4"),
    "tiff-fax3": lambda: _tiff(_page().convert("1"), "group3"),
    "tiff-lzw": lambda: _tiff(_colour(), "tiff_lzw", tag_317=2),
    "tiff-deflate": lambda: _tiff(_see_through(), "tiff_deflate"),
    "tiff-packed": lambda: _tiff(_page(), "packbits"),
    "tiff-jpeg": lambda: _tiff(_colour(), "jpeg"),
    "tiff-deep": lambda: _tiff(_deep(), "tiff_lzw"),
    "tiff-inks": lambda: _tiff(_colour().convert("CMYK"), "tiff_lzw"),
    "tiff-pages": lambda: tiff_of([_page(), _colour(), _page().convert("1")]),
    "tiff-big": lambda: _encoded(_page(), "TIFF", big_tiff=True, compression="tiff_lzw"),
    "webp-lossy": lambda: _encoded(_colour(), "WEBP", exif=_exif()),
    "webp-lossless": lambda: _encoded(_colour(), "WEBP", lossless=True),
    "webp-see_through": lambda: _encoded(_see_through(), "WEBP", icc_profile=_profile()),
    "webp-moving": lambda: _encoded(_colour(), "WEBP", save_all=True, append_images=[_colour().rotate(180)]),
    "bmp-bits": lambda: _encoded(_page().convert("1"), "BMP"),
    "bmp-grey": lambda: _encoded(_page(), "BMP"),
    "bmp-colour": lambda: _encoded(_colour(), "BMP"),
    "gif-grey": lambda: _encoded(_page(), "GIF"),
    "gif-moving": lambda: _encoded(_page(), "GIF", save_all=True, append_images=[_page().rotate(180)], interlace=1),
    "heic-plain": lambda: heic_of(_colour(), Shape(quarter_turns=1), exif=_exif()),
    "heic-tiles": lambda: heic_of(_colour().resize((128, 128)), Shape(tiles=(2, 2), mirror=1)),
    "pdf-pictures": lambda: _pdf("pictures"),
    "pdf-text": lambda: _pdf("text"),
    "pdf-packed": lambda: _pdf("packed"),
}
