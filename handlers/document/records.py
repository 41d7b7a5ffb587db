"""The parameters and results of the document tasks, and the record of a page as it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from handlers.document.engine import DOUBTFUL_BELOW, Line, PageText, Quad, Quality, Word, mean_confidence
from handlers.document.source import Source

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
_FROZEN = ConfigDict(frozen=True)

PAGES_PER_TASK = 20
"""Pages that a task reads unless a job says otherwise.

A task costs its claim, its commit and one reading of the document, together some tenths of a second: under 2 % of 20
pages of a second each. A document of 300 pages is 15 tasks, enough for several workers to share it and to end it close
together. A task that stops repeats a page and not a task, so nothing asks for fewer.
"""

MAX_PAGES_PER_TASK = 1_000

WarningCode: TypeAlias = Literal["NO_TEXT", "LOW_CONFIDENCE", "ORIENTATION_UNSURE"]
"""Something a reader should know of a page, and no failure.

``NO_TEXT``: it was read and has no text. ``LOW_CONFIDENCE``: its mean confidence is below
:data:`handlers.document.engine.DOUBTFUL_BELOW`. ``ORIENTATION_UNSURE``: it was read both turned and as it came, and
the better reading kept.
"""


class OcrDocumentParameters(BaseModel):
    """What ``ocr_document`` takes. ``preview`` asks for pictures of what was read where; ``pages_per_task`` is how many
    pages one task reads, one after the other.
    """

    model_config = _CLOSED

    source: Source
    quality: Quality = Quality.ACCURATE
    preview: bool = True
    pages_per_task: int = Field(default=PAGES_PER_TASK, ge=1, le=MAX_PAGES_PER_TASK)


class InspectParameters(BaseModel):
    model_config = _CLOSED

    source: Source


class PageSizeRecord(BaseModel):
    """Pixels by the header, before an EXIF orientation is applied."""

    model_config = _FROZEN

    page: int
    width: int
    height: int


class InspectResult(BaseModel):
    """``source`` is where the next stages read the document from."""

    model_config = _FROZEN

    source: Source
    content_type: str
    bytes: int
    pages: list[PageSizeRecord]


class RecognisePagesParameters(BaseModel):
    """``pages`` are numbers that count from 1, each there once; they are read in the order in which they are given."""

    model_config = _CLOSED

    source: Source
    pages: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=[1], min_length=1, max_length=MAX_PAGES_PER_TASK
    )
    quality: Quality = Quality.ACCURATE

    @field_validator("pages")
    @classmethod
    def _each_once(cls, pages: list[int]) -> list[int]:
        if len(set(pages)) != len(pages):
            raise ValueError("a page is there twice")
        return pages


class PageSummary(BaseModel):
    """``mean_confidence`` is 0..1, weighted by characters, and ``None`` on a page without text.

    ``width`` and ``height`` are those of the decoded page, which stands as its EXIF orientation says;
    ``angle`` is how far its content is turned clockwise, in degrees.
    """

    model_config = _FROZEN

    page: int
    width: int
    height: int
    angle: float
    lines: int
    characters: int
    mean_confidence: float | None
    warnings: list[WarningCode] = []


class RecognisedPage(BaseModel):
    """``blob`` holds the :class:`PageRecord` as JSON. ``seconds`` is the time that the engine took."""

    model_config = _FROZEN

    summary: PageSummary
    blob: str
    seconds: float


class RecognisePagesResult(BaseModel):
    """A page each, in the order in which they were asked for."""

    model_config = _FROZEN

    pages: list[RecognisedPage]


class AssembleParameters(BaseModel):
    """``pages`` are the numbers of the pages that were read; ``previews`` asks for pictures."""

    model_config = _CLOSED

    source: Source
    pages: list[int] = Field(min_length=1)
    preview: bool = True


class Artifact(BaseModel):
    """A blob that a job made. ``page`` is set where it is of one page."""

    model_config = _FROZEN

    kind: Literal["text", "json", "preview"]
    name: str
    content_type: str
    bytes: int
    page: int | None = None


class DocumentWarning(BaseModel):
    """What :data:`WarningCode` says, of ``page``."""

    model_config = _FROZEN

    code: WarningCode
    page: int


class AssembleResult(BaseModel):
    """``text`` has the pages' text, each page after the first introduced by a form feed; it is empty
    where no page has any.

    It is cut to a limit where ``text_truncated`` is set; the artifact of kind ``text`` has all of it.
    """

    model_config = _FROZEN

    text: str
    text_truncated: bool
    mean_confidence: float | None
    pages: list[PageSummary]
    warnings: list[DocumentWarning]
    artifacts: list[Artifact]


class OcrDocumentResult(AssembleResult):
    """What ``ocr_document`` gives. ``recognise_seconds`` is the engine's time over all pages."""

    quality: Quality
    recognise_seconds: float


