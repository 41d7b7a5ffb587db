"""The text of a document, and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from handlers.document.output.page import clean
from handlers.document.records import PageRecord

PAGE_BREAK = "\n\f"
TEXT_TYPE = "text/plain; charset=utf-8"


def page_text(record: PageRecord) -> str:
    """A page's lines as :func:`handlers.document.output.page.clean` leaves them, one under the other."""
    return "\n".join(text for line in record.lines if (text := clean(line.text)))


def write_text(pages: Iterable[PageRecord], out: BinaryIO) -> None:
    """UTF-8: a line of print a line, each page after the first introduced by a form feed.

    A document without any text gives nothing.
    """
    breaks, any_text = 0, False
    for record in pages:
        text = page_text(record)
        if text:
            out.write((PAGE_BREAK * breaks + text).encode())
            breaks, any_text = 0, True
        breaks += 1
    if any_text:
        out.write((PAGE_BREAK * (breaks - 1)).encode())
