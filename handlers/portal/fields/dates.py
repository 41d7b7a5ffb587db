"""Dates as they are printed, and no others: what no calendar has is no date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from handlers.portal.fields.slips import as_digits, distance

FIRST_YEAR, LAST_YEAR = 1900, 2100

_N = r"[0-9OoQDIil|ZzSsBb]"
_NUMERIC = re.compile(
    rf"(?<![\w/])({_N}{{1,2}})\s?([/.\-]|\s)\s?({_N}{{1,2}})\s?(?:\2)\s?({_N}{{4}})(?![\w/])"
    rf"|(?<![\w/])({_N}{{4}})\s?([/.\-])\s?({_N}{{1,2}})\s?(?:\6)\s?({_N}{{1,2}})(?![\w/])"
)
_DAY = rf"({_N}{{1,2}})(?:\s?(?:st|nd|rd|th))?"
_NAMED = re.compile(
    rf"(?<!\w){_DAY}[\s.,/-]{{0,3}}(?:of\s)?([A-Za-z0-9]{{3,9}})[\s.,'/-]{{1,3}}({_N}{{4}})(?!\w)"
    rf"|(?<!\w)([A-Za-z0-9]{{3,9}})[\s.]{{1,2}}{_DAY}[\s.,]{{1,3}}({_N}{{4}})(?!\w)",
    re.IGNORECASE,
)

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


class PrintedDate(NamedTuple):
    """``start`` and ``end`` are where it stands in the text."""

    value: date
    start: int
    end: int


def dates_in(text: str) -> Iterator[PrintedDate]:
    """Day before month, as it is printed where these forms are: 12/03/2001, 12-3-2001, 12.03.2001, 12 03 2001,
    2001-03-12, 12 March 2001, 12th Mar, 2001, March 12, 2001; with the slips of OCR.
    """
    for match in _NUMERIC.finditer(text):
        day, _, month, year, iso_year, _, iso_month, iso_day = match.groups()
        found = _date(year or iso_year, month or iso_month, day or iso_day)
        if found is not None:
            yield PrintedDate(found, match.start(), match.end())
    for match in _NAMED.finditer(text):
        day, named, year, first_named, second_day, last_year = match.groups()
        month = _month(named or first_named)
        found = None if month is None else _date(year or last_year, str(month), day or second_day)
        if found is not None:
            yield PrintedDate(found, match.start(), match.end())


def _date(year: str, month: str, day: str) -> date | None:
    numbers = [as_digits(part) for part in (year, month, day)]
    if not all(part.isascii() and part.isdigit() for part in numbers):
        return None
    try:
        found = date(*map(int, numbers))
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


def _month(name: str) -> int | None:
    """Its number by its name or its first letters, with one slip in a name of five letters or more."""
    text = name.casefold().translate(str.maketrans("015", "ols"))
    exact = [n for n, month in enumerate(MONTHS, 1) if text == month or text == month[:3] or text == month[:4]]
    near = [n for n, month in enumerate(MONTHS, 1) if len(month) >= 5 and distance(text, month, 1) <= 1]
    found = exact or near
    return found[0] if len(found) == 1 else None
