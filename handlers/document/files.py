"""A document that is open: what it is, and its pages as pixels or as the text that it brings along."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias

from handlers.document.engine import Line
from handlers.document.errors import DocumentTooLarge
from handlers.document.formats import Format, sniff
from handlers.document.limits import DocumentLimits
from handlers.document.warnings import PageWarning

if TYPE_CHECKING:
    from handlers.document.engine import Page

Unit: TypeAlias = Literal["pixel", "inch"]


@dataclass(frozen=True, slots=True)
class PageSize:
    """``number`` counts from 1. ``width`` and ``height`` are in ``unit``, of the page as it is looked at: upright
    by an orientation that the file states, and before it is shrunk."""

    number: int
    width: float
    height: float
    unit: Unit = "pixel"


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    format: Format
    byte_count: int
    pages: tuple[PageSize, ...]


@dataclass(frozen=True, slots=True)
class PagePixels:
    """A page to be read. ``pixels`` is HxWx3 uint8 BGR, contiguous, upright by what the file states, on white.

    ``width`` and ``height`` are the page's in ``unit``; a position in ``unit`` is one in ``pixels`` times ``scale``:
    1.0 for an image as it was, more for one that was ``shrunk``, one by ``dpi`` for a rendered page of a PDF. ``dpi``
    is that of ``pixels``, in pixels an inch, ``None`` where the file does not say it or it cannot be true.
    """

    pixels: Page
    width: float
    height: float
    unit: Unit
    scale: float
    dpi: float | None
    shrunk: bool = False
    warnings: tuple[PageWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class TextLayer:
    """The text that a page brings along: ``lines`` in reading order, with words, polygons in ``unit``, and the
    confidence 1.0."""

    lines: tuple[Line, ...]
    width: float
    height: float
    unit: Unit = "inch"
    warnings: tuple[PageWarning, ...] = ()


class DocumentFile(Protocol):
    """An open document, a context manager. It may be called from several threads, and may serialise them.

    After its end only ``info`` may be used.
    """

    @property
    def info(self) -> DocumentInfo: ...

    def text_layer(self, number: int) -> TextLayer | None:
        """The text that page ``number`` (from 1) brings along; ``None`` where it is an image, has none, or junk.

        Raises :class:`handlers.document.errors.PageNotFound` and
        :class:`handlers.document.errors.DecodeFailed`.
        """
        ...

    def pixels(self, number: int) -> PagePixels:
        """Page ``number`` (from 1) as pixels. Of an image of which a part is missing nothing is given: it is damaged.

        Raises :class:`handlers.document.errors.PageNotFound`, :class:`handlers.document.errors.ImageTooLarge`
        before anything is decoded, :class:`handlers.document.errors.DecodeFailed`, and
        :class:`core.errors.DependencyMissing`. :class:`MemoryError` passes through.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_document(data: bytes, limits: DocumentLimits, password: str | None = None) -> DocumentFile:
    """Sniff the format, count the pages and read their sizes; no pixel is decoded.

    ``password`` is a PDF's. Raises :class:`handlers.document.errors.UnsupportedFormat`, :class:`DocumentTooLarge`,
    :class:`handlers.document.errors.DecodeFailed`, :class:`handlers.document.errors.DecodeTooCostly`, at the first page
    that is over a limit :class:`handlers.document.errors.ImageTooLarge` or
    :class:`handlers.document.errors.TooManyPages`, and for a PDF as :func:`handlers.document.pdf.file.open_pdf`.
    """
    from handlers.document.images.file import ImageFile  # noqa: PLC0415 - it is made of what is here

    if len(data) > limits.max_bytes:
        raise DocumentTooLarge(
            f"the document has {len(data)} bytes, more than the limit of {limits.max_bytes}", limit=limits.max_bytes
        )
    form = sniff(data)
    if form is Format.PDF:
        from handlers.document.pdf.file import open_pdf  # noqa: PLC0415 - it needs what the function app has not

        return open_pdf(data, limits, password)
    return ImageFile(data, form, limits)
