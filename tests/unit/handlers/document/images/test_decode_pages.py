from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, TiffImagePlugin

from handlers.document.errors import DecodeFailed, DecodeTooCostly, ImageTooLarge, PageNotFound
from handlers.document.files import open_document
from handlers.document.images.decoders import FOREIGN_ERRORS, translated
from handlers.document.images.jpeg import read_jpeg
from handlers.document.images.png import drawn_chunks
from handlers.document.limits import DocumentLimits
from testing.documents import (
    bomb_png,
    jpeg_of_scans,
    lying_png,
    sample_page,
    sample_tiff,
    swollen_png,
    tiff_of,
    truncated,
)

LIMITS = DocumentLimits()
EXIF_ORIENTATION = 0x0112


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def page_of(data: bytes, number: int = 1) -> npt.NDArray[np.uint8]:
    with open_document(data, LIMITS) as document:
        return document.pixels(number).pixels


def corners(page: npt.NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The BGR of the pixels in the corners: upper left, upper right, lower right, lower left."""
    return [tuple(int(value) for value in page[y, x]) for y, x in ((0, 0), (0, -1), (-1, -1), (-1, 0))]


def never(*arguments: object) -> None:
    raise AssertionError("a decoder ran")


def quarters() -> Image.Image:
    """32x16: red, green, blue and white quarters, clockwise from the upper left."""
    image = Image.new("RGB", (32, 16), "white")
    image.paste("red", (0, 0, 16, 8))
    image.paste("lime", (16, 0, 32, 8))
    image.paste("blue", (16, 8, 32, 16))
    return image


RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)

AS_STORED: dict[int, Callable[[Image.Image], Image.Image]] = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


def test_a_page_is_contiguous_bgr_bytes() -> None:
    page = page_of(encoded(quarters(), "PNG"))

    assert page.shape == (16, 32, 3)
    assert page.dtype == np.uint8
    assert page.flags.c_contiguous
    assert corners(page) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_every_orientation_comes_out_upright(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    data = encoded(AS_STORED[orientation](quarters()), form, exif=exif, **options)

    page = page_of(data)

    assert page.shape == (16, 32, 3)
    for found, wanted in zip(corners(page), [RED, GREEN, BLUE, WHITE], strict=True):
        assert found == pytest.approx(wanted, abs=6)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_means_nothing_is_passed_over(orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation

    assert corners(page_of(encoded(quarters(), "PNG", exif=exif))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 40])
def test_damaged_exif_spoils_no_page(exif: bytes) -> None:
    assert page_of(encoded(quarters(), "JPEG", exif=exif)).shape == (16, 32, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_black_text_on_transparency_is_black_on_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 128))
    page = page_of(encoded(image.convert(mode), "PNG"))

    assert page[0, 0].tolist() == [0, 0, 0]
    assert page[1, 3].tolist() == [255, 255, 255]
    assert mode == "P" or page[0, 1].tolist() == [127, 127, 127]


def test_a_transparent_colour_of_a_grey_png_is_white() -> None:
    data = encoded(Image.frombytes("L", (2, 1), b"\x00\x50"), "PNG", transparency=0)

    assert page_of(data)[0, :, 0].tolist() == [255, 0x50]


def test_palettes_and_single_bits_keep_their_colours() -> None:
    palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    bits = Image.new("1", (9, 3), 1)
    bits.putpixel((8, 2), 0)

    assert corners(page_of(encoded(palette, "PNG"))) == [RED, GREEN, BLUE, WHITE]
    for data in (encoded(bits, "PNG"), encoded(bits, "TIFF", compression="group4")):
        assert corners(page_of(data)) == [WHITE, WHITE, (0, 0, 0), WHITE]


def test_cmyk_becomes_the_colours_that_it_prints() -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))

    for data in (encoded(image, "JPEG", quality=100), encoded(image, "TIFF")):
        assert page_of(data)[4, 4].tolist() == pytest.approx(RED, abs=6)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(form: str) -> None:
    values = np.array([[0, 257, 32_896, 65_278, 65_535]], dtype=np.uint16)

    page = page_of(encoded(Image.fromarray(values), form))

    assert page[0, :, 0].tolist() == pytest.approx([0, 1, 128, 254, 255], abs=1)


def test_16_bit_grey_whose_zero_is_white_is_turned_round() -> None:
    values = np.array([[0, 65_535]], dtype=np.uint16)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    data = bytearray(encoded(Image.fromarray(values), "TIFF", tiffinfo=tags))
    at = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # photometric, SHORT, one value: 1
    data[at + 8] = 0

    assert page_of(bytes(data))[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("values", "grey"),
    [([0.0, 0.5, 1.0], [0, 127, 255]), ([0.0, 100.0, 255.0], [0, 100, 255]), ([0.0, 500.0, 1_000.0], [0, 127, 255])],
)
def test_floats_are_brought_to_their_range(values: list[float], grey: list[int]) -> None:
    data = encoded(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")

    assert page_of(data)[0, :, 0].tolist() == pytest.approx(grey, abs=1)


def test_each_page_of_a_tiff_is_its_own() -> None:
    colours = ("red", "lime", "blue")
    data = tiff_of([Image.new("RGB", (4 + n, 4), colour) for n, colour in enumerate(colours)])

    for number, wanted in enumerate((RED, GREEN, BLUE), start=1):
        page = page_of(data, number)
        assert page.shape == (4, 3 + number, 3)
        assert corners(page)[0] == wanted


def test_a_page_that_is_not_there_is_not_found() -> None:
    tiff, _ = sample_tiff(pages=2)

    for data, number in ((tiff, 3), (tiff, 0), (sample_page().png, 2)):
        with pytest.raises(PageNotFound):
            page_of(data, number)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_truncated_picture_cannot_be_decoded(form: str, share: float) -> None:
    data: bytes = getattr(sample_page(), form)

    with pytest.raises(DecodeFailed):
        page_of(truncated(data, share))


def test_a_header_that_promises_more_than_there_is_cannot_be_decoded() -> None:
    with pytest.raises(DecodeFailed):
        page_of(lying_png())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 17)])
def test_a_png_that_is_whole_counts_as_whole(mode: str, size: tuple[int, int]) -> None:
    drawn_chunks(encoded(Image.new(mode, size), "PNG"), LIMITS)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (9, 2), (13, 11)])
def test_the_rows_of_an_interlaced_png_are_counted_by_pass(size: tuple[int, int]) -> None:
    header = bytearray(encoded(Image.new("RGB", size), "PNG")[:33])
    header[28] = 1
    passes = ((8, 8, 0, 0), (8, 8, 4, 0), (4, 8, 0, 4), (4, 4, 2, 0), (2, 4, 0, 2), (2, 2, 1, 0), (1, 2, 0, 1))
    rows = bytearray()
    for step_x, step_y, left, top in passes:
        columns = len(range(left, size[0], step_x))
        for _ in range(top, size[1], step_y):
            rows += bytes(1 + 3 * columns) if columns else b""

    def png(raw: bytes) -> bytes:
        body = zlib.compress(raw)
        return bytes(header) + struct.pack(">I", len(body)) + b"IDAT" + body + bytes(4)

    drawn_chunks(png(bytes(rows)), LIMITS)
    with pytest.raises(DecodeFailed):
        drawn_chunks(png(bytes(rows[:-1])), LIMITS)


def test_a_png_with_more_data_than_it_promises_is_not_inflated_to_the_end() -> None:
    data = swollen_png(megabytes=64)
    tracemalloc.start()
    try:
        drawn_chunks(data, LIMITS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * 2**20
    assert page_of(data).shape == (8, 8, 3)


def test_a_picture_whose_last_piece_waits_in_the_inflater_is_whole() -> None:
    """All its input goes in with the first step, and gives a thousand times as much."""
    drawn_chunks(encoded(Image.new("L", (1_200, 1_000)), "PNG"), LIMITS)


@pytest.mark.parametrize(("scans", "refused"), [(100, False), (101, True), (500, True)])
def test_a_jpeg_of_too_many_scans_is_refused_before_it_is_decoded(
    scans: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = jpeg_of_scans(scans)
    if not refused:
        assert page_of(data).shape == (8, 8, 3)
        return
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)

    with pytest.raises(DecodeTooCostly, match="100 scans"):
        page_of(data)


def test_what_looks_like_a_scan_and_is_none_is_not_counted() -> None:
    """In a comment, as stuffed data, behind the end of the image."""
    whole = encoded(Image.effect_noise((256, 256), 90.0), "JPEG", quality=100, restart_marker_blocks=1)
    assert whole.count(b"\xff\x00") > 100
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 600) + b"\xff\xda" * 300

    read_jpeg(whole[:2] + comment + whole[2:] + b"\xff\xda\x00\x02" * 300, LIMITS)


@pytest.mark.parametrize(
    "piece", [b"\xff", b"\xff\x00", b"\xff\xd0", b"\x00", b"\xff\xfe\x00\x00", b"\xff\xfe\x00\x02", b"\xff\x01"]
)
def test_hostile_markers_are_walked_in_linear_time(piece: bytes) -> None:
    data = b"\xff\xd8\xff\xda\x00\x02" + piece * (16 * 2**20 // len(piece))
    started = time.thread_time()

    with suppress(DecodeFailed, DecodeTooCostly):
        read_jpeg(data, LIMITS)

    assert time.thread_time() - started < 2.0


def test_a_page_over_the_limit_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb_png()
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)

    with pytest.raises(ImageTooLarge):
        page_of(data)


def test_warnings_about_damaged_metadata_are_not_shown(recwarn: pytest.WarningsRecorder) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x1a\0\x05\0\0\0\x01\0\0\0\xf0"

    page_of(encoded(quarters(), "JPEG", exif=exif))

    assert not [warning for warning in recwarn if "PIL" in warning.filename]


@pytest.mark.parametrize("error", [*FOREIGN_ERRORS, UnicodeDecodeError("utf-8", b"", 0, 1, "bad"), zlib.error("bad")])
def test_whatever_pillow_raises_is_translated_with_its_cause(error: type[Exception] | Exception) -> None:
    with pytest.raises(DecodeFailed) as caught, translated("page 1"):
        raise error

    assert isinstance(caught.value.__cause__, error if isinstance(error, type) else type(error))


def test_every_error_class_that_pillow_itself_defines_is_translated() -> None:
    page_of(encoded(quarters(), "PNG"))
    ours = (*FOREIGN_ERRORS, Image.DecompressionBombError)
    defined = {
        kind for kind in _subclasses(Exception) if kind.__module__.startswith("PIL.") and not issubclass(kind, Warning)
    }

    assert defined
    assert not {kind for kind in defined if not issubclass(kind, ours)}


def test_memory_running_out_is_not_the_documents_fault() -> None:
    with pytest.raises(MemoryError), translated("page 1"):
        raise MemoryError


def _subclasses(kind: type) -> set[type]:
    children: list[type] = kind.__subclasses__()
    return {kind}.union(*(_subclasses(child) for child in children))
