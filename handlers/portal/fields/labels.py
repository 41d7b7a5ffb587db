"""Where the labels of fields stand, and the words beside and below them that may be their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from handlers.portal.fields.blocks import is_part_of_block, lines_below
from handlers.portal.fields.slips import Spelling, folded, likeness, spelt
from handlers.portal.fields.tokens import Box, Cell, Sheet, Token, around

STRANGERS = (
    "address",
    "application no",
    "bank name",
    "blood group",
    "category",
    "centre name",
    "date of issue",
    "date of expiry",
    "email",
    "email address",
    "email id",
    "exam name",
    "father name",
    "fathers name",
    "father's name",
    "gender",
    "guardian name",
    "guardian's name",
    "husband's name",
    "mobile no",
    "mobile number",
    "mother name",
    "mother's name",
    "nationality",
    "phone",
    "pin code",
    "place of issue",
    "registration no",
    "roll no",
    "roll number",
    "school name",
    "sex",
    "signature",
    "spouse name",
)
"""Labels that forms have beside those of a schema: what follows one is another field's, and it ends a value."""

QUALIFIERS = frozenset(
    {
        *(
            "father",
            "fathers",
            "mother",
            "mothers",
            "guardian",
            "guardians",
            "husband",
            "husbands",
            "spouse",
            "spouses",
        ),
        *("school", "exam", "examination", "bank", "centre", "center", "college", "university", "institute"),
        *("first", "last", "middle", "issue", "expiry"),
    }
)
"""With one of these before it a label is another one."""

CONTINUES = frozenset({"of", "in", "the", "and", "for"})
"""With one of these behind it a label goes on, as in "name of examination"."""

_SEPARATORS = ":-\u2013\u2014=.,*_|;"
_LAST_SEPARATORS = ",;|_*-\u2013\u2014=:"

BELOW = 2.0
"""Heights of the label within which what stands below it belongs to it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A label on a sheet: the tokens ``start`` to ``end`` of ``cell``; ``rule`` is ``None`` for a stranger's."""

    rule: int | None
    cell: int
    start: int
    end: int
    likeness: float
    length: int


class _Label(NamedTuple):
    rule: int | None
    spelling: Spelling
    words: int


