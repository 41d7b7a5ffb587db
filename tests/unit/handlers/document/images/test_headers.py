"""What is known of an image before it is decoded: size, way up, resolution, cost."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from handlers.document.errors import DecodeFailed, DecodeTooCostly, ImageTooLarge, UnsupportedFormat
from handlers.document.files import PagePixels, PageSize, open_document
from handlers.document.formats import FIRST_BYTES, Format, sniff
from handlers.document.limits import DocumentLimits
from handlers.document.warnings import PageWarning, WarningCode
from testing.documents import jpeg_of_scans
from testing.heic import heic_of

LIMITS = DocumentLimits()
EXIF_ORIENTATION = 0x0112
EXTENSIONS = {"JPEG": Format.JPEG, "PNG": Format.PNG, "TIFF": Format.TIFF, "WEBP": Format.WEBP, "BMP": Format.BMP}


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def page_of(data: bytes, limits: DocumentLimits = LIMITS) -> PagePixels:
    with open_document(data, limits) as document:
        return document.pixels(1)


def quarters() -> Image.Image:
    image = Image.new("RGB", (32, 16), "white")
    image.paste("red", (0, 0, 16, 8))
    image.paste("lime", (16, 0, 32, 8))
    image.paste("blue", (16, 8, 32, 16))
    return image


@pytest.mark.parametrize("form", [*EXTENSIONS, "GIF"])
def test_every_format_is_known_by_its_content_and_has_its_size(form: str) -> None:
    data = encoded(quarters(), form)
    with open_document(data, LIMITS) as document:
        assert document.info.format is EXTENSIONS.get(form, Format.GIF)
        assert document.info.pages == (PageSize(1, 32.0, 16.0, "pixel"),)
        assert document.text_layer(1) is None


def test_a_pdf_is_known_behind_what_stands_in_front_of_it() -> None:
    assert sniff(b"%PDF-1.7") is Format.PDF
    assert sniff(b"\r\n" * 500 + b"%PDF-1.7") is Format.PDF
    assert FIRST_BYTES >= 1_024 + 5


def as_stored(orientation: int) -> Image.Image:
    """What has to be stored for :func:`quarters` to be seen."""
    turn = Image.Transpose
    mirrored = (turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM)
    how = (*mirrored, turn.TRANSPOSE, turn.ROTATE_90, turn.TRANSVERSE, turn.ROTATE_270)
    return quarters() if orientation == 1 else quarters().transpose(how[orientation - 2])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_a_webp_is_turned_upright(orientation: int, prefix: bytes) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    body = prefix + exif.tobytes().removeprefix(b"Exif\0\0")
    data = encoded(as_stored(orientation), "WEBP", lossless=True, exif=body)

    with open_document(data, LIMITS) as document:
        assert document.info.pages == (PageSize(1, 32.0, 16.0),)
        assert np.array_equal(document.pixels(1).pixels[:, :, ::-1], np.asarray(quarters()))


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {"dpi": (300, 300)}), ("PNG", {"dpi": (300, 300)}), ("TIFF", {"dpi": (300, 300)}),
     ("BMP", {"dpi": (300, 300)}), ("TIFF", {"resolution_unit": 3, "x_resolution": 118.11, "y_resolution": 118.11})],
)  # fmt: skip
def test_a_resolution_is_read_from_where_the_format_keeps_it(form: str, options: dict[str, object]) -> None:
    data = encoded(Image.new("L", (600, 300)), form, **options)

    assert page_of(data).dpi == pytest.approx(300, abs=0.5)
    shrunk = page_of(data, DocumentLimits(max_page_pixels=45_000))
    assert shrunk.pixels.shape == (150, 300, 3)
    assert (shrunk.width, shrunk.height, shrunk.scale, shrunk.shrunk) == (600.0, 300.0, 2.0, True)
    assert shrunk.dpi == pytest.approx(150, abs=0.5)
    assert shrunk.warnings == (PageWarning(WarningCode.SHRUNK, 2.0),)


def test_a_resolution_of_exif_counts_where_there_is_no_other() -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 200, 200, 2

    assert page_of(encoded(Image.new("L", (600, 300)), "JPEG", exif=exif)).dpi == pytest.approx(200)


@pytest.mark.parametrize("dpi", [(1, 1), (9_000, 9_000), (204, 98), (0, 300)])
def test_a_resolution_that_cannot_be_true_is_none(dpi: tuple[int, int]) -> None:
    assert page_of(encoded(Image.new("L", (600, 300)), "JPEG", dpi=dpi)).dpi is None


def test_the_template_of_a_camera_is_no_resolution() -> None:
    assert page_of(encoded(Image.new("L", (4_400, 10)), "JPEG", dpi=(72, 72))).dpi is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_whatever_its_mode_a_large_page_is_shrunk_with_its_print_in_place(mode: str) -> None:
    image = Image.new("L", (400, 200), 255)
    image.paste(0, (100, 50, 200, 150))
    wide = np.asarray(image).astype(np.uint16) * 257
    stored = Image.fromarray(wide) if mode == "I;16" else image.convert("RGB").convert(mode)
    page = page_of(encoded(stored, "TIFF"), DocumentLimits(max_page_pixels=20_000))

    assert page.pixels.shape == (100, 200, 3)
    assert page.pixels[50, 75].tolist() == pytest.approx([0, 0, 0], abs=2)
    assert page.pixels[20, 20].tolist() == pytest.approx([255, 255, 255], abs=2)
    assert page.pixels[26:74, 51:99].max() < 60


def test_a_jpeg_over_the_limit_is_decoded_to_a_fraction_of_its_size() -> None:
    noise = np.random.default_rng(8).integers(0, 256, (300, 400), dtype=np.uint8)
    data = encoded(Image.fromarray(noise).resize((1_600, 1_200)), "JPEG")
    limits = DocumentLimits(max_pixels=500_000, max_page_pixels=100_000, max_decoder_bytes=200_000)
    page = page_of(data, limits)

    assert (page.width, page.height, page.shrunk) == (1_600.0, 1_200.0, True)
    assert 50_000 < page.pixels.shape[0] * page.pixels.shape[1] <= 100_000
    assert page.scale == pytest.approx(1_600 / page.pixels.shape[1], rel=0.01)
    with pytest.raises(ImageTooLarge):
        page_of(data, DocumentLimits(max_pixels=500_000, max_shrunk_pixels=1_000_000))
    with pytest.raises(ImageTooLarge):
        page_of(encoded(Image.new("L", (1_600, 1_200)), "JPEG", optimize=True), limits)


def test_a_jpeg_that_needs_all_its_coefficients_counts_them() -> None:
    image = Image.effect_noise((800, 600), 90.0)
    limits = DocumentLimits(max_decoder_bytes=800 * 600 * 2)

    assert page_of(encoded(image, "JPEG"), limits).pixels.shape == (600, 800, 3)
    with pytest.raises(ImageTooLarge, match="bytes to decode it"):
        page_of(encoded(image, "JPEG", progressive=True), limits)


def with_size(data: bytes, form: str, width: int, height: int) -> bytes:
    """``data`` whose header says another size."""
    changed = bytearray(data)
    if form == "JPEG":
        at = next(data.index(mark) for mark in (b"\xff\xc0", b"\xff\xc2") if mark in data)
        struct.pack_into(">HH", changed, at + 5, height, width)
    elif form == "PNG":
        struct.pack_into(">II", changed, 16, width, height)
        struct.pack_into(">I", changed, 29, zlib.crc32(bytes(changed[12:29])))
    elif form == "BMP":
        struct.pack_into("<ii", changed, 18, width, height)
    elif form == "GIF":
        struct.pack_into("<HH", changed, 6, width, height)
    elif form == "WEBP":
        struct.pack_into("<HH", changed, data.index(b"\x9d\x01\x2a") + 3, width, height)
    elif form == "TIFF":
        for tag, value in ((256, width), (257, height)):
            struct.pack_into("<HHII", changed, data.index(struct.pack("<H", tag), 8), tag, 4, 1, value)
    elif form == "HEIC":
        struct.pack_into(">II", changed, data.index(b"ispe") + 8, width, height)
    return bytes(changed)


ALL_FORMATS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(quarters(), "JPEG"),
    "PNG": lambda: encoded(quarters(), "PNG"),
    "BMP": lambda: encoded(quarters(), "BMP"),
    "GIF": lambda: encoded(quarters(), "GIF"),
    "WEBP": lambda: encoded(quarters(), "WEBP"),
    "TIFF": lambda: encoded(quarters(), "TIFF"),
    "HEIC": lambda: heic_of(quarters()),
}


@pytest.mark.parametrize("form", ALL_FORMATS)
@pytest.mark.parametrize(("width", "height"), [(16_000, 16_000), (16_000, 1), (5_000, 5_000), (0, 16), (31, 15)])
def test_a_header_that_lies_costs_nothing(form: str, width: int, height: int) -> None:
    """One that says less is decoded: nobody can tell that a row was kept back. GIF's is of the screen, not the frame,
    and what a JPEG's data does not reach is grey."""
    data = with_size(ALL_FORMATS[form](), form, width, height)
    tracemalloc.start()
    try:
        page_of(data)
    except (DecodeFailed, ImageTooLarge):
        refused = True
    else:
        refused = False
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert refused or min(width, height) == 1 or (width, height) == (31, 15) or form == "GIF"
    assert peak < 100 * 2**20


