"""Text without what a schema masks. Rather too much is hidden than too little."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from handlers.portal.fields.slips import as_digits
from handlers.portal.fields.uid import LENGTH, is_uid
from handlers.portal.fields.values import masked
from handlers.portal.schema import FieldKind, FieldRule

FARTHEST = 3
"""Characters between two groups of a number."""

LEAST_DIGITS = 8
"""Of a number's twelve: the others may be letters that OCR took them for."""

_TOKEN = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d+")
_BETWEEN = rf"[\W_]{{0,{FARTHEST}}}"


class Secret(NamedTuple):
    """A value of a field that is masked, as it was read."""

    value: str
    mask: str


class _Group(NamedTuple):
    start: int
    end: int
    digits: str


def uid_mask(rules: Iterable[FieldRule]) -> str | None:
    return next((rule.mask for rule in rules if rule.kind is FieldKind.UID and rule.mask is not None), None)


def redacted(rules: Sequence[FieldRule], text: str, secrets: Iterable[Secret] = ()) -> str:
    """``text`` with each of ``secrets`` masked wherever it stands; each number that may be a UID, too."""
    mask = uid_mask(rules)
    if mask is not None:
        text = without_uids(text, mask)
    for value, its_mask in secrets:
        spelt = _BETWEEN.join(character for character in value if character.isalnum())
        hidden = masked(value, its_mask).replace("\\", r"\\")
        text = re.sub(rf"(?<![^\W_]){spelt}(?![^\W_])", hidden, text, flags=re.IGNORECASE)
    return text


def without_uids(text: str, mask: str) -> str:
    """Masked is what has a UID's twelve digits with their check digit, however it is grouped and wherever it stands;
    and what is printed as one, in three groups of four or in one of twelve, though its digits do not check."""
    spans = [span for run in _runs(text) for span in _spans(run, text)]
    for start, end, digits in reversed(spans):
        text = text[:start] + masked(digits, mask) + text[end:]
    return text


def _runs(text: str) -> Iterator[list[_Group]]:
    """Groups of digits with nothing but a few signs, blanks or a line's end between them."""
    run: list[_Group] = []
    for group in _groups(text):
        between = text[run[-1].end : group.start] if run else ""
        if run and (len(between) > FARTHEST or any(character.isalnum() for character in between)):
            yield run
            run = []
        run.append(group)
    yield run


def _groups(text: str) -> Iterator[_Group]:
    for token in _TOKEN.finditer(text):
        plain = _plain(token.group())
        known = sum(character.isdigit() for character in token.group())
        if plain.isdigit() and 2 * known >= len(plain):
            yield _Group(token.start(), token.end(), plain)
            continue
        for part in _DIGITS.finditer(token.group()):
            yield _Group(token.start() + part.start(), token.start() + part.end(), _plain(part.group()))


def _plain(text: str) -> str:
    """Digits of any script as ours, and letters that are read where a digit is printed as digits."""
    return as_digits("".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in text))


def _spans(run: Sequence[_Group], text: str) -> list[_Group]:
    """What is hidden of a run, in order, none reaching into another: first what checks."""
    sure = [span for first in range(len(run)) for span in _checked(run, first, text)]
    likely = [span for first in range(len(run)) for span in _grouped(run, first, text)]
    chosen: list[_Group] = []
    for span in (*sure, *likely):
        if all(span.end <= other.start or other.end <= span.start for other in chosen):
            chosen.append(span)
    return sorted(chosen)


def _checked(run: Sequence[_Group], first: int, text: str) -> Iterator[_Group]:
    """Also inside of a longer group: another digit may be glued to it."""
    group = run[first]
    for at in range(len(group.digits) - LENGTH, -1, -1):
        if is_uid(group.digits[at : at + LENGTH]):
            yield _Group(group.start + at, group.start + at + LENGTH, group.digits[at : at + LENGTH])
    whole = _twelve(run, first, text)
    if whole is not None and is_uid(whole[0].digits):
        yield whole[0]


def _grouped(run: Sequence[_Group], first: int, text: str) -> Iterator[_Group]:
    """Printed as one is. Four groups of four in a line are another number."""
    whole = _twelve(run, first, text)
    if whole is None:
        return
    span, end = whole
    sizes = [len(group.digits) for group in run[first:end]]
    beside = [(run[first - 1], run[first])] if first else []
    beside += [(run[end - 1], run[end])] if end < len(run) else []
    longer = any(
        len(one.digits) == len(other.digits) and "\n" not in text[one.end : other.start] for one, other in beside
    )
    if sizes == [LENGTH] or (sizes == [4, 4, 4] and not longer):
        yield span


def _twelve(run: Sequence[_Group], first: int, text: str) -> tuple[_Group, int] | None:
    """The groups from ``first`` on that have as many digits together, and where they end in the run."""
    digits, end = "", first
    while end < len(run) and len(digits) < LENGTH:
        digits += run[end].digits
        end += 1
    span = _Group(run[first].start, run[end - 1].end, digits)
    known = sum(character.isdigit() for character in text[span.start : span.end])
    return (span, end) if len(digits) == LENGTH and known >= LEAST_DIGITS else None
