"""What a portal wants of an image: a schema's definition, and its versions."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

_CLOSED = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

MAX_SIDE = 10_000
MAX_DPI = 2_400
MAX_KB = 100 * 1_024
MAX_FIELDS = 40
MAX_PATTERN = 120

PLACES = ("job_id", "user_id", "original", "timestamp")
"""What a filename pattern may name in braces."""


class ImageFormat(StrEnum):
    JPEG = "jpeg"
    PNG = "png"


class Fit(StrEnum):
    """``cover`` fills the target and cuts what is over, ``contain`` shows all of the picture on the background,
    ``face`` places the head by the schema's rule."""

    COVER = "cover"
    CONTAIN = "contain"
    FACE = "face"


class Background(StrEnum):
    WHITE = "white"
    ANY = "any"


class FieldKind(StrEnum):
    TEXT = "text"
    DATE = "date"
    CHOICE = "choice"
    PATTERN = "pattern"
    UID = "uid"


class FaceRule(BaseModel):
    """How high the head has to be, as a share of the picture's height in percent."""

    model_config = _CLOSED

    min_percent: float = Field(gt=0, le=100)
    max_percent: float = Field(gt=0, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_percent > self.max_percent:
            raise ValueError("min_percent is more than max_percent")
        return self


Label = Annotated[str, Field(min_length=1, max_length=60)]


class FieldRule(BaseModel):
    """A field that is looked for in the text: ``labels`` are how forms name it. ``pattern`` is the whole value's, of the
    kind ``pattern``; ``choices`` are of the kind ``choice``; ``mask`` shows a ``d`` and hides an ``X`` each."""

    model_config = _CLOSED

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    kind: FieldKind
    labels: tuple[Label, ...] = Field(min_length=1, max_length=20)
    required: bool = True
    case: Literal["upper", "title"] | None = None
    pattern: str | None = Field(default=None, min_length=1, max_length=MAX_PATTERN)
    choices: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(default=(), max_length=60)
    mask: str | None = Field(default=None, pattern=r"^[Xd-]{1,40}$")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None and not SIMPLE_PATTERN.fullmatch(pattern):
            raise ValueError("a pattern is of characters and classes, each with a count as {2} or {1,20} at most")
        return pattern

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.pattern is not None) != (self.kind is FieldKind.PATTERN):
            raise ValueError("a pattern is there for the kind pattern, and for no other")
        if bool(self.choices) != (self.kind is FieldKind.CHOICE):
            raise ValueError("choices are there for the kind choice, and for no other")
        return self


SIMPLE_PATTERN = re.compile(r"(?:(?:\[[A-Za-z0-9-]{1,30}\]|[A-Za-z0-9/ -])(?:\{\d{1,2}(?:,\d{1,2})?\})?)+")
"""Nothing nests or repeats without a bound, so that no text takes long to be held against it."""


def _filename(pattern: str) -> str:
    if set(re.findall(r"\{([^{}]*)\}", pattern)) - set(PLACES) or re.sub(r"\{[^{}]*\}", "", pattern).count("{"):
        raise ValueError(f"a filename pattern names {', '.join(PLACES)} in braces, and nothing else")
    return pattern


class SchemaDefinition(BaseModel):
    """Pixels, dots an inch, KB of 1,024 bytes. ``quality`` is the upper bound of the encoder's."""

    model_config = _CLOSED

    target_width: int = Field(ge=1, le=MAX_SIDE)
    target_height: int = Field(ge=1, le=MAX_SIDE)
    target_dpi: int = Field(ge=1, le=MAX_DPI)
    min_kb: float = Field(gt=0, le=MAX_KB)
    max_kb: float = Field(gt=0, le=MAX_KB)
    output_format: ImageFormat
    filename_pattern: Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_filename)]
    formats: tuple[ImageFormat, ...] = Field(default=(), max_length=2)
    quality: int = Field(default=95, ge=1, le=100)
    fit: Fit = Fit.COVER
    background: Background = Background.ANY
    replace_background: bool = False
    face: FaceRule | None = None
    fields: tuple[FieldRule, ...] = Field(default=(), max_length=MAX_FIELDS)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.min_kb > self.max_kb:
            raise ValueError("min_kb is more than max_kb")
        if self.formats and self.output_format not in self.formats:
            raise ValueError("output_format is none of formats")
        if len({field.name for field in self.fields}) != len(self.fields):
            raise ValueError("two fields have the same name")
        return self


class PortalSchema(BaseModel):
    """A version, which never changes once it is there but for its status."""

    model_config = _CLOSED

    id: UUID
    name: str = Field(min_length=1, max_length=100)
    version: int = Field(ge=1)
    status: Literal["active", "deprecated"]
    schema_definition: SchemaDefinition
