"""The UserUnit of a PDF's pages, which PDFium does not look at (ISO 32000-1, table 30)."""

from __future__ import annotations

import math

from handlers.document.errors import DecodeFailed
from handlers.document.pdf.qpdf import open_copy, translated

MAX_USER_UNIT = 1_000.0
"""A page of 200 inches, the most without a UserUnit, is then five kilometres long."""


def user_units(data: bytes, password: str | None, count: int) -> tuple[float, ...]:
    """Of each of ``count`` pages: 1.0 where the page has none, or one that makes no sense, or qpdf cannot read it."""
    if b"/UserUnit" not in data and b"/ObjStm" not in data:
        return (1.0,) * count
    try:
        with translated():
            found = _read(data, password)
    except DecodeFailed:
        return (1.0,) * count
    return tuple((found + [1.0] * count)[:count])


def _read(data: bytes, password: str | None) -> list[float]:
    with open_copy(data, password) as pdf:
        return [_sensible(page.obj.get("/UserUnit", 1)) for page in pdf.pages]


def _sensible(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        return 1.0
    return number if math.isfinite(number) and 0 < number <= MAX_USER_UNIT else 1.0
