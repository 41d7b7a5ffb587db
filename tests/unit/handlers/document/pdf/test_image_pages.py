from __future__ import annotations

import io
import itertools
import re
import tracemalloc
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import pikepdf
import pytest
from PIL import Image, ImageCms, ImageDraw

from handlers.document.files import DocumentFile, open_document
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.file import open_pdf
from handlers.document.pdf.searchable import check_searchable, write_searchable
from handlers.document.records import PageRecord
from tests.support.pdfs import make_record, qpdf_findings

LIMITS = DocumentLimits()


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def records(file: DocumentFile, **others: object) -> Iterator[PageRecord]:
    for page in file.info.pages:
        words = [[("word", [10, 10, 60, 10, 60, 30, 10, 30])]]
        yield make_record(page.number, page.width, page.height, "pixel", words, **others)


def searchable(data: bytes, pdfa: bool = False) -> bytes:
    out = io.BytesIO()
    with open_document(data, LIMITS) as file:
        check_searchable(file, data)
        assert write_searchable(file, data, records(file), out, pdfa) == ()
    return out.getvalue()


def photo(size: tuple[int, int] = (320, 200)) -> Image.Image:
    """Smooth colours and a corner that says which way up it stands."""
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    image = Image.fromarray(np.stack([x, y, 255 - x / 2 - y / 2], axis=2).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((0, 0, 40, 30), fill=(255, 255, 255))
    return image


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8))


