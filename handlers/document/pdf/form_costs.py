"""What the forms of a PDF's pages would cost: PDFium reads one anew each time that it is drawn.

Ten forms, each of which draws the next ten times, are a file of 3 KB and ten thousand million forms.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pikepdf

BYTES_A_FORM = 1_024
"""Drawing a form takes PDFium some 10 microseconds besides its bytes, in which it reads about as many of these."""

MAX_DEPTH = 64
"""PDFium goes less deep, but so deep it goes into a form that draws itself."""

_ENDLESS = 1 << 62

_DRAWN = re.compile(rb"/([^\s/<>\[\](){}%]+)\s+Do\b")


class FormCosts:
    """What pages with all that they draw, as often as they draw it, have in bytes; a form inside itself has too many.

    Of a document whose streams are within the limits each. Its methods raise what pikepdf does.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], int] = {}

    def of_page(self, page: pikepdf.Page) -> int:
        contents = b"\n".join(part.read_bytes() for part in _parts(page.obj.get("/Contents")))
        return len(contents) + self._drawn(contents, page.resources, 0)

    def _drawn(self, contents: bytes, resources: pikepdf.Object | None, depth: int) -> int:
        named = resources.get("/XObject") if resources is not None else None
        if named is None:
            return 0
        names = Counter(_DRAWN.findall(contents))
        return sum(count * self._form(named.get("/" + name.decode("latin-1")), depth) for name, count in names.items())

    def _form(self, form: pikepdf.Object | None, depth: int) -> int:
        import pikepdf  # noqa: PLC0415 - the function app has none

        if not isinstance(form, pikepdf.Stream) or form.get("/Subtype") != pikepdf.Name.Form:
            return 0
        if depth > MAX_DEPTH:
            return _ENDLESS
        if form.objgen not in self._known:
            self._known[form.objgen] = _ENDLESS
            contents = form.read_bytes()
            inside = self._drawn(contents, form.get("/Resources"), depth + 1)
            self._known[form.objgen] = BYTES_A_FORM + len(contents) + inside
        return self._known[form.objgen]


def _parts(contents: pikepdf.Object | None) -> list[pikepdf.Stream]:
    import pikepdf  # noqa: PLC0415 - the function app has none

    parts = list(contents) if isinstance(contents, pikepdf.Array) else [contents]
    return [part for part in parts if isinstance(part, pikepdf.Stream)]
