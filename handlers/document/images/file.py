"""An image, or a TIFF of several, as an open document."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from core.errors import DependencyMissing
from handlers.document.errors import OCR_INSTALL_HINT, PageNotFound
from handlers.document.files import DocumentInfo, PagePixels, TextLayer
from handlers.document.formats import Format
from handlers.document.images.decoders import decode, read_headers, translated
from handlers.document.images.header import ImageHeader, check_page
from handlers.document.images.jpeg import ends_early
from handlers.document.limits import DocumentLimits
from handlers.document.warnings import PageWarning, WarningCode


class ImageFile:
    """A :class:`handlers.document.files.DocumentFile`. It keeps the encoded bytes and nothing that is decoded, so
    several threads may decode at once.

    Reading the headers raises as :func:`handlers.document.images.decoders.read_headers` and
    :func:`handlers.document.images.header.check_page`.
    """

    def __init__(self, data: bytes, form: Format, limits: DocumentLimits) -> None:
        self._data = data
        self._limits = limits
        self._headers = read_headers(data, form, limits)
        pages = (check_page(number, header, len(data), limits) for number, header in enumerate(self._headers, 1))
        self._info = DocumentInfo(form, len(data), tuple(pages))

    @property
    def info(self) -> DocumentInfo:
        return self._info

    def text_layer(self, number: int) -> TextLayer | None:
        self.header(number)
        return None

    def pixels(self, number: int) -> PagePixels:
        try:
            from handlers.document.images.colour import upright_pixels  # noqa: PLC0415 - only who decodes has numpy
        except ImportError as error:
            raise DependencyMissing(f"numpy or OpenCV is not installed: {OCR_INSTALL_HINT}") from error
        header = self.header(number)
        with translated(f"page {number}"):
            pixels, warnings = upright_pixels(
                decode(self._data, self._info.format, header, self._limits),
                header.orientation,
                self._limits.max_page_pixels,
            )
        if self._info.format is Format.JPEG and ends_early(self._data, self._limits):
            warnings.append(PageWarning(WarningCode.CONTENT_LOST, "pictures"))
        width, height = header.upright
        scale = max(width / pixels.shape[1], height / pixels.shape[0])
        shrunk = scale > 1.0
        if shrunk:
            warnings.append(PageWarning(WarningCode.SHRUNK, round(scale, 3)))
        dpi = header.dpi
        return PagePixels(
            pixels,
            float(width),
            float(height),
            "pixel",
            scale,
            None if dpi is None else dpi / scale,
            shrunk,
            tuple(warnings),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data = b""

    def header(self, number: int) -> ImageHeader:
        """What the file says of page ``number`` before it is decoded. Raises :class:`PageNotFound`."""
        if not 1 <= number <= len(self._headers):
            raise PageNotFound(f"the document has no page {number}", page=number)
        return self._headers[number - 1]
