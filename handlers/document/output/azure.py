"""Azure AI Document Intelligence's ``analyzeResult``, API version 2024-11-30, as far as it is filled here.

The names are the API's (REST reference, ``AnalyzeResult``). What it does not know, and is ours, is in one object,
:class:`CoreMachine`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from handlers.document.files import Unit
from handlers.document.records import Origin, PageError, PageStatus, QualityRecord, WarningRecord

API_VERSION: Literal["2024-11-30"] = "2024-11-30"

STRING_INDEX_TYPE: Literal["unicodeCodePoint"] = "unicodeCodePoint"
"""What offsets and lengths count: code points, which are the characters of a Python string. The API calls them so, and
knows graphemes (``textElements``) and UTF-16 code units besides."""

Role: TypeAlias = Literal["pageHeader", "pageFooter", "pageNumber", "title", "sectionHeading"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")

    def json_bytes(self) -> bytes:
        """The object as it is written: the API's names, and what is not known left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Span(_Model):
    """A part of the content; ``offset`` counts from 0."""

    offset: int
    length: int


class Word(_Model):
    """``polygon`` is x1, y1, ... x4, y4 in the page's unit, clockwise from the text's upper left."""

    content: str
    polygon: list[float]
    confidence: float
    span: Span


class Line(_Model):
    content: str
    polygon: list[float]
    spans: list[Span]


class Page(_Model):
    """``angle`` is the content's, clockwise, in degrees in (-180, 180]."""

    page_number: int
    angle: float
    width: float
    height: float
    unit: Unit
    words: list[Word]
    lines: list[Line]
    spans: list[Span]


class BoundingRegion(_Model):
    page_number: int
    polygon: list[float]


class Paragraph(_Model):
    role: Role | None = None
    content: str
    bounding_regions: list[BoundingRegion]
    spans: list[Span]


class Cell(_Model):
    """``elements`` point to the paragraphs of the cell: ``/paragraphs/7``."""

    row_index: int
    column_index: int
    column_span: int | None = None
    content: str
    bounding_regions: list[BoundingRegion]
    spans: list[Span]
    elements: list[str]


class Table(_Model):
    row_count: int
    column_count: int
    cells: list[Cell]
    bounding_regions: list[BoundingRegion]
    spans: list[Span]


class PageReport(_Model):
    """What came of a page, and what read it. ``origin`` says where its text is from."""

    page_number: int
    status: PageStatus
    error: PageError | None = None
    origin: Origin
    engine: str
    models: list[str]
    quality: QualityRecord | None = None
    warnings: list[WarningRecord]


class CoreMachine(_Model):
    """What ``analyzeResult`` has no place for."""

    pages: list[PageReport]


class AnalyzeResult(_Model):
    """The whole result. It is written page by page and never made as one object; this is for who reads it."""

    api_version: Literal["2024-11-30"]
    model_id: str
    string_index_type: Literal["unicodeCodePoint"]
    content_format: Literal["text"]
    pages: list[Page]
    content: str
    paragraphs: list[Paragraph]
    tables: list[Table]
    core_machine: CoreMachine
