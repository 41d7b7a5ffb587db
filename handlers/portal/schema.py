"""What a portal wants of an image: a schema's definition, and its versions.

Every number that a portal could refuse an image for has to be given. What is refused here could be met by no image, or
would be understood in two ways.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from handlers.portal.safe_pattern import MAX_PATTERN, check_pattern

_CLOSED = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

KB = 1_024
MAX_SIDE = 10_000
MAX_DPI = 2_400
MAX_KB = 100 * 1_024
MAX_FIELDS = 40
MAX_SCHEMA_NAME = 100
MAX_VERSION = 2**31 - 1
UID_DIGITS = 12

LEAST_JPEG = 128
"""Bytes below which no JPEG has its markers: one table of 64, one frame, one code, one scan (ITU T.81, annex B)."""

BLOCKS_A_BYTE = 8
"""A block of 8x8 pixels has at least one code for its mean, of at least one bit (ITU T.81, annex F)."""

PLACES = ("job_id", "user_id", "original", "timestamp")
"""What a filename pattern may name in braces."""

_CONTROLS = ("Cc", "Cs")

_FILENAME = re.compile(rf"(?:[^{{}}/\\\x00-\x1f\x7f]|\{{(?:{'|'.join(PLACES)})\}})+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._()&+-]*(?: [A-Za-z0-9._()&+-]+)*")


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
    """``uid`` is an Aadhaar number: twelve digits, the last a Verhoeff check digit."""

    TEXT = "text"
    DATE = "date"
    CHOICE = "choice"
    PATTERN = "pattern"
    UID = "uid"


class FaceRule(BaseModel):
    """How high the head has to be, as a share of the picture's height in percent."""

    model_config = _CLOSED

    min_percent: float = Field(gt=0, le=100, allow_inf_nan=False)
    max_percent: float = Field(gt=0, le=100, allow_inf_nan=False)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_percent > self.max_percent:
            raise ValueError("min_percent is more than max_percent")
        return self


def _tells(text: str) -> str:
    if not any(character.isalnum() for character in text):
        raise ValueError("without a letter or a digit")
    if any(unicodedata.category(character) in _CONTROLS for character in text):
        raise ValueError("with a control character")
    return text


def _twice(texts: Sequence[str]) -> bool:
    return len({text.casefold() for text in texts}) < len(texts)


Printed = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_tells)]


class FieldRule(BaseModel):
    """A field that is looked for in the text: ``labels`` are how forms name it. ``pattern`` is the whole value's, of
    the kind ``pattern``; ``choices`` are of the kind ``choice``; ``mask`` shows a ``d`` and hides an ``X`` each.
    """

    model_config = _CLOSED

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    kind: FieldKind
    labels: tuple[Printed, ...] = Field(min_length=1, max_length=20)
    required: bool = True
    case: Literal["upper", "title"] | None = None
    pattern: Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(check_pattern)] | None = None
    choices: tuple[Printed, ...] = Field(default=(), max_length=60)
    mask: str | None = Field(default=None, pattern=r"^[Xd-]{1,40}$")

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.pattern is not None) != (self.kind is FieldKind.PATTERN):
            raise ValueError("a pattern is there for the kind pattern, and for no other")
        if bool(self.choices) != (self.kind is FieldKind.CHOICE):
            raise ValueError("choices are there for the kind choice, and for no other")
        if self.case is not None and self.kind is not FieldKind.TEXT:
            raise ValueError("case is of the kind text alone")
        if self.mask is not None and self.kind in {FieldKind.DATE, FieldKind.CHOICE}:
            raise ValueError(
                "a mask is of the kinds uid, pattern and text: what a date or a choice says has many forms"
            )
        return self

    @model_validator(mode="after")
    def _clear(self) -> Self:
        if _twice(self.labels) or _twice(self.choices):
            raise ValueError("a label or a choice is there twice")
        places = sum(character in "Xd" for character in self.mask or "")
        if self.mask is not None and places == 0:
            raise ValueError("a mask has an X or a d")
        if self.mask is not None and self.kind is FieldKind.UID and places != UID_DIGITS:
            raise ValueError(f"the mask of a uid has {UID_DIGITS} of X and d")
        return self


def _filename(pattern: str) -> str:
    if not _FILENAME.fullmatch(pattern):
        raise ValueError(f"a filename pattern names {', '.join(PLACES)} in braces, and nothing else")
    return pattern


def check_schema_name(name: str) -> str:
    """``name``, as in "NEET 2026": words of ``A-Z a-z 0-9 . _ ( ) & + -`` with one space between, up to 100 characters.

    Raises :class:`ValueError`.
    """
    if len(name) > MAX_SCHEMA_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"a schema's name is words of A-Z a-z 0-9 . _ ( ) & + - with one space between, "
            f"{MAX_SCHEMA_NAME} characters at most"
        )
    return name


SchemaName = Annotated[str, Field(min_length=1, max_length=MAX_SCHEMA_NAME), AfterValidator(check_schema_name)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Kilobytes = Annotated[float, Field(gt=0, le=MAX_KB, allow_inf_nan=False)]


class SchemaDefinition(BaseModel):
    """Pixels, dots an inch, KB of 1,024 bytes. ``quality`` is the upper bound of the encoder's. Without ``formats`` a
    portal takes the output format alone.
    """

    model_config = _CLOSED

    target_width: int = Field(ge=1, le=MAX_SIDE)
    target_height: int = Field(ge=1, le=MAX_SIDE)
    target_dpi: int = Field(ge=1, le=MAX_DPI)
    min_kb: Kilobytes
    max_kb: Kilobytes
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
    def _size_can_be_met(self) -> Self:
        if self.min_kb > self.max_kb:
            raise ValueError("min_kb is more than max_kb")
        if math.ceil(self.min_kb * KB) > math.floor(self.max_kb * KB):
            raise ValueError("there is no whole number of bytes from min_kb to max_kb")
        if self.max_kb * KB < self._least_bytes():
            raise ValueError("max_kb is less than any image of these pixels has")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.formats and self.output_format not in self.formats:
            raise ValueError("output_format is none of formats")
        if len(set(self.formats)) < len(self.formats):
            raise ValueError("a format is there twice")
        if self.fit is Fit.FACE and self.face is None:
            raise ValueError("fit face needs face, the rule that it places the head by")
        if self.replace_background and self.background is Background.ANY:
            raise ValueError("replace_background needs a background to replace it by")
        if len({field.name for field in self.fields}) < len(self.fields):
            raise ValueError("two fields have the same name")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of :func:`canonical_json`, in hex: the same for the same rules, however they were written."""
        return hashlib.sha256(canonical_json(self).encode()).hexdigest()

    def _least_bytes(self) -> float:
        """A PNG's pixels may come to next to nothing."""
        blocks = math.ceil(self.target_width / 8) * math.ceil(self.target_height / 8)
        return LEAST_JPEG + blocks / BLOCKS_A_BYTE if self.output_format is ImageFormat.JPEG else 0.0


def canonical_json(definition: SchemaDefinition) -> str:
    """Sorted keys, no spaces, defaults written out: equal definitions give equal texts."""
    values = definition.model_dump(mode="json")
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class SchemaStatus(StrEnum):
    ACTIVE = "active"
    DEPRECATED = "deprecated"


class PortalSchema(BaseModel):
    """A version, which never changes once it is there but for its status."""

    model_config = _CLOSED

    id: UUID
    name: SchemaName
    version: Version
    status: SchemaStatus
    schema_definition: SchemaDefinition
