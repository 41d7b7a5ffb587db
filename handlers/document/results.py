"""What the job ``ocr_document`` and its tasks give."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from handlers.document.engine import Quality
from handlers.document.files import Unit
from handlers.document.pieces import PieceKind
from handlers.document.records import Origin, PageError, PageRecord, PageStatus, WarningRecord
from handlers.document.source import Source

_FROZEN = ConfigDict(frozen=True)


class PageSizeRecord(BaseModel):
    """In ``unit``, of the page as it is looked at."""

    model_config = _FROZEN

    page: int
    width: float
    height: float
    unit: Unit


class InspectResult(BaseModel):
    """``source`` is where the next stages read the document from. ``page_count`` is the document's, ``pages`` are those
    that were chosen.
    """

    model_config = _FROZEN

    source: Source
    content_type: str
    bytes: int
    page_count: int
    pages: list[PageSizeRecord]


class PageSummary(BaseModel):
    """A :class:`handlers.document.records.PageRecord` without its text. ``mean_confidence`` is 0..1, weighted by
    characters, and ``None`` on a page without text.
    """

    model_config = _FROZEN

    page: int
    width: float
    height: float
    unit: Unit
    angle: float
    status: PageStatus
    error: PageError | None = None
    origin: Origin
    lines: int
    characters: int
    mean_confidence: float | None
    warnings: list[WarningRecord] = []


def summary_of(record: PageRecord) -> PageSummary:
    """The summary of a page that was stored."""
    return PageSummary(
        page=record.page,
        width=record.width,
        height=record.height,
        unit=record.unit,
        angle=record.angle,
        status=record.status,
        error=record.error,
        origin=record.origin,
        lines=len(record.lines),
        characters=record.characters,
        mean_confidence=record.mean_confidence,
        warnings=record.warnings,
    )


class RecognisedPage(BaseModel):
    """``blob`` holds the :class:`handlers.document.records.PageRecord` as JSON. ``seconds`` is the time that the engine
    took."""

    model_config = _FROZEN

    summary: PageSummary
    blob: str
    seconds: float


class RecognisePagesResult(BaseModel):
    """A page each, in the order in which they were asked for."""

    model_config = _FROZEN

    pages: list[RecognisedPage]


class Artifact(BaseModel):
    """A blob that a job made. ``page`` is set where it is of one page."""

    model_config = _FROZEN

    kind: PieceKind
    name: str
    content_type: str
    bytes: int
    page: int | None = None


class DocumentWarning(WarningRecord):
    """A warning of ``page``, or of the whole document."""

    page: int | None = None


class AssembleResult(BaseModel):
    """``text`` is the beginning of the output ``text``, and all of it unless ``text_truncated`` is set: each page after
    the first is introduced by a form feed, and it is empty where no page has any text.

    ``engines`` and ``models`` name what gave the text, with versions, in the order of the pages.
    """

    model_config = _FROZEN

    text: str
    text_truncated: bool
    mean_confidence: float | None
    engines: list[str]
    models: list[str]
    pages: list[PageSummary]
    warnings: list[DocumentWarning]
    artifacts: list[Artifact]


class OcrDocumentResult(AssembleResult):
    """What ``ocr_document`` gives. ``recognise_seconds`` is the engine's time over all pages."""

    quality: Quality
    recognise_seconds: float