class LabelledSheet:
    """A sheet with its labels. ``labels`` are each rule's, by its number."""

    def __init__(self, sheet: Sheet, labels: Mapping[int, Sequence[str]]) -> None:
        self.sheet = sheet
        known = {folded(label) for of_rule in labels.values() for label in of_rule}
        self._labels = [_Label(n, spelt(label), _words(label)) for n, of_rule in labels.items() for label in of_rule]
        self._labels += [_Label(None, spelt(label), _words(label)) for label in STRANGERS if folded(label) not in known]
        self._longest = max(label.words for label in self._labels) + 1
        self._hits = [self._accepted(number) for number in range(len(sheet.cells))]

    def hits(self, rule: int) -> Iterator[Hit]:
        return (hit for of_cell in self._hits for hit in of_cell if hit.rule == rule)

    def candidates(self, hit: Hit) -> Iterator[tuple[Token, ...]]:
        """Words that may be the value, the likeliest first, never none: behind the label; else to its right, below."""
        inline = self._inline(hit)
        if inline:
            yield inline
            return
        for cell in (self._right_of(hit), self._below(hit)):
            tokens = () if cell is None else _trimmed(cell.tokens)
            if tokens:
                yield tokens

    def continued(self, hit: Hit, first: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
        """The lines that go on with ``first``, one of :meth:`candidates`, where the value of ``hit`` is a block."""
        cells = self.sheet.cells
        row = next(cell.row for cell in cells[hit.cell :] if _has(cell, first[0]))
        rows = [
            [(cell, self._is_other(number)) for number, cell in cells_of_row]
            for _, cells_of_row in groupby(
                ((n, cell) for n, cell in enumerate(cells) if cell.row > row), key=lambda one: one[1].row
            )
        ]
        left = cells[hit.cell].tokens[hit.start].box.left
        return (cell.tokens for cell in lines_below(first, left, rows))

    def _is_other(self, number: int) -> bool:
        """Whether a label begins the cell that is no part of an address, as a postal code's is."""
        first = next(iter(self._hits[number]), None)
        tokens = self.sheet.cells[number].tokens
        return first is not None and not is_part_of_block("".join(token.text for token in tokens[: first.end]))

    def _accepted(self, number: int) -> list[Hit]:
        """The labels of a cell from left to right; where some overlap the one of which most is as it is spelt."""
        taken: list[Hit] = []
        for hit in sorted(self._raw(number), key=lambda one: (-one.length * one.likeness, one.start, one.end)):
            if all(hit.end <= other.start or other.end <= hit.start for other in taken):
                taken.append(hit)
        accepted: list[Hit] = []
        for hit in sorted(taken, key=lambda one: one.start):
            if self._begins(hit, bool(accepted)) and not self._goes_on(hit):
                accepted.append(hit)
        return list(self._joined(accepted))

    def _joined(self, hits: Sequence[Hit]) -> Iterator[Hit]:
        """A label that is printed in two languages, one behind the other, is one."""
        whole: Hit | None = None
        for hit in hits:
            if whole is not None and whole.rule == hit.rule is not None and not self._is_text(whole, hit):
                whole = replace(whole, end=hit.end, likeness=max(whole.likeness, hit.likeness))
                continue
            if whole is not None:
                yield whole
            whole = hit
        if whole is not None:
            yield whole

    def _is_text(self, before: Hit, after: Hit) -> bool:
        between = self.sheet.cells[before.cell].tokens[before.end : after.start]
        return any(folded(token.text) for token in between)

    def _raw(self, number: int) -> Iterator[Hit]:
        """A label may be printed in a word more than it has, and in any number less; a sign alone is none of them."""
        tokens = self.sheet.cells[number].tokens
        is_word = [bool(folded(token.text)) for token in tokens]
        for start in (n for n in range(len(tokens)) if is_word[n]):
            for end in range(start + 1, min(len(tokens), start + self._longest) + 1):
                if not is_word[end - 1]:
                    continue
                read = spelt("".join(token.text for token in tokens[start:end]))
                for label in self._labels:
                    like = likeness(read, label.spelling) if end - start <= label.words + 1 else 0.0
                    if like:
                        yield Hit(label.rule, number, start, end, like, len(label.spelling.folded))

    def _begins(self, hit: Hit, after_another: bool) -> bool:
        """At the cell's beginning; or behind the value of another label, exactly as it is spelt."""
        before = self.sheet.cells[hit.cell].tokens[: hit.start]
        if all(len(folded(token.text)) <= 2 and not token.text.isalpha() for token in before):
            return True
        return after_another and hit.likeness == 1.0 and folded(before[-1].text) not in QUALIFIERS

    def _goes_on(self, hit: Hit) -> bool:
        tokens = self.sheet.cells[hit.cell].tokens
        return hit.end < len(tokens) and tokens[hit.end].text.casefold() in CONTINUES

    def _inline(self, hit: Hit) -> tuple[Token, ...]:
        tokens = self.sheet.cells[hit.cell].tokens
        following = next((other.start for other in self._hits[hit.cell] if other.start >= hit.end), len(tokens))
        return _trimmed(tokens[hit.end : following])

    def _right_of(self, hit: Hit) -> Cell | None:
        """The next cell of the row, unless a label begins it, or one stands between."""
        if self._hits[hit.cell][-1] != hit:
            return None
        cells = self.sheet.cells
        number = hit.cell + 1
        if number < len(cells) and cells[number].row == cells[hit.cell].row and not self._hits[number]:
            return cells[number]
        return None

    def _below(self, hit: Hit) -> Cell | None:
        cells = self.sheet.cells
        label = around(token.box for token in cells[hit.cell].tokens[hit.start : hit.end])
        under = (n for n in range(hit.cell + 1, len(cells)) if cells[n].row > cells[hit.cell].row)
        number = next((n for n in under if _is_under(cells[n].box, label)), None)
        if number is None or self._hits[number]:
            return None
        return cells[number]


def _has(cell: Cell, token: Token) -> bool:
    return any(one.box == token.box for one in cell.tokens)


def _is_under(box: Box, label: Box) -> bool:
    overlaps = min(box.right, label.right) - max(box.left, label.left) > 0
    return overlaps and -0.5 * label.height < box.top - label.bottom <= BELOW * label.height


def _words(label: str) -> int:
    return max(1, len(label.split()))


def _trimmed(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Without separators at its ends, and without what explains the label, as (DD/MM/YYYY)."""
    left = list(tokens)
    while left:
        text = left[0].text.lstrip(_SEPARATORS)
        if text.startswith("("):
            closing = next((n for n, token in enumerate(left) if ")" in token.text), None)
            if closing is None:
                break
            rest = left[closing].text.partition(")")[2]
            left = [*([replace(left[closing], text=rest)] if rest else []), *left[closing + 1 :]]
        elif not text:
            left.pop(0)
        else:
            left[0] = replace(left[0], text=text)
            break
    while left:
        text = left[-1].text.rstrip(_LAST_SEPARATORS)
        if text:
            left[-1] = replace(left[-1], text=text)
            break
        left.pop()
    return tuple(left)
