"""What became of a field."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

FieldStatus: TypeAlias = Literal["found", "missing", "ambiguous", "invalid"]
"""``missing``: nothing on any page looks like it. ``ambiguous``: several values that differ, each of which may be it.
``invalid``: what stands there breaks the field's rule."""


class FieldResult(BaseModel):
    """``value`` is there where ``status`` is ``found``, masked where the schema says so. ``confidence`` is 0..1.
    ``page`` and ``polygon``, x1, y1, ... x4, y4 in the page's unit, clockwise from the text's upper left, say where the
    value stands, or what is invalid or the first of what is ambiguous; a field that is missing has neither. ``lines``
    are such polygons, one around what stands of it in each line: an address has several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: FieldStatus
    required: bool
    value: str | None = None
    confidence: float | None = None
    page: int | None = None
    polygon: list[float] | None = None
    lines: list[list[float]] = []
