"""A PDF's own pages with a layer of invisible text for those that were read from their pixels."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from handlers.document.errors import CopyNotPermitted, DecodeFailed
from handlers.document.pdf.claims import claim, lower_claim, obstacles
from handlers.document.pdf.file import PdfFile
from handlers.document.pdf.glyphless import Codes, write_font
from handlers.document.pdf.pdfa import write_output_intent
from handlers.document.pdf.qpdf import open_copy, translated
from handlers.document.pdf.text_stream import invisible_text, placement
from handlers.document.pdf.writer import PdfWriter, Reference
from handlers.document.records import PageRecord, lines_of
from handlers.document.warnings import PageWarning, WarningCode

if TYPE_CHECKING:
    import pikepdf

_FONT = "CoreMachineText"

_SHOWS_TEXT = frozenset({"Tj", "TJ", "'", '"'})

_VERSION = "1.4"
"""What the text's font and the metadata are of (ISO 32000-1, annex E)."""


def check_copy(file: PdfFile, data: bytes) -> None:
    """Raises :class:`CopyNotPermitted`, :class:`DecodeFailed` and :class:`core.errors.DependencyMissing`."""
    with _opened(file, data):
        pass


def write_original_pages(
    file: PdfFile, data: bytes, pages: Iterator[PageRecord], out: BinaryIO, *, pdfa: bool
) -> tuple[PageWarning, ...]:
    """All pages of ``data`` are kept. Where there is nothing to add, the file is written as it is. The invisible text
    of a poor earlier OCR gives way to the new one, or a search would find both.

    An encrypted document is written without encryption where whoever opened it may change it: encryption is made of
    random numbers, so the same document would not give the same bytes. Raises as :func:`check_copy`.
    """
    with _opened(file, data) as pdf:
        layers = _Layers(file, pdf)
        for record in pages:
            with translated():
                layers.add(record)
        with translated():
            return _finished(pdf, layers, data, out, pdfa=pdfa, costly=file.has_costly_pages)


def _finished(
    pdf: pikepdf.Pdf, layers: _Layers, data: bytes, out: BinaryIO, *, pdfa: bool, costly: bool
) -> tuple[PageWarning, ...]:
    if not layers.count and not pdfa and not pdf.get_warnings():
        out.write(data)
        return ()
    layers.finish()
    found = (*_changed(pdf), *(_claimed(pdf, costly=costly) if pdfa else ()))
    _save(pdf, out, pdfa=pdfa and not costly)
    return found


class _Layers:
    def __init__(self, file: PdfFile, pdf: pikepdf.Pdf) -> None:
        import pikepdf  # noqa: PLC0415 - the function app has none

        self.count = 0
        self._file = file
        self._pdf = pdf
        self._codes = Codes()
        self._font = pdf.make_indirect(pikepdf.Dictionary())

    def add(self, record: PageRecord) -> None:
        """Before the page's own content, where no state that it leaves behind can change the text's place."""
        import pikepdf  # noqa: PLC0415 - the function app has none

        if record.origin != "ocr" or not record.lines:
            return
        place = placement(self._file.geometry(record.page), record.width, record.height)
        page = self._pdf.pages[record.page - 1]
        if self._file.has_invisible_junk(record.page):
            _take_text_out(self._pdf, page)
        name = self._font_name(page)
        page.add_resource(self._font, pikepdf.Name.Font, pikepdf.Name(f"/{name}"), replace_existing=True)
        text = invisible_text(lines_of(record), place, self._codes, name)
        page.contents_add(text, prepend=True)
        self.count += 1

    def _font_name(self, page: pikepdf.Page) -> str:
        """One that is free in the page's resources, or that has the font: pages may share them."""
        fonts: Any = page.resources.get("/Font", {})
        names = (f"{_FONT}{number}" for number in itertools.count())
        return next(name for name in names if self._is_free(fonts.get(f"/{name}")))

    def _is_free(self, font: pikepdf.Object | None) -> bool:
        return font is None or font.objgen == self._font.objgen

    def finish(self) -> None:
        """The font with its map, now that all characters are known."""
        if not self.count:
            return
        font = _copied(self._pdf, lambda writer: write_font(writer, self._codes))
        for key, value in font.items():
            self._font[key] = value
        lower_claim(self._pdf)


def _take_text_out(pdf: pikepdf.Pdf, page: pikepdf.Page) -> None:
    """Leave out what shows text, on a page that shows none that is seen. Where it cannot be told apart it stays."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    try:
        kept = [found for found in pikepdf.parse_content_stream(page) if str(found.operator) not in _SHOWS_TEXT]
    except pikepdf.PdfParsingError:
        return
    page.obj.Contents = pdf.make_stream(pikepdf.unparse_content_stream(kept))


@contextmanager
def _opened(file: PdfFile, data: bytes) -> Iterator[pikepdf.Pdf]:
    with translated():
        pdf = open_copy(data, file.password)
    with pdf:
        with translated():
            _check(file, pdf)
        yield pdf


def _check(file: PdfFile, pdf: pikepdf.Pdf) -> None:
    if len(pdf.pages) != len(file.info.pages):
        raise DecodeFailed("the PDF cannot be written again: its pages are not clear")
    if pdf.is_encrypted and not pdf.owner_password_matched and not pdf.allow.modify_other:
        raise CopyNotPermitted("the document's author allows no changed copy: its owner's password does")


def _changed(pdf: pikepdf.Pdf) -> Iterator[PageWarning]:
    if pdf.is_encrypted:
        yield PageWarning(WarningCode.ENCRYPTION_REMOVED)
    form = pdf.Root.get("/AcroForm")
    if form is not None and int(form.get("/SigFlags", 0)) & 1:
        yield PageWarning(WarningCode.SIGNATURE_INVALIDATED)


def _claimed(pdf: pikepdf.Pdf, *, costly: bool) -> Iterator[PageWarning]:
    """Claim PDF/A-2b, or say why not. What costs too much to be looked at is not looked at."""
    found = ("a page that costs too much",) if costly else obstacles(pdf)
    if found:
        yield PageWarning(WarningCode.PDFA_NOT_CLAIMED, found[0])
        return
    claim(pdf, _copied(pdf, write_output_intent))


def _copied(pdf: pikepdf.Pdf, write: Callable[[PdfWriter], Reference]) -> pikepdf.Object:
    """What ``write`` writes, in ``pdf``, by way of a file that has nothing else."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    stream = io.BytesIO()
    writer = PdfWriter(stream)
    tree = writer.add("<< /Type /Pages /Count 0 /Kids [] >>")
    writer.finish(writer.add(f"<< /Type /Catalog /Pages {tree} /Made {write(writer)} >>"))
    with pikepdf.open(stream) as made:
        return pdf.copy_foreign(made.Root["/Made"])


def _save(pdf: pikepdf.Pdf, out: BinaryIO, *, pdfa: bool) -> None:
    """Streams are kept as they are; for PDF/A, which has no LZW, those of general filters are packed anew."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    level = pikepdf.StreamDecodeLevel.generalized if pdfa else pikepdf.StreamDecodeLevel.none
    pdf.save(
        out,
        min_version=_VERSION,
        encryption=False,
        deterministic_id=True,
        stream_decode_level=level,
        object_stream_mode=pikepdf.ObjectStreamMode.preserve,
    )
