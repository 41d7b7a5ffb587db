"""What OCR takes for one another, and how far two texts are apart when that is forgiven."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

_DIGITS = str.maketrans("OoQDIil|!ZzSsBGbg", "00001111122558669")
"""Letters that are read where a digit is printed."""

_LETTERS = str.maketrans("015826", "OISBZG")
"""Digits that are read where a letter is printed."""

_SHAPES = str.maketrans("0158|!", "oisbll")


def as_digits(text: str) -> str:
    return text.translate(_DIGITS)


def as_letters(text: str) -> str:
    return text.translate(_LETTERS)


def folded(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def shape(text: str) -> str:
    """:func:`folded`, with look-alikes made one."""
    return folded(text).translate(_SHAPES).replace("i", "l").replace("rn", "m").replace("vv", "w")


def slips_allowed(length: int) -> int:
    """Of a word of so many characters: short words differ from one another by a character."""
    return 0 if length < 5 else 1 if length < 9 else 2


def distance(one: str, other: str, most: int) -> int:
    """Characters to be put in, left out or replaced (Levenshtein); ``most + 1`` for more than ``most``."""
    if one == other:
        return 0
    if most == 0:
        return 1
    if abs(len(one) - len(other)) > most:
        return most + 1
    row = list(range(len(other) + 1))
    for n, character in enumerate(one, 1):
        last, row[0] = row[0], n
        for m, wanted in enumerate(other, 1):
            last, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, last + (character != wanted))
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


class Spelling(NamedTuple):
    """A text as it is compared."""

    folded: str
    shape: str


def spelt(text: str) -> Spelling:
    return Spelling(folded(text), shape(text))


def likeness(read: Spelling, wanted: Spelling) -> float:
    """1.0 for the same, less for what :func:`slips_allowed` forgives, 0.0 for anything else."""
    if read.folded == wanted.folded:
        return 1.0
    most = slips_allowed(len(wanted.shape))
    apart = distance(read.shape, wanted.shape, most)
    return 0.0 if not wanted.shape or apart > most else 1.0 - (apart + 0.5) / (len(wanted.shape) + 1)
