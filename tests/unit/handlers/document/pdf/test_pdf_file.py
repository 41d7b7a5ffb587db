from __future__ import annotations

import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageDraw

from handlers.document.errors import (
    DecodeFailed,
    FormNotSupported,
    NoPages,
    PageNotFound,
    PageTooSlow,
    PasswordRequired,
    PasswordWrong,
    TooManyPages,
)
from handlers.document.files import DocumentFile, TextLayer
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.file import PdfFile, open_pdf
from handlers.document.pdf.pdfium import reader
from tests.support.pdfs import PageSpec, make_pdf, saved, shown

LIMITS = DocumentLimits()

PROSE = b"".join(
    shown("The quick brown fox jumps over the lazy dog and comes back.", 20, 360 - 14 * n, 9) for n in range(12)
)


def opened(data: bytes, limits: DocumentLimits = LIMITS, password: str | None = None) -> PdfFile:
    return open_pdf(data, limits, password)


def layer_of(data: bytes) -> TextLayer | None:
    with opened(data) as file:
        return file.text_layer(1)


def texts(layer: TextLayer | None) -> list[str]:
    assert layer is not None
    return [line.text for line in layer.lines]


def scan(text: str = "A scanned line of print", size: tuple[int, int] = (600, 800)) -> Image.Image:
    image = Image.new("L", size, 250)
    draw = ImageDraw.Draw(image)
    for n in range(20):
        draw.text((40, 40 + 36 * n), f"{text} {text}", fill=20, font_size=22)
    return image


def on_whole_page(image: Image.Image, more: bytes = b"") -> PageSpec:
    return PageSpec(b"q 300 0 0 400 0 0 cm /I1 Do Q\n" + more, image=image)


