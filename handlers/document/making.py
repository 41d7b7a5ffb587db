"""What each file of a job is made of: the stored pages, and for some the document itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, assert_never

from handlers.document import pieces
from handlers.document.files import DocumentFile, PagePixels, open_document
from handlers.document.limits import DocumentLimits
from handlers.document.output import (
    draw_overlay,
    thumbnail,
    write_alto,
    write_analyze_result,
    write_hocr,
    write_markdown,
    write_text,
)
from handlers.document.parameters import AssembleParameters, OutputKind
from handlers.document.pieces import Piece
from handlers.document.records import PageRecord
from handlers.document.warnings import PageWarning

THUMBNAIL_SIDE = 256
"""Pixels of its longer side."""

MODEL_ID = "coremachine-ocr"
"""What an ``analyzeResult`` names as its model. The engine's models are named a page."""


class _Document(NamedTuple):
    data: bytes
    file: DocumentFile


class Maker:
    """Makes the files of one document; a context manager.

    ``records`` can be gone through again and again. ``get_data`` gives the document's bytes; it is called once, where
    something is made of them.
    """

    def __init__(
        self,
        params: AssembleParameters,
        records: Iterable[PageRecord],
        get_data: Callable[[], bytes],
        limits: DocumentLimits,
        password: str | None = None,
    ) -> None:
        self._params = params
        self._records = records
        self._get_data = get_data
        self._limits = limits
        self._password = password
        self._document: _Document | None = None
        self._shown: tuple[int, PagePixels] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._document is not None:
            self._document.file.__exit__(kind, error, trace)

    def pieces(self) -> Iterator[Piece]:
        """The files that are asked for, in the order in which they are made."""
        for kind in self._params.outputs:
            yield pieces.output(kind, partial(self._write, kind))
        if not self._params.preview:
            return
        readable = (record for record in self._records if record.status != "failed")
        for place, record in enumerate(islice(readable, self._limits.max_preview_pages)):
            if place == 0:
                yield pieces.thumbnail(partial(self._draw_thumbnail, record.page))
            yield pieces.preview(record.page, partial(self._draw_overlay, record))

    def _write(self, kind: OutputKind, out: BinaryIO) -> tuple[PageWarning, ...]:
        records = iter(self._records)
        match kind:
            case OutputKind.TEXT:
                write_text(records, out)
            case OutputKind.ANALYZE_RESULT:
                write_analyze_result(records, out, MODEL_ID)
            case OutputKind.HOCR:
                write_hocr(records, out)
            case OutputKind.ALTO:
                write_alto(records, out)
            case OutputKind.MARKDOWN:
                write_markdown(records, out)
            case OutputKind.SEARCHABLE_PDF:
                return self._write_searchable(records, out)
            case _:
                assert_never(kind)
        return ()

    def _write_searchable(self, records: Iterator[PageRecord], out: BinaryIO) -> tuple[PageWarning, ...]:
        from handlers.document.pdf.searchable import write_searchable  # noqa: PLC0415 - pikepdf is the worker's alone

        document = self._opened()
        return write_searchable(document.file, document.data, records, out, self._params.pdfa)

    def _draw_overlay(self, record: PageRecord, out: BinaryIO) -> tuple[PageWarning, ...]:
        out.write(draw_overlay(self._pixels(record.page).pixels, record, self._limits.preview_side))
        return ()

    def _draw_thumbnail(self, number: int, out: BinaryIO) -> tuple[PageWarning, ...]:
        out.write(thumbnail(self._pixels(number).pixels, THUMBNAIL_SIDE))
        return ()

    def _pixels(self, number: int) -> PagePixels:
        """The last page is kept, since the first is wanted twice."""
        if self._shown is None or self._shown[0] != number:
            self._shown = None
            self._shown = number, self._opened().file.pixels(number)
        return self._shown[1]

    def _opened(self) -> _Document:
        if self._document is None:
            data = self._get_data()
            self._document = _Document(data, open_document(data, self._limits, self._password))
        return self._document
