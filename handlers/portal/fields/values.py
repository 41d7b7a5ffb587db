"""What the words beside a label come to by the rule of their field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from handlers.portal.fields.blocks import runs_on
from handlers.portal.fields.dates import dates_in
from handlers.portal.fields.slips import as_digits, as_letters, folded, likeness, spelt
from handlers.portal.fields.tokens import Token
from handlers.portal.fields.uid import LENGTH, is_uid
from handlers.portal.schema import FieldRule

LONGEST_TEXT = 200
LONGEST_BLOCK = 500
LONGEST_MATCHED = 64
"""Characters that a schema's pattern is tried on, so that none takes long."""

MENDED = 0.9
"""Of the confidence of what is only right once slips of OCR are mended."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value, not yet masked, of these ``tokens``. ``certainty`` is 1.0 where it is spelt as it should be."""

    value: str
    tokens: tuple[Token, ...]
    certainty: float = 1.0


class Joined:
    """The text of some words, and which of them a piece of it is of."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tuple(tokens)
        self.text = " ".join(token.text for token in tokens)
        self._ends = list(accumulate(len(token.text) + 1 for token in tokens))

    def tokens(self, start: int, end: int) -> tuple[Token, ...]:
        starts = [0, *self._ends]
        return tuple(
            token for n, token in enumerate(self._tokens) if starts[n] < end and starts[n] + len(token.text) > start
        )


def readings(rule: FieldRule, tokens: Sequence[Token]) -> tuple[Reading, ...]:
    """What ``tokens`` may be as the field's value: none where they break its rule, several where it is not clear."""
    found: dict[str, Reading] = {}
    for reading in _READERS[rule.kind](rule, tokens):
        best = found.get(reading.value)
        if best is None or reading.certainty > best.certainty:
            found[reading.value] = reading
    return tuple(found.values())