class TestOpening:
    def test_it_is_a_document_file(self) -> None:
        with opened(make_pdf(PageSpec())) as file:
            document: DocumentFile = file
            assert document.info.format == "application/pdf"

    @pytest.mark.parametrize("rotate", [0, 90, 180, 270])
    def test_sizes_are_inches_of_what_is_looked_at(self, rotate: int) -> None:
        data = make_pdf(PageSpec(box=(-10, 5, 400, 600), crop=(62, 72, 206, 360), rotate=rotate, user_unit=2))

        with opened(data) as file:
            (page,) = file.info.pages

        assert (page.width, page.height, page.unit) == ((4, 8, "inch") if rotate in (0, 180) else (8, 4, "inch"))

    @pytest.mark.parametrize("objects", [True, False])
    def test_a_user_unit_is_found_in_a_stream_of_objects_too(self, objects: bool) -> None:
        mode = pikepdf.ObjectStreamMode.generate if objects else pikepdf.ObjectStreamMode.disable
        data = make_pdf(PageSpec(box=(0, 0, 72, 72), user_unit=3), object_stream_mode=mode)

        with opened(data) as file:
            assert file.info.pages[0].width == pytest.approx(3)

    def test_a_crop_box_outside_of_the_page_is_cut_to_it(self) -> None:
        with opened(make_pdf(PageSpec(box=(0, 0, 144, 144), crop=(72, 72, 999, 999)))) as file:
            assert (file.info.pages[0].width, file.info.pages[0].height) == (1, 1)

    @pytest.mark.parametrize(
        ("revision", "password"), [(3, "secret"), (4, "pässword"), (6, "secret"), (6, "pässword"), (6, "пароль")]
    )
    def test_a_password_opens_an_encrypted_document(self, revision: Literal[3, 4, 6], password: str) -> None:
        kept = pikepdf.Encryption(owner="other", user=password, R=revision, aes=revision > 3, metadata=revision > 3)
        data = make_pdf(PageSpec(PROSE), encryption=kept)

        with opened(data, password=password) as file:
            layer = file.text_layer(1)

        assert texts(layer)[0].startswith("The quick")
        with pytest.raises(PasswordRequired):
            opened(data)
        with pytest.raises(PasswordWrong):
            opened(data, password="not it")

    def test_a_password_is_not_asked_for_where_readers_need_none(self) -> None:
        data = make_pdf(PageSpec(PROSE), encryption=pikepdf.Encryption(owner="other", user="", R=6))

        assert texts(layer_of(data))

    @pytest.mark.parametrize("data", [b"%PDF-1.7", b"%PDF-1.7\n" + bytes(2_000), b"%PDF-1.4\ntrailer <</Root 1 0 R>>"])
    def test_what_is_no_pdf_behind_its_first_line_is_refused(self, data: bytes) -> None:
        with pytest.raises(DecodeFailed):
            opened(data)

    def test_a_file_without_its_table_of_objects_is_recovered(self) -> None:
        whole = make_pdf(PageSpec(PROSE), object_stream_mode=pikepdf.ObjectStreamMode.disable)
        data = b"leading junk\n" + whole[: whole.rindex(b"xref", 0, whole.rindex(b"startxref"))]

        assert len(texts(layer_of(data))) == 12

    def test_a_damaged_page_is_an_error_of_that_page(self) -> None:
        whole = make_pdf(PageSpec(PROSE), PageSpec(PROSE), object_stream_mode=pikepdf.ObjectStreamMode.disable)
        data = whole.replace(b"/Kids [ 3 0 R", b"/Kids [ 99 0 R")
        assert data != whole

        with opened(data) as file:
            assert len(file.info.pages) == 2
            with pytest.raises(DecodeFailed):
                file.text_layer(1)
            with pytest.raises(DecodeFailed):
                file.pixels(1)
            assert len(texts(file.text_layer(2))) == 12

    def test_a_document_without_pages(self) -> None:
        with pikepdf.new() as pdf:
            data = saved(pdf)
        with pytest.raises(NoPages):
            opened(data)

    def test_too_many_pages(self) -> None:
        data = make_pdf(PageSpec(), PageSpec(), PageSpec())
        with pytest.raises(TooManyPages):
            opened(data, DocumentLimits(max_pages=2))

    def test_a_count_of_pages_that_cannot_be_is_counted_again(self) -> None:
        whole = make_pdf(PageSpec(PROSE), object_stream_mode=pikepdf.ObjectStreamMode.disable)
        data = whole.replace(b"/Count 1", b"/Count 2000000000")
        assert data != whole

        with opened(data) as file:
            assert len(file.info.pages) == 1

    def test_a_form_that_a_program_draws_is_refused(self) -> None:
        with pikepdf.open(io.BytesIO(make_pdf(PageSpec(shown("Please wait...", 20, 300))))) as pdf:
            pdf.Root.NeedsRendering = True
            packet = pdf.make_stream(b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")
            pdf.Root.AcroForm = Dictionary(Fields=Array([]), XFA=packet)
            data = saved(pdf)
        with pytest.raises(FormNotSupported):
            opened(data)

    @pytest.mark.parametrize("number", [0, 2, -1])
    def test_a_page_that_is_not_there(self, number: int) -> None:
        with opened(make_pdf(PageSpec())) as file:
            for ask in (file.text_layer, file.pixels, file.geometry):
                with pytest.raises(PageNotFound):
                    ask(number)

    def test_the_reader_is_named_with_its_version(self) -> None:
        name, version = reader().split()
        assert name == "pdfium"
        assert int(version) > 0


class TestPixels:
    def test_print_is_rendered_at_200_dpi_and_small_print_at_300(self) -> None:
        with opened(make_pdf(PageSpec(PROSE), PageSpec(shown("small print " * 8, 20, 300, 5)))) as file:
            normal, small = file.pixels(1), file.pixels(2)

        assert (normal.dpi, normal.pixels.shape) == (200, (1_111, 833, 3))
        assert (small.dpi, small.pixels.shape) == (300, (1_667, 1_250, 3))
        assert normal.scale == 1 / 200
        assert not normal.shrunk

    @pytest.mark.parametrize("size", [(600, 800), (1_275, 1_700)])
    def test_a_scan_is_rendered_pixel_by_pixel(self, size: tuple[int, int]) -> None:
        noise = np.random.default_rng(3).integers(0, 256, (size[1], size[0]), np.uint8)

        with opened(make_pdf(on_whole_page(Image.fromarray(noise)))) as file:
            page = file.pixels(1)

        assert np.array_equal(page.pixels[:, :, 0], noise)

    def test_a_scan_that_is_finer_than_letters_is_halved(self) -> None:
        with opened(make_pdf(on_whole_page(Image.new("L", (5_000, 6_666), 200)))) as file:
            assert file.pixels(1).dpi == pytest.approx(600, rel=1e-3)

    def test_a_huge_page_is_rendered_smaller_and_says_so(self) -> None:
        with opened(make_pdf(PageSpec(PROSE, (0, 0, 14_400, 14_400), user_unit=10))) as file:
            page = file.pixels(1)

        assert page.shrunk
        assert page.pixels.shape[0] * page.pixels.shape[1] <= LIMITS.max_page_pixels
        assert [warning.code for warning in page.warnings][:1] == ["SHRUNK"]
        assert page.width == 2_000
        assert page.pixels.shape[1] * page.scale == pytest.approx(2_000, rel=1e-3)

    @pytest.mark.parametrize("box", [(0, 0, 100_000, 0.5), (0, 0, 0, 0), (5, 5, 5, 900), (0, 0, 1e-7, 1e-7)])
    def test_a_page_of_an_odd_shape_has_pixels(self, box: tuple[float, float, float, float]) -> None:
        with opened(make_pdf(PageSpec(box=box))) as file:
            page = file.pixels(1)

        assert min(page.pixels.shape) >= 1
        assert max(page.pixels.shape) <= LIMITS.max_side

    def test_pages_are_white_where_nothing_is(self) -> None:
        with opened(make_pdf(PageSpec())) as file:
            assert file.pixels(1).pixels.min() == 255

    def test_threads_get_what_one_alone_gets(self) -> None:
        data = make_pdf(*(PageSpec(shown(f"page {n} {'x' * n}", 20, 300)) for n in range(8)))
        with opened(data) as file:
            alone = [(file.pixels(n).pixels.tobytes(), file.text_layer(n)) for n in range(1, 9)]
        with opened(data) as file, ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda n: (file.pixels(n).pixels.tobytes(), file.text_layer(n)), range(1, 9)))

        assert together == alone


