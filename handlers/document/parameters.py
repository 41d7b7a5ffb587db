"""What the job ``ocr_document`` and its tasks are asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from handlers.document.engine import Quality
from handlers.document.password import Password
from handlers.document.selection import MAX_LENGTH, PATTERN, check_selection
from handlers.document.source import Source

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

PAGES_PER_TASK = 20
"""Pages that a task reads unless a job says otherwise.

A task costs its claim, its commit and one reading of the document, together some tenths of a second: under 2 % of 20
pages of a second each. A document of 300 pages is 15 tasks, enough for several workers to share it and to end it close
together. A task that stops repeats a page and not a task, so nothing asks for fewer.
"""

MAX_PAGES_PER_TASK = 1_000
MAX_LANGUAGES = 8


class OutputKind(StrEnum):
    """What a job can make of what was read."""

    TEXT = "text"
    ANALYZE_RESULT = "analyze_result"
    HOCR = "hocr"
    ALTO = "alto"
    MARKDOWN = "markdown"
    SEARCHABLE_PDF = "searchable_pdf"


class OnPageError(StrEnum):
    """What becomes of a document one of whose pages cannot be read."""

    CONTINUE = "continue"
    FAIL = "fail"


DEFAULT_OUTPUTS = (OutputKind.TEXT, OutputKind.ANALYZE_RESULT)


def _each_once(values: tuple[object, ...]) -> tuple[object, ...]:
    if len(set(values)) != len(values):
        raise ValueError("something is there twice")
    return values


Languages = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...],
    Field(
        max_length=MAX_LANGUAGES,
        description="What the document is written in, as BCP 47 primary subtags in lower case (en, de, zh, hi); none "
        "leaves it to the engine",
    ),
    AfterValidator(_each_once),
]
Outputs = Annotated[
    tuple[OutputKind, ...],
    Field(min_length=1, description="The files to make of what was read"),
    AfterValidator(_each_once),
]
PageSelection = Annotated[
    str, Field(max_length=MAX_LENGTH, json_schema_extra={"pattern": PATTERN}), AfterValidator(check_selection)
]
Pdfa = Annotated[bool, Field(description="Make the searchable PDF a PDF/A-2b")]
PageErrors = Annotated[
    OnPageError,
    Field(
        description="continue: a page that cannot be read is marked so, and the job fails where no page can; "
        "fail: the job fails with the first such page"
    ),
]
PagesPerTask = Annotated[int, Field(ge=1, le=MAX_PAGES_PER_TASK, description="How many pages one task reads")]
Preview = Annotated[bool, Field(description="Whether to draw pictures of what was read where, and a thumbnail")]


class OcrDocumentParameters(BaseModel):
    """What ``ocr_document`` takes."""

    model_config = _CLOSED

    source: Source
    quality: Quality = Quality.ACCURATE
    languages: Languages = ()
    password: Password | None = Field(default=None, repr=False, description="Of an encrypted PDF")
    pages: PageSelection | None = Field(default=None, description="As in 1-3,7,12-; none is all of them")
    outputs: Outputs = DEFAULT_OUTPUTS
    pdfa: Pdfa = False
    preview: Preview = True
    on_page_error: PageErrors = OnPageError.CONTINUE
    pages_per_task: PagesPerTask = PAGES_PER_TASK

    @model_validator(mode="after")
    def _pdfa_of_something(self) -> Self:
        if self.pdfa and OutputKind.SEARCHABLE_PDF not in self.outputs:
            raise ValueError("pdfa is for the output searchable_pdf, which is not asked for")
        return self


class InspectParameters(BaseModel):
    """``pages`` chooses some of the document's. What cannot be made of it for ``outputs`` is said before it is read."""

    model_config = _CLOSED

    source: Source
    password: Password | None = Field(default=None, repr=False, description="Of an encrypted PDF")
    pages: PageSelection | None = Field(default=None, description="As in 1-3,7,12-; none is all of them")
    outputs: Outputs = DEFAULT_OUTPUTS


class RecognisePagesParameters(BaseModel):
    """``pages`` are numbers that count from 1, each there once."""

    model_config = _CLOSED

    source: Source
    pages: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default=[1], min_length=1, max_length=MAX_PAGES_PER_TASK
    )
    quality: Quality = Quality.ACCURATE
    languages: Languages = ()
    password: Password | None = Field(default=None, repr=False, description="Of an encrypted PDF")
    on_page_error: PageErrors = OnPageError.CONTINUE

    @field_validator("pages")
    @classmethod
    def _each_once(cls, pages: list[int]) -> list[int]:
        if len(set(pages)) != len(pages):
            raise ValueError("a page is there twice")
        return pages


class AssembleParameters(BaseModel):
    """``pages`` are the numbers of the pages that were read."""

    model_config = _CLOSED

    source: Source
    pages: list[int] = Field(min_length=1)
    password: Password | None = Field(default=None, repr=False, description="Of an encrypted PDF")
    outputs: Outputs = DEFAULT_OUTPUTS
    pdfa: Pdfa = False
    preview: Preview = True