@pytest.mark.parametrize("form", ALL_FORMATS)
def test_a_page_over_the_limit_is_refused_by_its_header(form: str) -> None:
    with pytest.raises(ImageTooLarge):
        open_document(ALL_FORMATS[form](), DocumentLimits(max_pixels=511, max_shrunk_pixels=511))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (encoded(quarters(), "PNG")[:33] + b"\0\0\0\0tIME\0\0\0\0" * 30_000, "chunks"),
        (b"GIF89a\x08\0\x08\0\0\0\0" + b"!\xfe\x01a\0" * 30_000, "blocks"),
        (b"RIFF" + struct.pack("<I", 300_000) + b"WEBPVP8X\x0a\0\0\0" + bytes(10) + b"ABCD\0\0\0\0" * 30_000, "chunks"),
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 30_000, "segments"),
        (b"II*\0\x08\0\0\0" + b"\xff\xff" + bytes(65_535 * 12), "entries"),
        (b"\0\0\0\x0cftypheic" + b"\0\0\0\x08free" * 30_000, "boxes"),
        (jpeg_of_scans(101), "scans"),
    ],
)
def test_floods_of_parts_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(DecodeTooCostly, match=what):
        open_document(data, LIMITS)


def test_scans_that_are_too_many_for_a_size_are_refused() -> None:
    with pytest.raises(DecodeTooCostly, match="scans"):
        open_document(with_size(jpeg_of_scans(90), "JPEG", 10_000, 10_000), DocumentLimits(max_pixels=150_000_000))


def test_a_jpeg_of_12_bits_is_unsupported() -> None:
    data = bytearray(encoded(quarters(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12

    with pytest.raises(UnsupportedFormat, match="12 bits"):
        open_document(bytes(data), LIMITS)


def test_a_png_without_its_end_has_all_its_pixels() -> None:
    data = encoded(quarters(), "PNG")

    for cut in (5, 12, 14, 18):
        assert np.array_equal(page_of(data[:-cut]).pixels[:, :, ::-1], np.asarray(quarters()))


def test_a_webp_whose_picture_is_not_its_canvas_is_refused() -> None:
    data = bytearray(encoded(quarters(), "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"))
    data[data.index(b"VP8X") + 12] = 200

    with pytest.raises(DecodeFailed):
        open_document(bytes(data), LIMITS)
