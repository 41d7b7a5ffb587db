"""Which pages were read badly, as far as the page and its reading show it themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from handlers.document.engine import Line

UNREADABLE_FROM = 0.46
"""The likelihood from which a page is unreadable: one good page of twenty has it, where most are spoilt somehow."""

_BIAS, _DOUBT, _MISSED, _QUALITY = -3.31, 11.76, 6.24, 2.30
"""Of 133 pages, 26 of them bad (``--quality fast --count 112`` and the printed pages)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``doubt`` is the share of words that is wrong if their confidences are right, 0..1; ``missed`` the share of what
    looks like letters that no line covers; ``score`` the pixels' (:class:`PageQuality`)."""

    doubt: float
    missed: float
    score: float


def badness(evidence: Evidence) -> float:
    """The likelihood, 0..1, that more than a fifth of the page's words is wrong or missing. A logistic regression;
    ``python -m benchmarks.ocr_calibration`` fits it."""
    x = _BIAS + _DOUBT * evidence.doubt + _MISSED * evidence.missed + _QUALITY * (1 - evidence.score)
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