class TestForms:
    @staticmethod
    def filled_in(rotate: int = 0) -> bytes:
        """A form without content and without pictures of its values."""
        with pikepdf.open(io.BytesIO(make_pdf(PageSpec(rotate=rotate)))) as pdf:
            font = pdf.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))
            field = pdf.make_indirect(
                Dictionary(
                    Type=Name.Annot,
                    Subtype=Name.Widget,
                    FT=Name.Tx,
                    T="name",
                    V="Jane Example",
                    Rect=Array([50, 200, 200, 220]),
                    F=4,
                    DA="/Helv 12 Tf 0 g",
                )
            )
            pdf.pages[0].obj.Annots = Array([field])
            resources = Dictionary(Font=Dictionary(Helv=font))
            pdf.Root.AcroForm = Dictionary(
                Fields=Array([field]), DR=resources, DA="/Helv 12 Tf 0 g", NeedAppearances=True
            )
            return saved(pdf)

    @pytest.mark.parametrize("rotate", [0, 90, 180, 270])
    def test_the_values_of_a_form_are_text_where_they_are_seen(self, rotate: int) -> None:
        with opened(self.filled_in(rotate)) as file:
            layer, page = file.text_layer(1), file.pixels(1)

        assert texts(layer) == ["Jane Example"]
        assert layer is not None
        points = np.array(layer.lines[0].polygon) / page.scale
        (left, top), (right, bottom) = points.min(axis=0).astype(int) - 3, points.max(axis=0).astype(int) + 3
        inside = page.pixels[top:bottom, left:right]
        assert (inside < 100).sum() == (page.pixels < 100).sum() > 0


