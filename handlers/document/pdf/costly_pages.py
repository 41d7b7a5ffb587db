"""Which pages of a PDF would cost too much, so that the others are read.

PDFium is given a copy in which the streams that cost too much are blank: whatever it takes a page to be made of, it
does not come upon them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from handlers.document.errors import DecodeFailed, DecodeTooCostly
from handlers.document.limits import DocumentLimits
from handlers.document.pdf.form_costs import FormCosts
from handlers.document.pdf.qpdf import open_copy, translated
from handlers.document.pdf.stream_costs import CostlyStream, Look

if TYPE_CHECKING:
    import pikepdf

_DRAWN = re.compile(rb"(/Subtype\s*/)(?:Image|Form)\b")


def blanked(data: bytes, streams: Sequence[CostlyStream]) -> bytes:
    """The document with these streams blank, and those that say that they are pictures or forms neither: what a
    picture costs is in what it says of its size."""
    if not streams:
        return data
    copy = bytearray(data)
    for place, _ in streams:
        end = min(place.start + place.length, len(copy))
        copy[place.start : end] = b" " * (end - place.start)
        copy[place.begin : place.start] = _DRAWN.sub(_unnamed, bytes(copy[place.begin : place.start]))
    return bytes(copy)


def _unnamed(found: re.Match[bytes]) -> bytes:
    return found[1] + b"X" * (len(found[0]) - len(found[1]))


def costly_pages(
    data: bytes, password: str | None, look: Look, limits: DocumentLimits, count: int
) -> Mapping[int, DecodeTooCostly]:
    """Pages by number, from 1, of a document in which ``look`` was taken and PDFium finds ``count`` pages.

    Raises :class:`DecodeTooCostly` where something is too costly and qpdf cannot say of which page it is, and
    :class:`core.errors.DependencyMissing`.
    """
    if not look.costly and not look.forms_draw:
        return {}
    found: dict[int, DecodeTooCostly] | None = None
    with suppress(DecodeFailed), translated(), open_copy(data, password) as pdf:
        found = dict(_found(pdf, look, limits))
        if found and len(pdf.pages) != count:
            raise next(iter(found.values()))
    if found is None and look.costly:
        raise look.costly[0].error
    return found or {}


def _found(pdf: pikepdf.Pdf, look: Look, limits: DocumentLimits) -> Iterator[tuple[int, DecodeTooCostly]]:
    made = _made_of(pdf, look.costly)
    forms = FormCosts()
    for number, page in enumerate(pdf.pages, 1):
        used = [page.obj.objgen[0], *(_uses(page.resources) if made else ())]
        error = next((made[one] for one in used if one in made), None)
        if error is None and look.forms_draw and forms.of_page(page) > limits.max_stream_bytes:
            error = DecodeTooCostly("a page draws too many forms inside each other", limit=limits.max_stream_bytes)
        if error is not None:
            yield number, error


def _made_of(pdf: pikepdf.Pdf, streams: Sequence[CostlyStream]) -> Mapping[int, DecodeTooCostly]:
    """The objects, by number, that lead to one of the streams, without those that lead there by way of a page: what
    links to it, and its kin."""
    if not streams:
        return {}
    users: defaultdict[int, list[int]] = defaultdict(list)
    for value in pdf.objects:
        for used in _uses(value):
            users[used].append(value.objgen[0])
    for page in pdf.pages:
        users.pop(page.obj.objgen[0], None)
    made: dict[int, DecodeTooCostly] = {}
    waiting = [(place.number, error) for place, error in streams]
    while waiting:
        number, error = waiting.pop()
        if number not in made:
            made[number] = error
            waiting += [(user, error) for user in users.get(number, ())]
    return made


def _uses(value: pikepdf.Object) -> Iterator[int]:
    """The numbers of the objects that an object refers to, itself and not by way of them."""
    import pikepdf  # noqa: PLC0415 - the function app has none

    waiting = [value]
    while waiting:
        one = waiting.pop()
        parts: list[object] = []
        if isinstance(one, pikepdf.Array):
            parts = list(one)
        elif isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
            parts = [part for _, part in one.items()]
        for part in parts:
            if isinstance(part, pikepdf.Object):
                if part.is_indirect:
                    yield part.objgen[0]
                else:
                    waiting.append(part)
