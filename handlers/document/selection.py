"""Which pages of a document are wanted, as people write it: ``1-3,7,12-``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from handlers.document.errors import PageNotFound

MAX_LENGTH = 1_000

_RANGE = r"[1-9][0-9]{0,5}(?:-(?:[1-9][0-9]{0,5})?)?"
PATTERN = rf"^{_RANGE}(?:,{_RANGE})*$"
"""Numbers and ranges that count from 1, separated by commas; a range without an end goes to the last page."""


def check_selection(text: str) -> str:
    """Raises :class:`ValueError` for what is not written so, or has a range that ends before it begins."""
    if len(text) > MAX_LENGTH or re.fullmatch(PATTERN, text) is None:
        raise ValueError("pages are written as 1-3,7,12-: numbers from 1 and ranges, separated by commas")
    if any(last is not None and last < first for first, last in _ranges(text)):
        raise ValueError("a range of pages ends before it begins")
    return text


def selected_pages(text: str | None, count: int) -> list[int]:
    """The numbers, ascending and each once, of a document that has ``count`` pages; all where ``text`` is ``None``.

    Raises :class:`PageNotFound` for a page that the document does not have.
    """
    if text is None:
        return list(range(1, count + 1))
    chosen: set[int] = set()
    for first, last in _ranges(text):
        wanted = max(first, last or 0)
        if wanted > count:
            raise PageNotFound(f"the document has no page {wanted}: it has {count}", page=wanted, pages=count)
        chosen.update(range(first, (last or count) + 1))
    return sorted(chosen)


def _ranges(text: str) -> Iterator[tuple[int, int | None]]:
    """First and last; ``None`` for an open end."""
    for part in text.split(","):
        first, dash, last = part.partition("-")
        yield int(first), int(last) if last else None if dash else int(first)