def uid_spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where ``text`` has twelve digits in one or in groups of four, and the digits."""
    for match in _UID.finditer(text):
        yield match.start(), match.end(), as_digits(re.sub(r"[\s-]", "", match.group()))


_D = r"[0-9OoQDIl|SsBZz]"
_WORDS_OF_DATE, _SLIPS_IN_DATE = re.compile(r"[A-Za-z]{3,}|st|nd|rd|th|of"), re.compile(r"[^0-9\s.,'/-]")
_PARTS = re.compile(r"[^\W_]+")
_MASKED_UID = re.compile(r"(?<!\w)(?:[Xx]{4}([\s-]?)){2}([0-9]{4})(?!\w)(?![\s-][0-9])")
_UID = re.compile(
    rf"(?<![0-9])(?<![0-9][\s-]){_D}{{4}}([\s-]?){_D}{{4}}\1{_D}{{4}}(?![0-9])(?![\s-][0-9]{{4}}(?![0-9]))"
)


def _text(rule: FieldRule, tokens: Sequence[Token]) -> Iterator[Reading]:
    """Up to a word with a colon, which is a label that nobody knows; in a block a part of it may have one."""
    ends = (n for n, token in enumerate(tokens) if n and token.text.endswith(":") and not runs_on(rule))
    end = next(ends, len(tokens))
    text = " ".join(token.text for token in tokens[:end])
    if any(character.isalpha() for character in text) and len(text) <= (
        LONGEST_BLOCK if runs_on(rule) else LONGEST_TEXT
    ):
        yield Reading(cased(text, rule.case), tuple(tokens[:end]), 1.0 if end == len(tokens) else MENDED)


def _date(rule: FieldRule, tokens: Sequence[Token]) -> Iterator[Reading]:
    joined = Joined(tokens)
    for found in dates_in(joined.text):
        clean = not _SLIPS_IN_DATE.search(_WORDS_OF_DATE.sub("", joined.text[found.start : found.end]))
        printed = joined.tokens(found.start, found.end)
        yield Reading(found.value.strftime("%d/%m/%Y"), printed, 1.0 if clean else MENDED)


def _choice(rule: FieldRule, tokens: Sequence[Token]) -> Iterator[Reading]:
    """The whole of it, which may be shortened; else those choices that stand in it, word by word, as in OBC-NCL."""
    text = "".join(token.text for token in tokens)
    whole = _chosen(rule.choices, text) or _shortened(rule.choices, folded(text))
    if whole is not None:
        yield Reading(whole[0], tuple(tokens), whole[1])
        return
    for start in range(len(tokens)):
        for end in range(start + 1, min(len(tokens), start + 3) + 1):
            found = _chosen(rule.choices, "".join(token.text for token in tokens[start:end]))
            if found is not None:
                yield Reading(found[0], tuple(tokens[start:end]), found[1])
        for part in _PARTS.findall(tokens[start].text):
            exact = next((choice for choice in rule.choices if folded(choice) == folded(part)), None)
            if exact is not None:
                yield Reading(exact, (tokens[start],))


def _shortened(choices: Sequence[str], text: str) -> tuple[str, float] | None:
    """The one choice that begins so: by three letters, or by one where that tells all choices apart, as M and F do."""
    initials = {folded(choice)[:1] for choice in choices}
    if len(text) < 3 and not (len(text) == 1 and len(initials) == len(choices)):
        return None
    found = [choice for choice in choices if folded(choice).startswith(text)]
    return (found[0], MENDED) if len(found) == 1 else None


def _chosen(choices: Sequence[str], text: str) -> tuple[str, float] | None:
    """The choice that is as ``text``; none where two are as near."""
    read = spelt(text)
    near = sorted(((likeness(read, spelt(choice)), choice) for choice in choices), reverse=True)
    if not near or near[0][0] == 0.0 or (len(near) > 1 and near[1][0] == near[0][0]):
        return None
    return near[0][1], near[0][0]


def _pattern(rule: FieldRule, tokens: Sequence[Token]) -> Iterator[Reading]:
    """One word, or some that print parted: the longest that fits at each place."""
    assert rule.pattern is not None
    fits = re.compile(rule.pattern)
    start = 0
    while start < len(tokens):
        found = next(_matches(fits, tokens, start), None)
        if found is not None:
            yield found
        start += 1 if found is None else len(found.tokens)


def _matches(fits: re.Pattern[str], tokens: Sequence[Token], start: int) -> Iterator[Reading]:
    for end in range(min(len(tokens), start + 6), start, -1):
        text = re.sub(r"[\s./-]", "", "".join(token.text for token in tokens[start:end]))
        for certainty, written in _spellings(text) if len(text) <= LONGEST_MATCHED else ():
            if fits.fullmatch(written):
                yield Reading(written, tuple(tokens[start:end]), certainty)


def _spellings(text: str) -> Iterator[tuple[float, str]]:
    """As it was read, and with letters before digits as they would be without slips."""
    yield 1.0, text
    yield 1.0, text.upper()
    for letters in range(5):
        yield MENDED, as_letters(text[:letters]).upper() + as_digits(text[letters:])
    yield MENDED, as_letters(text).upper()


def _uid(rule: FieldRule, tokens: Sequence[Token]) -> Iterator[Reading]:
    joined = Joined(tokens)
    for start, end, digits in uid_spans(joined.text):
        if is_uid(digits):
            clean = sum(character.isdigit() for character in joined.text[start:end]) == LENGTH
            yield Reading(digits, joined.tokens(start, end), 1.0 if clean else MENDED)
    if rule.mask is not None and set(_hidden(rule.mask)) == {"X"}:
        for found in _MASKED_UID.finditer(joined.text):
            hidden = "X" * (LENGTH - len(found[2])) + found[2]
            yield Reading(hidden, joined.tokens(found.start(), found.end()), MENDED)


def _hidden(mask: str) -> str:
    """The places of ``mask`` that are hidden where a number is printed masked: all but the last four."""
    return "".join(character for character in mask if character in "Xd")[: LENGTH - 4]


def is_same(hidden: str, value: str) -> bool:
    """Whether ``hidden``, a number as it is printed masked, may be ``value``."""
    return "X" in hidden and hidden.lstrip("X") == value[hidden.count("X") :]


def cased(text: str, case: str | None) -> str:
    match case:
        case "upper":
            return text.upper()
        case "title":
            return " ".join(word[:1].upper() + word[1:].lower() for word in text.split())
        case _:
            return text


def masked(value: str, mask: str | None) -> str:
    """``value`` with the ``d`` of ``mask`` shown, each ``X`` hidden, and what else is in it between.

    A value that is not as long is hidden whole.
    """
    if mask is None:
        return value
    places = sum(character in "Xd" for character in mask)
    if places != len(value):
        return "X" * len(value)
    characters = iter(value)
    shown = [(next(characters), character) if character in "Xd" else (character, "") for character in mask]
    return "".join("X" if how == "X" else character for character, how in shown)


def is_likely(rule: FieldRule, text: str) -> bool:
    """Whether ``text`` says anything at all: a ruled line or dots where a value is to be written do not, and no words
    are a number, such as those that cards have behind the name of theirs."""
    return bool(folded(text)) and (rule.kind != "uid" or any(character.isdigit() for character in text))


_READERS: Mapping[str, Callable[[FieldRule, Sequence[Token]], Iterator[Reading]]] = {
    "text": _text,
    "date": _date,
    "choice": _choice,
    "pattern": _pattern,
    "uid": _uid,
}
