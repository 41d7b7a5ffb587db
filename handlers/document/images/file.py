"""An image, or a TIFF of several, as an open document."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from handlers.document.decode import decode_page
from handlers.document.errors import PageNotFound
from handlers.document.files import DocumentInfo, PagePixels, TextLayer
from handlers.document.inspect import inspect_document
from handlers.document.limits import DocumentLimits


class ImageFile:
    """A :class:`handlers.document.files.DocumentFile`. It keeps the encoded bytes and nothing that is decoded, so
    several threads may decode at once.
    """

    def __init__(self, data: bytes, limits: DocumentLimits) -> None:
        self._data = data
        self._limits = limits
        self._info = inspect_document(data, limits)

    @property
    def info(self) -> DocumentInfo:
        return self._info

    def text_layer(self, number: int) -> TextLayer | None:
        self._check(number)
        return None

    def pixels(self, number: int) -> PagePixels:
        self._check(number)
        page = decode_page(self._data, number, self._limits)
        height, width = page.shape[:2]
        return PagePixels(page, float(width), float(height), "pixel", 1.0, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data = b""

    def _check(self, number: int) -> None:
        if not 1 <= number <= len(self._info.pages):
            raise PageNotFound(f"the document has no page {number}", page=number)