class WordRecord(BaseModel):
    model_config = _FROZEN

    text: str
    polygon: list[float]
    confidence: float | None


class LineRecord(BaseModel):
    """``polygon`` is x1, y1, ... x4, y4 in pixels, clockwise from the text's upper left."""

    model_config = _FROZEN

    text: str
    confidence: float
    polygon: list[float]
    words: list[WordRecord] | None


class PageRecord(BaseModel):
    """A page as it is stored. The same page read by the same engine gives the same bytes."""

    model_config = _FROZEN

    page: int
    width: int
    height: int
    unit: Literal["pixel"] = "pixel"
    angle: float
    engine: str
    models: list[str]
    orientation_unsure: bool = False
    lines: list[LineRecord]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


def page_record(number: int, read: PageText) -> PageRecord:
    return PageRecord(
        page=number,
        width=read.width,
        height=read.height,
        angle=read.angle,
        engine=read.engine,
        models=list(read.models),
        orientation_unsure=read.orientation_unsure,
        lines=[_line_record(line) for line in read.lines],
    )


def _warnings(mean: float | None, orientation_unsure: bool) -> Iterator[WarningCode]:
    if mean is None:
        yield "NO_TEXT"
    elif mean < DOUBTFUL_BELOW:
        yield "LOW_CONFIDENCE"
    if orientation_unsure:
        yield "ORIENTATION_UNSURE"


def summary_of(record: PageRecord) -> PageSummary:
    """The summary of a page that was stored."""
    mean = mean_confidence(page_text(record).lines)
    return PageSummary(
        page=record.page,
        width=record.width,
        height=record.height,
        angle=record.angle,
        lines=len(record.lines),
        characters=sum(len(line.text) for line in record.lines),
        mean_confidence=None if mean is None else round(mean, 4),
        warnings=list(_warnings(mean, record.orientation_unsure)),
    )


def page_text(record: PageRecord) -> PageText:
    """A stored page as the engine gave it, without its words."""
    return PageText(
        lines=tuple(Line(line.text, line.confidence, quad(line.polygon)) for line in record.lines),
        width=record.width,
        height=record.height,
        angle=record.angle,
        engine=record.engine,
        models=tuple(record.models),
        orientation_unsure=record.orientation_unsure,
    )


def quad(numbers: list[float]) -> Quad:
    x1, y1, x2, y2, x3, y3, x4, y4 = numbers
    return ((x1, y1), (x2, y2), (x3, y3), (x4, y4))


def _line_record(line: Line) -> LineRecord:
    return LineRecord(
        text=line.text,
        confidence=round(line.confidence, 4),
        polygon=_flat(line.polygon),
        words=None if line.words is None else [_word_record(word) for word in line.words],
    )


def _word_record(word: Word) -> WordRecord:
    return WordRecord(
        text=word.text,
        polygon=_flat(word.polygon),
        confidence=None if word.confidence is None else round(word.confidence, 4),
    )


def _flat(polygon: Quad) -> list[float]:
    return [round(value, 1) for point in polygon for value in point]
