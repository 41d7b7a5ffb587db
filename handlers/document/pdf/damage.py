"""What a damaged PDF has lost of each page. PDFium draws what there is, and says nothing of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from handlers.document.errors import DecodeFailed
from handlers.document.pdf.qpdf import open_copy, translated
from handlers.document.pdf.stream_costs import Look
from handlers.document.pdf.stream_places import PdfBytes

if TYPE_CHECKING:
    import pikepdf

CONTENTS, PICTURES = "contents", "pictures"

_CONTENTS = re.compile(rb"/Contents\s*(\[[^\]]*\]|\d+\s+\d+\s+R)")


_RESOURCES = re.compile(rb"/Resources\s+(\d+)\s+\d+\s+R")
_DRAWN = re.compile(rb"/XObject\s*(<<[^<>]*>>)")


class _Needed(NamedTuple):
    """The numbers of the streams that a page is made of."""

    contents: frozenset[int]
    pictures: frozenset[int]


class Damage:
    """Of a document of ``count`` pages in which ``look`` was taken. For one thread at a time."""

    def __init__(self, data: bytes, password: str | None, look: Look, count: int) -> None:
        self._data = data
        self._password = password
        self._look = look
        self._count = count

    def of_page(self, number: int) -> tuple[str, ...]:
        """Which of :data:`CONTENTS` and :data:`PICTURES` are missing, or end before their time."""
        if number > len(self._needed):
            return ()
        needed = self._needed[number - 1]
        lost = ((CONTENTS, self._is_lost(needed.contents)), (PICTURES, self._is_lost(needed.pictures)))
        return tuple(name for name, is_lost in lost if is_lost)

    def _is_lost(self, numbers: frozenset[int]) -> bool:
        return bool(numbers & self._look.cut) or bool(numbers - self._look.numbers)

    @cached_property
    def _needed(self) -> list[_Needed]:
        """Of each page; none where qpdf finds other pages than PDFium."""
        with suppress(DecodeFailed), translated(), open_copy(self._data, self._password) as pdf:
            if len(pdf.pages) == self._count:
                return [self._needed_by(page) for page in pdf.pages]
        return []

    def _needed_by(self, page: pikepdf.Page) -> _Needed:
        """A reference to what is not there is none for qpdf, so the page's own bytes are asked as well."""
        text = self._text(page.obj.objgen[0])
        if found := _RESOURCES.search(text):
            text += self._text(int(found[1]))
        contents, drawn = _CONTENTS.search(text), _DRAWN.search(text)
        return _Needed(
            frozenset(
                [*_numbers(page.obj.get("/Contents")), *(self._bytes.references(contents[1]) if contents else ())]
            ),
            frozenset([*_pictures(page), *(self._bytes.references(drawn[1]) if drawn else ())]),
        )

    def _text(self, number: int) -> bytes:
        """The object's bytes; empty where it is inside a stream."""
        found = re.search(rb"(?<!\d)%d\s+\d+\s+obj\b(.{0,4096}?)\bendobj" % number, self._data, re.DOTALL)
        return found[1] if found else b""

    @cached_property
    def _bytes(self) -> PdfBytes:
        return PdfBytes(self._data)


def _numbers(value: pikepdf.Object | None) -> Iterator[int]:
    import pikepdf  # noqa: PLC0415 - the function app has none

    if isinstance(value, pikepdf.Array):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, pikepdf.Stream):
        yield value.objgen[0]


def _pictures(page: pikepdf.Page) -> Iterator[int]:
    drawn = page.resources.get("/XObject")
    for _, value in drawn.items() if drawn is not None else ():
        yield from _numbers(value)
