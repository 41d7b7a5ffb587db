"""A page as it is stored, and how it is made of what was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from handlers.document.engine import DOUBTFUL_BELOW, Line, PageText, Quad, Word
from handlers.document.files import PagePixels, PageSize, TextLayer, Unit
from handlers.document.reading import PageQuality, PageReading
from handlers.document.warnings import PageWarning, WarningCode

_FROZEN = ConfigDict(frozen=True)

PageStatus: TypeAlias = Literal["read", "no_text", "unreadable", "failed"]
"""``no_text``: the page was read and has none. ``unreadable``: what was read of it is likely to be wrong in more than
a fifth of its words, or it is in a script that nothing reads. ``failed``: it could not be read, and its error says why.
"""

Origin: TypeAlias = Literal["ocr", "text_layer"]
"""Whether a page's text was read from its pixels, or was in the document as text."""


class WordRecord(BaseModel):
    """``polygon`` as :class:`LineRecord`; ``confidence`` is 0..1, ``None`` where the engine has none a word."""

    model_config = _FROZEN

    text: str
    polygon: list[float]
    confidence: float | None


class LineRecord(BaseModel):
    """``polygon`` is x1, y1, ... x4, y4 in the page's unit, clockwise from the text's upper left; the origin is the
    page's upper left. ``words`` are in the order of ``text``, none where the engine does not know them.
    """

    model_config = _FROZEN

    text: str
    confidence: float
    polygon: list[float]
    words: list[WordRecord]


class PageError(BaseModel):
    """Why a page could not be read: a stable code, and a message that holds nothing of the document's text."""

    model_config = _FROZEN

    code: str
    message: str


class QualityRecord(BaseModel):
    """``score`` is 0..1; ``measures`` are the others of :class:`handlers.document.reading.PageQuality`, by name."""

    model_config = _FROZEN

    score: float
    measures: dict[str, float | None]


class WarningRecord(BaseModel):
    """A :class:`handlers.document.warnings.PageWarning` as it is stored."""

    model_config = _FROZEN

    code: WarningCode
    value: float | str | None = None


class PageRecord(BaseModel):
    """A page as it is stored. The same page read by the same engine gives the same bytes.

    ``page`` counts from 1. ``width`` and ``height`` are in ``unit``, of the page as it is looked at. ``angle`` is how
    far its content is turned clockwise, in degrees in (-180, 180]. ``error`` is there where ``status`` is ``failed``,
    and there alone; such a page has no lines. ``engine`` and ``models`` name what gave the text, with versions; they
    are empty for a page that failed. ``lines`` are in reading order. ``quality`` is that of a page's pixels.
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
    engine: str
    models: list[str]
    lines: list[LineRecord]
    quality: QualityRecord | None = None
    warnings: list[WarningRecord] = []

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @property
    def characters(self) -> int:
        return sum(len(line.text) for line in self.lines)

    @property
    def mean_confidence(self) -> float | None:
        """The lines' confidence, each weighted by its characters; ``None`` without text."""
        weighed = sum(line.confidence * len(line.text) for line in self.lines)
        return round(weighed / self.characters, 4) if self.characters else None


def page_record(number: int, reading: PageReading, page: PagePixels) -> PageRecord:
    """The record of a page that was read from its pixels."""
    warnings = (*page.warnings, *_of_script(reading))
    return PageRecord(
        page=number,
        width=_rounded(page.width, page.unit),
        height=_rounded(page.height, page.unit),
        unit=page.unit,
        angle=round(reading.text.angle, 2),
        status=_status(warnings),
        origin="ocr",
        engine=reading.text.engine,
        models=list(reading.text.models),
        lines=[_line_record(line, page.scale, page.unit) for line in _worth_keeping(reading.text)],
        quality=_quality_record(reading.quality),
        warnings=[WarningRecord(code=WarningCode(warning.code), value=_value(warning)) for warning in warnings],
    )


