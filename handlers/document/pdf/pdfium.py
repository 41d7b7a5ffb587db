"""The adapter to PDFium: its lock, the life of its handles, and its errors as ours.

PDFium is not thread-safe, not even for two documents, so each use of it holds one lock of the process. Its handles are
closed where they were opened and not when an object is collected, which could be in any thread.

Its own bounds are the depth of page trees (1,024), of arrays and dictionaries, of forms inside forms, and the number of
pages (1,048,575). What its streams come to is found out before it sees the file
(:mod:`handlers.document.pdf.stream_costs`), and its forms (:mod:`handlers.document.pdf.form_costs`), and drawing is
broken off when it takes too long. Reading a page is inside one call that cannot be interrupted: what is not bounded in
advance is left to the process that reads documents, with its deadline and its limit of memory.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from core.errors import DependencyMissing
from handlers.document.errors import (
    OCR_INSTALL_HINT,
    DecodeFailed,
    FormNotSupported,
    NoPages,
    PageTooSlow,
    PasswordRequired,
    PasswordWrong,
)
from handlers.document.pdf.geometry import PageGeometry, Rectangle

LOCK = threading.Lock()


class DamagedPdf(Exception):
    """PDFium finds no document in it. What it cannot read may still be repaired."""


_FORM_VERSION = 2
_SEEN_BY_FLATTENING = ("WIDGET", "FREETEXT", "STAMP")


def library() -> ModuleType:
    """PDFium's functions. Raises :class:`core.errors.DependencyMissing`."""
    try:
        import pypdfium2.raw  # noqa: PLC0415 - the function app has none
    except ImportError as error:
        raise DependencyMissing(f"pypdfium2 is not installed: {OCR_INSTALL_HINT}") from error
    module: ModuleType = pypdfium2.raw
    return module


def reader() -> str:
    """What takes the text out of a PDF, with its version. Raises :class:`core.errors.DependencyMissing`."""
    library()
    from pypdfium2.version import PDFIUM_INFO  # noqa: PLC0415 - the function app has none

    return f"pdfium {PDFIUM_INFO.build}"


class PdfiumPage:
    """A loaded page. To be used while the lock is held, inside :meth:`PdfiumDocument.page`."""

    def __init__(self, lib: ModuleType, handle: Any, geometry: PageGeometry) -> None:
        self.lib = lib
        self.handle = handle
        self.geometry = geometry

    @contextmanager
    def text(self) -> Iterator[Any]:
        """A handle to the page's characters. Raises :class:`DecodeFailed`."""
        handle = self.lib.FPDFText_LoadPage(self.handle)
        if not handle:
            raise DecodeFailed("the text of a page cannot be read")
        try:
            yield handle
        finally:
            self.lib.FPDFText_ClosePage(handle)

    def render(self, address: int, width: int, height: int, seconds: float) -> None:
        """Draw the page, annotations included, over ``height`` x ``width`` x 3 bytes at ``address``, BGR, packed.

        ``seconds`` are of this thread's CPU, so that a busy machine fails no page. Raises :class:`PageTooSlow`.
        """
        lib = self.lib
        bitmap = lib.FPDFBitmap_CreateEx(width, height, lib.FPDFBitmap_BGR, address, width * 3)
        if not bitmap:
            raise MemoryError(f"no bitmap of {width} x {height}")
        pause = _pause_after(lib, seconds)
        try:
            status = lib.FPDF_RenderPageBitmap_Start(
                bitmap, self.handle, 0, 0, width, height, 0, lib.FPDF_ANNOT, ctypes.byref(pause)
            )
        finally:
            lib.FPDF_RenderPage_Close(self.handle)
            lib.FPDFBitmap_Destroy(bitmap)
        if status == lib.FPDF_RENDER_TOBECONTINUED:
            raise PageTooSlow(f"drawing a page took more than {seconds:g} seconds", limit=seconds)


