"""Which pages were read badly, as far as the page and its reading show it themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handlers.document.engine import Line

UNREADABLE_FROM = 0.25
"""The likelihood from which a page is unreadable: one good page of twenty has it, where most are spoilt somehow."""

_BIAS, _DOUBT, _MISSED = -3.82, 20.5, 3.0
"""Of 397 pages, 95 of them bad, that the tiny and the small models read. On pages that were not fitted on it finds 81
to 82 of a hundred bad ones; the others are small, with few words, of which the engine is sure."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``doubt`` is the share of words that is wrong if their confidences are right, 0..1; ``missed`` the share of what
    looks like letters that no line covers. How the pixels look is no part of it: a photograph that is dark, shaded and
    compressed is often read to the last word."""

    doubt: float
    missed: float


def badness(evidence: Evidence) -> float:
    """The likelihood, 0..1, that more than a fifth of the page's words is wrong or missing. A logistic regression;
    ``python -m benchmarks.ocr_calibration`` fits it."""
    x = _BIAS + _DOUBT * evidence.doubt + _MISSED * evidence.missed
    return 1 / (1 + math.exp(-min(max(x, -40.0), 40.0)))


def doubt_of(lines: Sequence[Line]) -> float:
    """One less the mean confidence of the words, each counted once."""
    words = [
        1.0 - (line.confidence if word.confidence is None else word.confidence)
        for line in lines
        for word in line.words or ()
    ]
    if not words:
        words = [1.0 - line.confidence for line in lines]
    return sum(words) / len(words) if words else 0.0
