"""What the job ``ocr_document`` and its tasks are asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from handlers.document.engine import Quality
from handlers.document.source import Source

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

PAGES_PER_TASK = 20
"""Pages that a task reads unless a job says otherwise.

A task costs its claim, its commit and one reading of the document, together some tenths of a second: under 2 % of 20
pages of a second each. A document of 300 pages is 15 tasks, enough for several workers to share it and to end it close
together. A task that stops repeats a page and not a task, so nothing asks for fewer.
"""

MAX_PAGES_PER_TASK = 1_000


class OcrDocumentParameters(BaseModel):
    """What ``ocr_document`` takes. ``preview`` asks for pictures of what was read where; ``pages_per_task`` is how many
    pages one task reads.
    """

    model_config = _CLOSED

    source: Source
    quality: Quality = Quality.ACCURATE
    preview: bool = True
    pages_per_task: int = Field(default=PAGES_PER_TASK, ge=1, le=MAX_PAGES_PER_TASK)


class InspectParameters(BaseModel):
    model_config = _CLOSED

    source: Source


class RecognisePagesParameters(BaseModel):
    """``pages`` are numbers that count from 1, each there once."""

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


class AssembleParameters(BaseModel):
    """``pages`` are the numbers of the pages that were read; ``preview`` asks for pictures."""

    model_config = _CLOSED

    source: Source
    pages: list[int] = Field(min_length=1)
    preview: bool = True
