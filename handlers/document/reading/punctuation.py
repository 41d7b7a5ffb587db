"""Spaces that print has before punctuation and writing does not.

Old print sets a thin space before a semicolon, an exclamation or question mark, often before a colon or comma, and
parts the dots of an ellipsis; a recogniser reads some of them as blanks. English, Spanish and most other languages
write none there. French does, so that a page in French keeps them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from handlers.document.engine import Line, Word

_ANYWHERE = (
    re.compile(r"(?<=[^\W\d_]) (?=[,.](?:\s+(?![,.\s])|\s*$))"),
    re.compile(r"(?<=[^\W\d_]) (?=['\u2019](?:d|ll|m|re|s|ve)\b)"),
    re.compile(r"(?<=n) (?=['\u2019]t\b)"),
)
"""Before a comma or full stop, and in English contractions."""

_NOT_IN_FRENCH = (
    re.compile(r"(?<=[^\W\d_]) (?=[;!?]+[\"'”\u2019)]*(?:\s|$))"),
    re.compile(r"(?<=[^\W\d_A-Z]) (?=: [^\W\d_A-Z])"),
)
"""A colon between words in lower case: one between a label and its value is often set apart on purpose."""

_ELLIPSIS = re.compile(r"(?<!\.)(?<!\. )\.(?: ?\.){2}(?! ?\.)")
"""Three dots and no more: more of them lead to a page number."""

_FRENCH = frozenset(
    ("au", "aux", "avec", "dans", "des", "du", "elle", "est", "et", "les", "pour", "qui", "sur", "une", "vous")
)
_FRENCH_SHARE = 0.04
"""Of a page's words. Two hundred words of French manual pages have 0.12 in the mean; of German, Italian, Portuguese and
Spanish texts 99 in 100 have less than this."""


def closed_up(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of a page without these spaces; the words that one parted are one word."""
    patterns = _ANYWHERE if _is_french(lines) else (*_ANYWHERE, *_NOT_IN_FRENCH)
    return tuple(_closed_line(line, patterns) for line in lines)


def _is_french(lines: Sequence[Line]) -> bool:
    words = [word for line in lines for word in re.findall(r"[^\W\d_]+", line.text.lower())]
    return sum(word in _FRENCH for word in words) > _FRENCH_SHARE * len(words)


def _closed_line(line: Line, patterns: Sequence[re.Pattern[str]]) -> Line:
    spaces = set(_spaces(line.text, patterns))
    if not spaces:
        return line
    text = "".join(letter for place, letter in enumerate(line.text) if place not in spaces)
    return replace(line, text=text, words=None if line.words is None else _joined(line.words, line.text, spaces))


def _spaces(text: str, patterns: Sequence[re.Pattern[str]]) -> Iterator[int]:
    for pattern in patterns:
        yield from (found.start() for found in pattern.finditer(text))
    for found in _ELLIPSIS.finditer(text):
        yield from (found.start() + place for place, letter in enumerate(found[0]) if letter == " ")


def _joined(words: Sequence[Word], text: str, spaces: set[int]) -> tuple[Word, ...]:
    joined: list[Word] = []
    place = 0
    for word in words:
        start = text.find(word.text, place)
        joined.append(_one(joined.pop(), word) if joined and start - 1 in spaces else word)
        place = place if start < 0 else start + len(word.text)
    return tuple(joined)


def _one(word: Word, other: Word) -> Word:
    """From where the one begins to where the other ends; as sure as the geometric mean of their characters."""
    (top_left, _, _, bottom_left), (_, top_right, bottom_right, _) = word.polygon, other.polygon
    polygon = (top_left, top_right, bottom_right, bottom_left)
    return Word(word.text + other.text, polygon, _both(word, other))


def _both(word: Word, other: Word) -> float | None:
    if word.confidence is None or other.confidence is None:
        return None
    one, two = len(word.text), len(other.text)
    logarithms = one * math.log(max(word.confidence, 1e-6)) + two * math.log(max(other.confidence, 1e-6))
    return math.exp(logarithms / (one + two))
