"""An open PDF: its pages by the text that they bring along, or as pixels at the resolution that a reader wants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from core.errors import DependencyMissing
from handlers.document.engine import Line
from handlers.document.errors import OCR_INSTALL_HINT, DecodeFailed, DecodeTooCostly, PageNotFound, TooManyPages
from handlers.document.files import DocumentInfo, PagePixels, PageSize, TextLayer
from handlers.document.formats import Format
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.costly_pages import blanked, costly_pages
from handlers.document.pdf.damage import Damage
from handlers.document.pdf.geometry import POINTS_PER_INCH, PageGeometry
from handlers.document.pdf.glyphs import Glyph, read_glyphs
from handlers.document.pdf.hidden import doubtful, share_of, too_small, unseen
from handlers.document.pdf.ink import LOOK_DPI, MAX_LOOK_PIXELS, covered_print
from handlers.document.pdf.junk import (
    MAX_HIDDEN,
    SCAN_SHARE,
    Junk,
    implausible_words,
    leaves_uncovered,
    needs_a_look,
    unmapped_characters,
)
from handlers.document.pdf.pdfium import DamagedPdf, PdfiumDocument, PdfiumPage
from handlers.document.pdf.pictures import PageContent, covered, read_content
from handlers.document.pdf.repair import repaired
from handlers.document.pdf.resolution import resolution, wanted_dpi
from handlers.document.pdf.stream_costs import Look, look_at_streams
from handlers.document.pdf.text_layer import text_lines
from handlers.document.pdf.user_units import user_units
from handlers.document.warnings import PageWarning, WarningCode

if TYPE_CHECKING:
    from handlers.document.engine import Page

UNKNOWN_SIZE = (612.0, 792.0)
"""Points that a page which cannot be loaded is said to have, as PDFium has it for a page without a box: US Letter."""

SMALLEST_SIDE = 0.01
"""Inches. What is smaller, and a side that is no number, is taken as this."""


def open_pdf(data: bytes, limits: DocumentLimits, password: str | None = None) -> PdfFile:
    """Open the document, count its pages and read their sizes; nothing is rendered.

    Raises :class:`handlers.document.errors.PasswordRequired`, :class:`handlers.document.errors.PasswordWrong`,
    :class:`DecodeFailed` for what cannot be repaired, :class:`handlers.document.errors.NoPages`,
    :class:`TooManyPages`, :class:`handlers.document.errors.FormNotSupported`,
    :class:`handlers.document.errors.DecodeTooCostly` and :class:`core.errors.DependencyMissing`.
    """
    found = look_at_streams(data, limits, password)
    document, repair = _document(blanked(data, found.costly), password)
    try:
        return _opened(document, _Origin(data, password, found, repair), limits)
    except BaseException:
        document.close()
        raise


@dataclass(frozen=True, slots=True)
class _Origin:
    """A document as it came; ``repair`` is what had to be put together, ``None`` where it is whole."""

    data: bytes
    password: str | None
    look: Look
    repair: str | None


def _document(data: bytes, password: str | None) -> tuple[PdfiumDocument, str | None]:
    try:
        document = PdfiumDocument(data, password)
    except DamagedPdf:
        return _repaired_document(data, password), "structure"
    return document, None if document.has_valid_table else "table"


def _repaired_document(data: bytes, password: str | None) -> PdfiumDocument:
    try:
        return PdfiumDocument(repaired(data, password), None)
    except DamagedPdf as error:
        raise DecodeFailed("the PDF is damaged beyond what can be repaired") from error


def _opened(document: PdfiumDocument, origin: _Origin, limits: DocumentLimits) -> PdfFile:
    if document.page_count > limits.max_pages:
        raise TooManyPages(f"the document has more than {limits.max_pages} pages", limit=limits.max_pages)
    sizes = tuple(document.sizes())
    if all(size is None for size in sizes):
        raise DecodeFailed("no page of the PDF can be loaded")
    costly = costly_pages(origin.data, origin.password, origin.look, limits, document.page_count)
    units = user_units(origin.data, origin.password, document.page_count)
    return PdfFile(document, _info(origin.data, sizes, units), units, limits, origin, costly)


def _info(data: bytes, sizes: tuple[tuple[float, float] | None, ...], units: tuple[float, ...]) -> DocumentInfo:
    pages = tuple(
        PageSize(number, _inches(size[0] * unit), _inches(size[1] * unit), "inch")
        for number, (size, unit) in enumerate(zip((size or UNKNOWN_SIZE for size in sizes), units, strict=True), 1)
    )
    return DocumentInfo(Format.PDF, len(data), pages)


def _inches(points: float) -> float:
    inches = points / POINTS_PER_INCH
    return max(inches, SMALLEST_SIDE) if math.isfinite(inches) else SMALLEST_SIDE


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found out of a page's text: the lines, why they are junk if they are, how to render the page, and what
    is to be told of it whoever reads it. ``hidden`` is the share of the characters that were left out."""

    lines: tuple[Line, ...]
    junk: Junk | None
    dpi: float
    is_invisible: bool
    hidden: float
    warnings: tuple[PageWarning, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is remembered of a look."""

    junk: Junk | None
    dpi: float
    is_invisible: bool
    warnings: tuple[PageWarning, ...]


class PdfFile:
    """A :class:`handlers.document.files.DocumentFile`. Threads take turns, since PDFium has one lock."""

    def __init__(
        self,
        document: PdfiumDocument,
        info: DocumentInfo,
        units: tuple[float, ...],
        limits: DocumentLimits,
        origin: _Origin,
        costly: Mapping[int, DecodeTooCostly],
    ) -> None:
        self._document = document
        self._info = info
        self._units = units
        self._limits = limits
        self._costly = costly
        self._kept: dict[int, _Kept] = {}
        self._repair = origin.repair
        is_damaged = origin.repair is not None or bool(origin.look.cut)
        self._damage = Damage(origin.data, origin.password, origin.look, document.page_count) if is_damaged else None
        self.password = origin.password

    @property
    def info(self) -> DocumentInfo:
        return self._info

    @property
    def has_costly_pages(self) -> bool:
        """Whether there are pages that are refused, as they would cost too much."""
        return bool(self._costly)

    def text_layer(self, number: int) -> TextLayer | None:
        """Raises :class:`PageNotFound`, :class:`DecodeFailed`, :class:`DecodeTooCostly` and
        :class:`core.errors.DependencyMissing`."""
        size = self._size(number)
        look = self._look(number)
        if look.junk is not None or not look.lines:
            return None
        hidden = (PageWarning(WarningCode.HIDDEN_TEXT, round(look.hidden, 3)),) if look.hidden else ()
        return TextLayer(look.lines, size.width, size.height, "inch", (*look.warnings, *hidden))

    def pixels(self, number: int) -> PagePixels:
        """The page rendered with its annotations and the values of its form.

        At the resolution of its picture where it is a scan, else at 200 dpi, or 300 where there is small print or
        may be; at less where the page would have more pixels than the limits allow. Raises :class:`PageNotFound`,
        :class:`DecodeFailed`, :class:`DecodeTooCostly`, :class:`handlers.document.errors.PageTooSlow` and
        :class:`core.errors.DependencyMissing`. :class:`MemoryError` passes through.
        """
        size = self._size(number)
        kept = self._known(number)
        chosen = resolution(kept.dpi, size.width, size.height, self._limits)
        with self._document.page(number - 1) as page:
            pixels = self._rendered(page, chosen.width, chosen.height)
        shrunk = chosen.shrunk > 1
        warnings = (
            *kept.warnings,
            *([PageWarning(WarningCode.SHRUNK, round(chosen.shrunk, 2))] if shrunk else []),
            *([PageWarning(WarningCode.TEXT_LAYER_JUNK, kept.junk.value)] if kept.junk else []),
        )
        return PagePixels(pixels, size.width, size.height, "inch", 1 / chosen.dpi, chosen.dpi, shrunk, warnings)

    def has_invisible_junk(self, number: int) -> bool:
        """Whether page ``number`` has text that is not to be trusted and all of which is invisible: a poor earlier
        OCR. Raises as :meth:`text_layer`."""
        self._size(number)
        kept = self._known(number)
        return kept.junk is not None and kept.is_invisible

    def geometry(self, number: int) -> PageGeometry:
        """Where page ``number`` is in its user space. Raises :class:`PageNotFound` and :class:`DecodeFailed`."""
        self._size(number)
        with self._document.page(number - 1) as page:
            return page.geometry

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._document.close()

    def _size(self, number: int) -> PageSize:
        if not 1 <= number <= len(self._info.pages):
            raise PageNotFound(f"the document has no page {number}", page=number)
        if number in self._costly:
            raise self._costly[number].with_traceback(None)
        return self._info.pages[number - 1]

    def _known(self, number: int) -> _Kept:
        if number not in self._kept:
            self._look(number)
        return self._kept[number]

    def _look(self, number: int) -> _Look:
        size = self._size(number)
        unit = self._units[number - 1] / POINTS_PER_INCH
        with self._document.page(number - 1) as page:
            glyphs, content = read_glyphs(page), read_content(page)
            lost = self._lost(number, glyphs, content)
            doubts = doubtful(glyphs, content.pictures, page.geometry)
            share = covered(content.pictures)
            needed = bool(glyphs) and needs_a_look(len(glyphs), share, content.paths)
            pixels = self._small(page, size) if needed or any(doubts) else None
        gone = too_small(glyphs, unit * POINTS_PER_INCH)
        if pixels is not None and any(doubts):
            scale = pixels.shape[1] / size.width * unit
            gone = list(map(max, gone, unseen(glyphs, doubts, pixels, scale)))
        hidden = share_of(gone, glyphs)
        seen = glyphs if share >= SCAN_SHARE else [glyph for glyph, out in zip(glyphs, gone, strict=True) if not out]
        lines = text_lines(seen, size.width, size.height, unit)
        dpi = wanted_dpi(content, glyphs, size.width, size.height, unit)
        junk = Junk.UNSEEN if hidden > MAX_HIDDEN else _junk(glyphs, lines, content, pixels if needed else None, size)
        warnings = self._warnings(lost)
        look = _Look(lines, junk, dpi, _is_invisible(glyphs), hidden if seen is not glyphs else 0.0, warnings)
        self._kept[number] = _Kept(look.junk, look.dpi, look.is_invisible, warnings)
        return look

    def _lost(self, number: int, glyphs: list[Glyph], content: PageContent) -> tuple[str, ...]:
        """What the damage to the document took of the page. Raises :class:`DecodeFailed` where that is all of it."""
        lost = self._damage.of_page(number) if self._damage is not None else ()
        if lost and not glyphs and not content.pictures and not content.paths:
            raise DecodeFailed(f"what is on page {number} is missing", page=number)
        return lost

    def _warnings(self, lost: tuple[str, ...]) -> tuple[PageWarning, ...]:
        return (
            *([PageWarning(WarningCode.DOCUMENT_REPAIRED, self._repair)] if self._repair else []),
            *([PageWarning(WarningCode.CONTENT_LOST, ", ".join(lost))] if lost else []),
        )

    def _small(self, page: PdfiumPage, size: PageSize) -> Page:
        """The page at low resolution, for its text to be compared with it."""
        small = resolution(LOOK_DPI, size.width, size.height, DocumentLimits(max_page_pixels=MAX_LOOK_PIXELS))
        return self._rendered(page, small.width, small.height)

    def _rendered(self, page: PdfiumPage, width: int, height: int) -> Page:
        try:
            import numpy as np  # noqa: PLC0415 - the function app has none
        except ImportError as error:
            raise DependencyMissing(f"numpy is not installed: {OCR_INSTALL_HINT}") from error
        pixels = np.full((height, width, 3), 255, np.uint8)
        page.render(pixels.ctypes.data, width, height, self._limits.max_page_seconds)
        return pixels


def _junk(
    glyphs: list[Glyph], lines: tuple[Line, ...], content: PageContent, pixels: Page | None, size: PageSize
) -> Junk | None:
    if not lines:
        return None
    if unmapped_characters(glyphs):
        return Junk.CHARACTERS
    if implausible_words(lines):
        return Junk.WORDS
    if pixels is not None:
        share = covered_print(pixels, lines, pixels.shape[1] / size.width)
        if leaves_uncovered(share, covered(content.pictures)):
            return Junk.UNCOVERED
    return None


def _is_invisible(glyphs: list[Glyph]) -> bool:
    return all(glyph.invisible or glyph.generated for glyph in glyphs)
