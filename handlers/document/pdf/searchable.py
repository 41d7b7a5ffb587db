"""The searchable PDF of a document that was read: its pages as they were, with their text where it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handlers.document.files import DocumentFile
from handlers.document.images.file import ImageFile
from handlers.document.pdf.file import PdfFile
from handlers.document.pdf.image_pages import write_image_pages
from handlers.document.pdf.original_pages import check_copy, write_original_pages
from handlers.document.records import PageRecord
from handlers.document.warnings import PageWarning


def write_searchable(
    file: DocumentFile, data: bytes, pages: Iterator[PageRecord], out: BinaryIO, pdfa: bool = False
) -> tuple[PageWarning, ...]:
    """Write the document with its text to ``out``; ``pages`` are records of its pages, taken one at a time.

    ``file`` is ``data`` opened. Of images there is a page for each record; of a PDF all pages are kept, and those that
    were read from their pixels get an invisible layer of text. With ``pdfa`` the result is PDF/A-2b where that can
    be said of it. Gives warnings of the whole document: ``ENCRYPTION_REMOVED``, ``SIGNATURE_INVALIDATED`` and
    ``PDFA_NOT_CLAIMED``. The same document and records give the same bytes.

    Raises as :func:`check_searchable`.
    """
    if isinstance(file, PdfFile):
        return write_original_pages(file, data, pages, out, pdfa=pdfa)
    write_image_pages(_image_file(file), data, pages, out, pdfa=pdfa)
    return ()


def check_searchable(file: DocumentFile, data: bytes) -> None:
    """Whether a searchable PDF can be made of the document, before it is read.

    Raises :class:`handlers.document.errors.CopyNotPermitted` for an encrypted PDF that was not opened with its owner's
    password and whose author allows no changed copy, :class:`handlers.document.errors.DecodeFailed` for one that
    is damaged beyond what can be written again, and :class:`core.errors.DependencyMissing`.
    """
    if isinstance(file, PdfFile):
        check_copy(file, data)


def _image_file(file: DocumentFile) -> ImageFile:
    if not isinstance(file, ImageFile):
        raise TypeError(f"not opened by open_document: {type(file).__name__}")
    return file
