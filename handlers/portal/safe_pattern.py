"""Patterns that a schema may hold: those which no text takes long to be held against.

A pattern is a row of letters, digits and classes of them, each with a count or without: ``[A-Z][0-9]{7}``. Nothing
nests and nothing repeats without a bound, which leaves as the work of a refusal, at worst, every way in which the
counts that are ranges can be shared out: that product is bounded, too.
"""

from __future__ import annotations

import re

MAX_PATTERN = 120
MAX_VALUE = 64
"""Characters that a value has at most."""

MAX_WAYS = 2_000
"""In which the counts of a pattern can be shared out: a refusal takes under a millisecond."""

_CLASS = r"\[(?:[A-Za-z0-9](?:-[A-Za-z0-9])?)+\]"
_PIECE = re.compile(rf"(?:{_CLASS}|[A-Za-z0-9])(?:\{{(\d{{1,2}})(?:,(\d{{1,2}}))?\}})?")

SUBSET = "letters, digits and classes of them as [A-Z0-9], each with a count as {7} or {6,20} or without"


def check_pattern(pattern: str) -> str:
    """``pattern``, which is held against values without their spaces and signs.

    Raises :class:`ValueError` for what is outside the subset, does not compile, fits no value or may take too long.
    """
    counts = _counts(pattern)
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern does not compile: {error.msg}") from error
    ways = 1
    for least, most in counts:
        ways *= most - least + 1
    if ways > MAX_WAYS:
        raise ValueError("the pattern has too many ranges: some text would take too long to be held against it")
    if sum(least for least, _ in counts) > MAX_VALUE or not any(most for _, most in counts):
        raise ValueError(f"no value of 1 to {MAX_VALUE} characters fits the pattern")
    return pattern


def _counts(pattern: str) -> list[tuple[int, int]]:
    """How often each piece is there at least and at most."""
    counts, at = [], 0
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None:
            raise ValueError(f"a pattern is of {SUBSET}")
        least = int(piece[1]) if piece[1] else 1
        counts.append((least, int(piece[2]) if piece[2] else least))
        at = piece.end()
    return counts
