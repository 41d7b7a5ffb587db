"""Values that run over several lines, as addresses do: which lines of a column go on with the one above."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from handlers.portal.fields.slips import folded
from handlers.portal.fields.tokens import Box, Cell, Token, around
from handlers.portal.schema import FieldKind, FieldRule

MOST_LINES = 8

WITHIN = 1.2
"""Of a line's height: more room above it than this is a blank, behind which another thing begins. Print is set with up
to twice its height from line to line."""

INDENT = 2.0
"""Heights of a line by which the next may begin farther to the right, or farther to the left than its column."""

PIN = re.compile(r"(?<!\d)[1-9]\d{2}\s?\d{3}\W*$")
"""India's postal code, six digits, the first not 0 (India Post, 1972): the end of an address."""

_BLOCK_LABELS = frozenset({"address", "\u092a\u0924\u093e"})
_NO_PLACE = frozenset({"email", "mail", "web", "ip", "url"})

_STARTS = re.compile(r"^\s*[^\W\d][^:]{0,30}:")
"""A label that nobody knows, or a part of an address that has one."""

_PARTS = frozenset(
    {
        *("so", "do", "wo", "co", "ho", "care of", "house", "house no", "h no", "hno", "flat", "flat no", "plot no"),
        *("door no", "ward", "ward no", "street", "road", "lane", "landmark", "near", "locality", "area", "sector"),
        *("village", "vill", "vpo", "vtc", "town", "city", "post", "po", "ps", "post office", "police station"),
        *(
            "tehsil",
            "taluk",
            "taluka",
            "tal",
            "mandal",
            "block",
            "sub district",
            "district",
            "dist",
            "state",
            "country",
        ),
        *("pin", "pin code", "pincode", "zip", "building", "floor", "colony", "nagar"),
    }
)
"""What stands before a colon within an address."""

_KNOWN_PARTS = frozenset(folded(part) for part in _PARTS)

_NOT_OF_IT = re.compile(r"@|www\.|https?:|(?<!\d)\d{4}[\s-]?\d{4}[\s-]?\d{4}(?!\d)", re.IGNORECASE)
"""Mail, a site, or twelve digits or more, which cards have under an address."""


def runs_on(rule: FieldRule) -> bool:
    """Whether the rule's value may have several lines: a text whose label is an address in a place."""
    words = [{folded(word) for word in label.split()} for label in rule.labels]
    blocks = {folded(label) for label in _BLOCK_LABELS}
    return rule.kind is FieldKind.TEXT and any(label & blocks and not label & _NO_PLACE for label in words)


def is_part_of_block(text: str) -> bool:
    """Whether ``text``, what stands before a colon or a label that ends there, is of an address."""
    return folded(text) in _KNOWN_PARTS


def lines_below(first: Sequence[Token], left: float, rows: Sequence[Sequence[tuple[Cell, bool]]]) -> Iterator[Cell]:
    """Those of ``rows``, from the one under ``first`` on, each cell with whether a label of another field begins it,
    that go on with the value that begins with ``first``. Its label begins at ``left``.
    """
    if PIN.search(_text(first)):
        return
    above, column = around(token.box for token in first), first[0].box.left
    for row in rows[: MOST_LINES - 1]:
        here = [(cell, labelled) for cell, labelled in row if _is_in(cell.box, left, column, above)]
        if not here or here[0][1] or not _goes_on(here[0][0], above):
            return
        cell = here[0][0]
        yield cell
        if PIN.search(cell.text):
            return
        above = cell.box


def _is_in(box: Box, left: float, column: float, above: Box) -> bool:
    slack = INDENT * above.height
    return left - slack <= box.left <= column + slack


def _goes_on(cell: Cell, above: Box) -> bool:
    if cell.box.top - above.bottom > WITHIN * above.height or not folded(cell.text):
        return False
    labelled = _STARTS.match(cell.text)
    is_other = labelled is not None and not is_part_of_block(labelled.group().rstrip(":"))
    return not (is_other or _NOT_OF_IT.search(cell.text))


def _text(tokens: Sequence[Token]) -> str:
    return " ".join(token.text for token in tokens)