class TestTextLayer:
    @pytest.mark.parametrize("rotate", [0, 90, 180, 270])
    def test_words_are_where_their_ink_is(self, rotate: int) -> None:
        content = shown("Harbour", 60, 300, 20) + shown("lights", 60, 260, 20)
        data = make_pdf(PageSpec(content, (-20, -30, 300, 400), (40, 150, 290, 380), rotate))

        with opened(data) as file:
            layer, page = file.text_layer(1), file.pixels(1)

        assert layer is not None
        assert sorted(texts(layer)) == ["Harbour", "lights"]
        boxes = [np.array(word.polygon) / page.scale for line in layer.lines for word in line.words or ()]
        ink = sum(
            int((page.pixels[top:bottom, left:right] < 100).sum())
            for (left, top), (right, bottom) in (
                (np.floor(box.min(axis=0)).astype(int), np.ceil(box.max(axis=0)).astype(int)) for box in boxes
            )
        )
        assert ink == (page.pixels < 100).sum() > 0

    def test_polygons_start_at_the_upper_left_of_the_text(self) -> None:
        layer = layer_of(make_pdf(PageSpec(PROSE, rotate=90)))

        assert layer is not None
        (ax, ay), (bx, by), _, (dx, _) = layer.lines[0].polygon
        assert ax == bx
        assert by > ay
        assert dx < ax

    def test_text_outside_of_the_page_is_not_there(self) -> None:
        assert texts(layer_of(make_pdf(PageSpec(PROSE + shown("hidden", 20, 420), crop=(0, 0, 300, 400))))) == texts(
            layer_of(make_pdf(PageSpec(PROSE)))
        )

    def test_a_page_without_text_has_none(self) -> None:
        assert layer_of(make_pdf(PageSpec(b"1 0 0 RG 10 10 100 100 re S"))) is None

    def test_a_scan_with_a_stamp_in_its_header_has_to_be_read(self) -> None:
        data = make_pdf(on_whole_page(scan(), shown("Received 2024-05-17, archive no. 4711", 20, 385, 8)))

        with opened(data) as file:
            assert file.text_layer(1) is None
            page = file.pixels(1)

        assert [(warning.code, warning.value) for warning in page.warnings] == [("TEXT_LAYER_JUNK", "uncovered")]

    def test_a_scan_with_the_text_of_an_earlier_reading_brings_it(self) -> None:
        lines = b"".join(
            shown("A scanned line of print A scanned line of print", 20, 400 - (40 + 22 + 36 * n) / 2, 9.5, mode=3)
            for n in range(20)
        )

        assert len(texts(layer_of(make_pdf(on_whole_page(scan(), lines))))) == 20

    def test_a_page_number_below_text_that_was_turned_into_outlines(self) -> None:
        outlines = b"".join(
            f"{20 + 7 * x} {60 + 14 * y} 4 8 re f\n".encode() for x in range(36) for y in range(22) if (x + y) % 5
        )

        assert layer_of(make_pdf(PageSpec(outlines + shown("17", 150, 20)))) is None

    def test_a_page_with_little_text_and_nothing_else_brings_it(self) -> None:
        assert texts(layer_of(make_pdf(PageSpec(shown("Part Two", 100, 200, 18))))) == ["Part Two"]

    def test_a_font_without_a_map_to_unicode_is_junk(self) -> None:
        shifted = b"".join(
            shown("7KLV LV D WHVW RI WKH PDS $QG PRUH RI LW +HUH", 20, 360 - 14 * n, 9) for n in range(9)
        )

        with opened(make_pdf(PageSpec(shifted))) as file:
            assert file.text_layer(1) is None
            assert [warning.value for warning in file.pixels(1).warnings] == ["words"]


class TestTime:
    def test_drawing_that_takes_too_long_is_an_error_of_the_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A second goes by with each look at the clock."""
        seconds = itertools.count()
        monkeypatch.setattr("handlers.document.pdf.pdfium.time.thread_time", lambda: float(next(seconds)))
        strokes = b"".join(b"%d %d m %d %d l S\n" % (n % 300, n % 400, n % 299, n % 397) for n in range(20_000))
        slow = PageSpec(strokes + PROSE)

        with opened(make_pdf(slow, PageSpec(PROSE)), DocumentLimits(max_page_seconds=60)) as file:
            with pytest.raises(PageTooSlow):
                file.pixels(1)
            assert file.pixels(2).pixels.min() < 100

    def test_a_page_is_drawn_the_same_in_steps(self) -> None:
        data = make_pdf(on_whole_page(scan(), PROSE))
        document = pypdfium2.PdfDocument(data)
        try:
            whole = document[0].render(scale=2, may_draw_forms=False).to_numpy()
        finally:
            document.close()

        with opened(data, DocumentLimits(max_page_pixels=whole.shape[0] * whole.shape[1])) as file:
            steps = file.pixels(1).pixels

        assert steps.shape == whole.shape
        assert np.array_equal(steps, whole)