def raw(pdf: bytes) -> bytes:
    """The bytes of the first page's picture."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return opened.pages[0].resources.XObject.I0.read_raw_bytes()


def looks_like(pdf: bytes, wanted: Image.Image, most: float = 2.0) -> None:
    """The page rendered is the picture, but for rounding."""
    with open_pdf(pdf, LIMITS) as file:
        page = file.pixels(1).pixels[:, :, ::-1]
    expected = np.asarray(wanted.convert("RGB").resize((page.shape[1], page.shape[0])))
    assert abs(page.astype(int) - expected).mean() < most


class TestOwnBytes:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_a_jpeg_is_there_as_it_came_and_stands_upright(self, mode: str, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encoded(photo().convert(mode), "JPEG", quality=92, exif=exif, dpi=(100, 100))

        pdf = searchable(data)

        assert raw(pdf) == data
        with open_document(data, LIMITS) as file:
            upright = Image.fromarray(file.pixels(1).pixels[:, :, ::-1].copy())
        looks_like(pdf, upright)
        assert len(pdf) < len(data) + 4_000

    @pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"quality": 10}])
    def test_any_jpeg_that_pdf_has_is_passed_through(self, options: dict[str, object]) -> None:
        data = encoded(photo(), "JPEG", **options)

        assert raw(searchable(data)) == data

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
    def test_a_png_is_there_without_its_wrapping(self, mode: str) -> None:
        image = photo()
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        elif mode == "P":
            image = image.quantize(50)
        elif mode != "RGB":
            image = image.convert(mode)
        data = encoded(image, "PNG")

        pdf = searchable(data)

        assert raw(pdf) in data or len(re.findall(b"IDAT", data)) > 1
        with open_document(data, LIMITS) as file:
            seen = Image.fromarray(file.pixels(1).pixels[:, :, ::-1].copy())
        looks_like(pdf, seen)
        assert qpdf_findings(pdf) == []

    def test_a_profile_goes_along(self) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

        for form in ("JPEG", "PNG"):
            pdf = searchable(encoded(photo(), form, icc_profile=profile))
            with pikepdf.open(io.BytesIO(pdf)) as opened:
                space = opened.pages[0].resources.XObject.I0.ColorSpace
                assert space[0] == "/ICCBased"
                assert space[1].read_bytes() == profile

    def test_a_profile_of_other_colours_does_not(self) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

        pdf = searchable(encoded(photo().convert("L"), "JPEG", icc_profile=profile))

        assert b"ICCBased" not in pdf

    @pytest.mark.parametrize("orientation", [1, 3, 6])
    @pytest.mark.parametrize("photometric", [0, 1])
    def test_a_strip_of_group_4_is_there_as_it_came(self, orientation: int, photometric: int) -> None:
        pages = [print_of(f"page {n} of a fax") for n in (1, 2)]
        tags = {278: pages[0].height, 262: photometric, 274: orientation}
        data = encoded(
            pages[0],
            "TIFF",
            compression="group4",
            tiffinfo=tags,
            save_all=True,
            append_images=pages[1:],
            dpi=(200, 200),
        )

        pdf = searchable(data)

        assert raw(pdf) in data
        assert b"/CCITTFaxDecode" in pdf
        with open_document(data, LIMITS) as file:
            looks_like(pdf, Image.fromarray(file.pixels(1).pixels[:, :, ::-1].copy()))


def print_of(text: str) -> Image.Image:
    image = Image.new("1", (900, 700), 1)
    draw = ImageDraw.Draw(image)
    for n in range(16):
        draw.text((60, 30 + 38 * n), f"{text} " * 3, fill=0, font_size=20)
    return image


class TestEncodedAnew:
    def test_a_cmyk_jpeg_becomes_rgb(self) -> None:
        data = encoded(photo().convert("CMYK"), "JPEG", quality=95)

        pdf = searchable(data)

        assert raw(pdf) != data
        assert b"/DeviceCMYK" not in pdf
        with open_document(data, LIMITS) as file:
            looks_like(pdf, Image.fromarray(file.pixels(1).pixels[:, :, ::-1].copy()))

    def test_transparency_is_laid_on_white(self) -> None:
        image = photo().convert("RGBA")
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        data = encoded(image, "PNG")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)

        pdf = searchable(data)

        looks_like(pdf, white)
        assert b"/SMask" not in pdf

    def test_black_and_white_is_of_group_4(self) -> None:
        image = Image.new("1", (1_200, 1_600), 1)
        draw = ImageDraw.Draw(image)
        for n in range(40):
            draw.text((60, 30 + 38 * n), "black on white " * 6, fill=0, font_size=20)
        data = encoded(image, "BMP")

        pdf = searchable(data)

        assert b"/CCITTFaxDecode" in pdf
        looks_like(pdf, image)

    def test_clean_pages_lose_nothing(self) -> None:
        image = photo((400, 300)).quantize(12).convert("RGB")
        data = encoded(image, "BMP")

        pdf = searchable(data)

        assert b"/DCTDecode" not in pdf
        looks_like(pdf, image, most=0.01)

    def test_a_photo_of_another_format_becomes_a_jpeg_of_about_its_size(self) -> None:
        data = encoded(noise((400, 300)), "WEBP", quality=60)

        pdf = searchable(data)

        assert b"/DCTDecode" in pdf
        assert len(pdf) < 400 * 300 * 3

    def test_a_tiff_has_a_page_for_each_of_its_pages(self) -> None:
        pages = [Image.new("L", (200 + 20 * n, 300), 60 * n) for n in range(4)]
        data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:], dpi=(100, 100))

        with pikepdf.open(io.BytesIO(searchable(data))) as pdf:
            widths = [float(page.mediabox.as_list()[2]) for page in pdf.pages]

        assert widths == [144.0, 158.4, 172.8, 187.2]

    def test_a_page_that_cannot_be_decoded_is_there_without_its_picture(self) -> None:
        whole = encoded(noise((300, 300)), "PNG")
        data = whole[: len(whole) // 2]
        out = io.BytesIO()

        with open_document(data, LIMITS) as file:
            failed = make_record(1, 300, 300, "pixel", [], status="failed", error={"code": "X", "message": "x"})
            write_searchable(file, data, iter([failed]), out)

        assert qpdf_findings(out.getvalue()) == []
        with pikepdf.open(io.BytesIO(out.getvalue())) as pdf:
            assert "/XObject" not in pdf.pages[0].resources


class TestPages:
    @pytest.mark.parametrize(
        ("size", "dpi", "inches"),
        [
            ((1_275, 1_650), 150, (8.5, 11)),
            ((1_240, 1_754), None, (8.264, 11.69)),
            ((400, 300), None, (400 / 72, 300 / 72)),
            ((4_000, 3_000), 72, (11.69, 8.7675)),
            ((9_000, 6_000), None, (15, 10)),
        ],
    )
    def test_a_page_is_as_large_as_the_file_says_where_that_can_be(
        self, size: tuple[int, int], dpi: int | None, inches: tuple[float, float]
    ) -> None:
        options = {} if dpi is None else {"dpi": (dpi, dpi)}
        pdf = searchable(encoded(Image.new("L", size, 255), "JPEG", **options))

        with open_pdf(pdf, LIMITS) as file:
            (page,) = file.info.pages
        assert (page.width, page.height) == pytest.approx(inches, abs=0.001)

    def test_the_smallest_and_the_longest_page_are_within_the_bounds(self) -> None:
        for size in ((1, 1), (1, 20_000)):
            with pikepdf.open(io.BytesIO(searchable(encoded(Image.new("L", size), "PNG")))) as pdf:
                _, _, *sides = (float(value) for value in pdf.pages[0].mediabox.as_list())
            assert all(3 <= side <= 14_400 for side in sides)

    def test_the_same_document_gives_the_same_bytes(self) -> None:
        data = encoded(photo(), "PNG")

        assert searchable(data, pdfa=True) == searchable(data, pdfa=True)

    @pytest.mark.parametrize("pdfa", [True, False])
    def test_qpdf_finds_nothing(self, pdfa: bool) -> None:
        assert qpdf_findings(searchable(encoded(photo(), "JPEG"), pdfa)) == []

    def test_a_thousand_pages_are_not_in_memory(self) -> None:
        data = encoded(noise((400, 300)), "JPEG")
        sink = Sink()
        out = cast("BinaryIO", sink)

        with open_document(data, LIMITS) as file:
            (record,) = records(file)
            write_searchable(file, data, iter([record]), out)
            tracemalloc.start()
            write_searchable(file, data, itertools.repeat(record, 300), out)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()

        assert sink.size > 300 * len(data) > 20_000_000
        assert peak < 1_000_000


class Sink:
    """Counts what is written, and keeps none of it."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, written: bytes) -> int:
        self.size += len(written)
        return len(written)