class PdfiumDocument:
    """An open document. Each method takes the lock by itself."""

    def __init__(self, data: bytes, password: str | None) -> None:
        """Raises :class:`PasswordRequired`, :class:`PasswordWrong`, :class:`DecodeFailed`, :class:`NoPages`,
        :class:`FormNotSupported`, :class:`DamagedPdf` and :class:`core.errors.DependencyMissing`."""
        self._lib = library()
        self._data = data  # PDFium reads where it lies
        self._flattened: set[int] = set()
        with LOCK:
            self._handle = _load(self._lib, data, password)
            self._form: Any = None
            try:
                self.page_count = self._checked_page_count()
                self._open_form()
            except BaseException:
                self._lib.FPDF_CloseDocument(self._handle)
                raise

    def close(self) -> None:
        with LOCK:
            if self._form:
                self._lib.FPDFDOC_ExitFormFillEnvironment(self._form)
            if self._handle:
                self._lib.FPDF_CloseDocument(self._handle)
            self._form = self._handle = None

    def sizes(self) -> Iterator[tuple[float, float] | None]:
        """Width and height of each page in points, as it is looked at; ``None`` for a page that cannot be loaded."""
        size = self._lib.FS_SIZEF()
        for index in range(self.page_count):
            with LOCK:
                known = self._lib.FPDF_GetPageSizeByIndexF(self._handle, index, ctypes.byref(size))
            yield (size.width, size.height) if known else None

    @contextmanager
    def page(self, index: int) -> Iterator[PdfiumPage]:
        """Page ``index`` (from 0), what its form fields and notes show made part of it; the lock is held meanwhile.

        Raises :class:`DecodeFailed`.
        """
        with LOCK:
            if index not in self._flattened:
                self._flattened.add(index)
                self._flatten(index)
            with self._loaded(index) as handle:
                yield PdfiumPage(self._lib, handle, self._geometry(handle))

    @property
    def has_valid_table(self) -> bool:
        """Whether the table of objects is right; else PDFium looked for the objects itself."""
        with LOCK:
            return bool(self._lib.FPDF_DocumentHasValidCrossReferenceTable(self._handle))

    def _checked_page_count(self) -> int:
        count = int(self._lib.FPDF_GetPageCount(self._handle))
        if count < 1:
            raise NoPages("the document has no page")
        if self._lib.FPDF_GetFormType(self._handle) == self._lib.FORMTYPE_XFA_FULL:
            raise FormNotSupported("the document is a dynamic XFA form: its pages are made by a program inside it")
        return count

    def _open_form(self) -> None:
        """What a field without a picture of its value gets one from. No script runs: this PDFium has no interpreter."""
        if self._lib.FPDF_GetFormType(self._handle) == self._lib.FORMTYPE_NONE:
            return
        self._form_info = self._lib.FPDF_FORMFILLINFO(version=_FORM_VERSION)
        self._form = self._lib.FPDFDOC_InitFormFillEnvironment(self._handle, self._form_info)

    @contextmanager
    def _loaded(self, index: int) -> Iterator[Any]:
        handle = self._lib.FPDF_LoadPage(self._handle, index)
        if not handle:
            raise DecodeFailed(f"page {index + 1} is damaged", page=index + 1)
        try:
            if self._form:
                self._lib.FORM_OnAfterLoadPage(handle, self._form)
            yield handle
        finally:
            if self._form:
                self._lib.FORM_OnBeforeClosePage(handle, self._form)
            self._lib.FPDF_ClosePage(handle)

    def _flatten(self, index: int) -> None:
        """Values of fields are annotations, which PDFium's text does not include."""
        with self._loaded(index) as handle:
            if self._has_visible_text(handle):
                self._lib.FPDFPage_Flatten(handle, self._lib.FLAT_NORMALDISPLAY)

    def _has_visible_text(self, handle: Any) -> bool:
        wanted = {getattr(self._lib, f"FPDF_ANNOT_{name}") for name in _SEEN_BY_FLATTENING}
        return any(self._kind(handle, n) in wanted for n in range(self._lib.FPDFPage_GetAnnotCount(handle)))

    def _kind(self, handle: Any, number: int) -> int:
        annotation = self._lib.FPDFPage_GetAnnot(handle, number)
        if not annotation:
            return 0
        try:
            return int(self._lib.FPDFAnnot_GetSubtype(annotation))
        finally:
            self._lib.FPDFPage_CloseAnnot(annotation)

    def _geometry(self, handle: Any) -> PageGeometry:
        box = self._lib.FS_RECTF()
        self._lib.FPDF_GetPageBoundingBox(handle, ctypes.byref(box))
        turns = int(self._lib.FPDFPage_GetRotation(handle)) % 4
        return PageGeometry(Rectangle(box.left, box.bottom, box.right, box.top), turns)


def _pause_after(lib: ModuleType, seconds: float) -> Any:
    """What PDFium asks between two steps whether it should stop."""
    end = time.thread_time() + seconds
    pause = lib.IFSDK_PAUSE(version=1)
    kind = dict(lib.IFSDK_PAUSE._fields_)["NeedToPauseNow"]
    pause.NeedToPauseNow = kind(lambda _: int(time.thread_time() > end))
    return pause


def _load(lib: ModuleType, data: bytes, password: str | None) -> Any:
    secret = None if password is None else password.encode() + b"\0"
    handle = lib.FPDF_LoadMemDocument64(data, len(data), secret)
    if handle:
        return handle
    error = lib.FPDF_GetLastError()
    if error == lib.FPDF_ERR_PASSWORD:
        if password is None:
            raise PasswordRequired("the document is encrypted, and needs a password")
        raise PasswordWrong("the password does not open the document")
    if error == lib.FPDF_ERR_SECURITY:
        raise DecodeFailed("the document is encrypted in a way that is not supported")
    raise DamagedPdf("the PDF is damaged")