def layer_record(number: int, layer: TextLayer, reader: str) -> PageRecord:
    """The record of a page that brought its text along; ``reader`` names, with its version, what took it out."""
    return PageRecord(
        page=number,
        width=_rounded(layer.width, layer.unit),
        height=_rounded(layer.height, layer.unit),
        unit=layer.unit,
        angle=0.0,
        status="read",
        origin="text_layer",
        engine=reader,
        models=[],
        lines=[_line_record(line, 1.0, layer.unit) for line in layer.lines],
        warnings=[WarningRecord(code=WarningCode(warning.code), value=_value(warning)) for warning in layer.warnings],
    )


def failed_record(size: PageSize, code: str, message: str) -> PageRecord:
    """The record of a page that could not be read, of the size that its document says it has."""
    return PageRecord(
        page=size.number,
        width=_rounded(size.width, size.unit),
        height=_rounded(size.height, size.unit),
        unit=size.unit,
        angle=0.0,
        status="failed",
        error=PageError(code=code, message=message),
        origin="ocr",
        engine="",
        models=[],
        lines=[],
        warnings=[WarningRecord(code=WarningCode.PAGE_FAILED, value=code)],
    )


def lines_of(record: PageRecord) -> tuple[Line, ...]:
    """A stored page's lines as an engine's, with their words, in the page's unit."""
    return tuple(
        Line(
            line.text,
            line.confidence,
            quad(line.polygon),
            tuple(Word(word.text, quad(word.polygon), word.confidence) for word in line.words),
        )
        for line in record.lines
    )


def quad(numbers: list[float]) -> Quad:
    x1, y1, x2, y2, x3, y3, x4, y4 = numbers
    return ((x1, y1), (x2, y2), (x3, y3), (x4, y4))


def _worth_keeping(text: PageText) -> Iterator[Line]:
    """Of a page in a script that nothing reads what is in another, such as numbers, and not what looks like it."""
    return (line for line in text.lines if text.unread_script is None or line.confidence >= DOUBTFUL_BELOW)


def _of_script(reading: PageReading) -> Iterator[PageWarning]:
    """The warnings of a reading; a page in a script that nothing reads is not one without text."""
    script = reading.text.unread_script
    if script is not None:
        yield PageWarning(WarningCode.SCRIPT_NOT_SUPPORTED, script)
    yield from (one for one in reading.warnings if script is None or one.code != WarningCode.NO_TEXT)


def _status(warnings: tuple[PageWarning, ...]) -> PageStatus:
    codes = {warning.code for warning in warnings}
    if codes & {WarningCode.UNREADABLE, WarningCode.SCRIPT_NOT_SUPPORTED}:
        return "unreadable"
    return "no_text" if WarningCode.NO_TEXT in codes else "read"


def _quality_record(quality: PageQuality) -> QualityRecord:
    measures = {name: None if value is None else round(value, 4) for name, value in asdict(quality).items()}
    del measures["score"]
    return QualityRecord(score=round(quality.score, 4), measures=measures)


def _value(warning: PageWarning) -> float | str | None:
    return round(warning.value, 4) if isinstance(warning.value, float) else warning.value


def _line_record(line: Line, scale: float, unit: Unit) -> LineRecord:
    return LineRecord(
        text=line.text,
        confidence=round(line.confidence, 4),
        polygon=_flat(line.polygon, scale, unit),
        words=[_word_record(word, scale, unit) for word in line.words or ()],
    )


def _word_record(word: Word, scale: float, unit: Unit) -> WordRecord:
    return WordRecord(
        text=word.text,
        polygon=_flat(word.polygon, scale, unit),
        confidence=None if word.confidence is None else round(word.confidence, 4),
    )


def _flat(polygon: Quad, scale: float, unit: Unit) -> list[float]:
    return [_rounded(value * scale, unit) for point in polygon for value in point]


def _rounded(value: float, unit: Unit) -> float:
    """To a tenth of a pixel, or to a ten-thousandth of an inch, which is finer than any scan's pixels."""
    return round(value, 1 if unit == "pixel" else 4)
