"""A PDF made of images: a page each, written as it comes, with its text over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handlers.document.errors import DecodeFailed
from handlers.document.files import PageSize
from handlers.document.formats import Format
from handlers.document.images.file import ImageFile
from handlers.document.images.tiff import page_directory
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.geometry import POINTS_PER_INCH, PageGeometry, Rectangle
from handlers.document.pdf.glyphless import Codes, write_font
from handlers.document.pdf.image_objects import (
    COLOUR,
    GREY,
    ImageObject,
    group_4_object,
    jpeg_object,
    pixels_object,
    png_object,
)
from handlers.document.pdf.pdfa import PRODUCER, metadata, write_output_intent
from handlers.document.pdf.text_stream import invisible_text, placement
from handlers.document.pdf.writer import PdfWriter, Reference
from handlers.document.records import PageRecord, lines_of

PAGE_INCHES = 11.69
"""The longer side of A4: what a page is as long as whose file does not say it."""

LIKELY_DPI = (72.0, 600.0)
"""Between these a page of unknown size is as long as A4; a smaller picture is smaller, a larger one larger."""

TEMPLATE_DPI = 100.0
TEMPLATE_INCHES = 20.0
"""Cameras write 72 dpi and screens 96 whatever the picture is. Fewer dots than this on a page longer than this are such
a template."""

SIDE_POINTS = (3.0, 14_400.0)
"""The least and the most that a page's side may be (ISO 32000-1, annex C; ISO 19005-2, 6.1.13)."""

_UPRIGHT = {
    1: (1, 0, 0, 1, 0, 0),
    2: (-1, 0, 0, 1, 1, 0),
    3: (-1, 0, 0, -1, 1, 1),
    4: (1, 0, 0, -1, 0, 1),
    5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1),
    7: (0, 1, 1, 0, 0, 0),
    8: (0, 1, -1, 0, 1, 0),
}
"""Where the unit square of an image goes, by its orientation as EXIF has it (tag 0x0112): a, b, c, d, e, f."""

_FONT = "F0"


def write_image_pages(file: ImageFile, data: bytes, pages: Iterator[PageRecord], out: BinaryIO, *, pdfa: bool) -> None:
    """Write a page for each record, in their order; one picture is in memory at a time.

    A page that failed and cannot be decoded is there without its picture. Raises
    :class:`core.errors.DependencyMissing`.
    """
    book = _Book(file, data, PdfWriter(out))
    for record in pages:
        book.add(record)
    book.finish(pdfa=pdfa)


class _Book:
    def __init__(self, file: ImageFile, data: bytes, writer: PdfWriter) -> None:
        self._file = file
        self._data = data
        self._writer = writer
        self._codes = Codes()
        self._font = writer.reserve()
        self._tree = writer.reserve()
        self._pages: list[Reference] = []

    def add(self, record: PageRecord) -> None:
        writer = self._writer
        size = self._file.info.pages[record.page - 1]
        picture = self._picture(record)
        width, height = _points(size, self._file.header(record.page).dpi)
        place = placement(PageGeometry(Rectangle(0, 0, width, height), 0), record.width, record.height)
        content = b"" if picture is None else _drawn(picture[1], width, height)
        content += invisible_text(lines_of(record), place, self._codes, _FONT)
        image = "" if picture is None else f"/XObject << /I0 {self._add_image(picture[0])} >> "
        stream = writer.add_stream("", content, compress=True)
        self._pages.append(
            writer.add(
                f"<< /Type /Page /Parent {self._tree} /MediaBox [0 0 {width:.2f} {height:.2f}] "
                f"/Resources << {image}/Font << /{_FONT} {self._font} >> >> /Contents {stream} >>"
            )
        )

    def finish(self, *, pdfa: bool) -> None:
        writer = self._writer
        kids = " ".join(self._pages)
        writer.add(f"<< /Type /Pages /Count {len(self._pages)} /Kids [{kids}] >>", self._tree)
        write_font(writer, self._codes, self._font)
        about = writer.add_stream("/Type /Metadata /Subtype /XML", metadata(pdfa))
        intent = f" /OutputIntents [{write_output_intent(writer)}]" if pdfa else ""
        catalog = writer.add(f"<< /Type /Catalog /Pages {self._tree} /Metadata {about}{intent} >>")
        writer.finish(catalog, writer.add(f"<< /Producer ({PRODUCER}) >>"))

    def _picture(self, record: PageRecord) -> tuple[ImageObject, int] | None:
        """The image, and how it is oriented; ``None`` where it cannot be decoded."""
        found = self._as_it_is(record)
        if found is not None:
            return found, self._file.header(record.page).orientation
        try:
            page = self._file.pixels(record.page)
        except DecodeFailed:
            return None
        return pixels_object(page.pixels, len(self._data) // len(self._file.info.pages)), 1

    def _as_it_is(self, record: PageRecord) -> ImageObject | None:
        """The file's own bytes, except those of a page that could not be decoded."""
        if record.status == "failed":
            return None
        match self._file.info.format:
            case Format.JPEG:
                return jpeg_object(self._data)
            case Format.PNG:
                return png_object(self._data)
            case Format.TIFF:
                return group_4_object(page_directory(self._data, self._file.header(record.page), DocumentLimits()))
            case _:
                return None

    def _add_image(self, image: ImageObject) -> Reference:
        colours = image.colours
        if image.profile is not None:
            count = 1 if colours == GREY else 3
            assert colours in (GREY, COLOUR)
            profile = self._writer.add_stream(f"/N {count} /Alternate {colours}", image.profile, compress=True)
            colours = f"[/ICCBased {profile}]"
        entries = f"/Type /XObject /Subtype /Image {image.entries} /ColorSpace {colours}"
        return self._writer.add_stream(entries, image.data)


def _points(size: PageSize, dpi: float | None) -> tuple[float, float]:
    """Width and height of the page: by the file's resolution, or as long as A4."""
    longer = max(size.width, size.height)
    if dpi is None or (dpi < TEMPLATE_DPI and longer > TEMPLATE_INCHES * dpi):
        dpi = min(max(longer / PAGE_INCHES, LIKELY_DPI[0]), LIKELY_DPI[1])
    dpi = max(dpi, POINTS_PER_INCH * longer / SIDE_POINTS[1])
    width, height = (
        min(max(POINTS_PER_INCH * side / dpi, SIDE_POINTS[0]), SIDE_POINTS[1]) for side in (size.width, size.height)
    )
    return round(width, 2), round(height, 2)


def _drawn(orientation: int, width: float, height: float) -> bytes:
    a, b, c, d, e, f = _UPRIGHT[orientation]
    matrix = (a * width, b * height, c * width, d * height, e * width, f * height)
    return ("q " + " ".join(f"{value:.2f}" for value in matrix) + " cm /I0 Do Q\n").encode("ascii")
