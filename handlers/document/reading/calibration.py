"""From what a recogniser says of a word to the probability that the word is right.

A map is a few points through which straight lines are drawn, never falling: isotonic regression (Barlow et al.,
"Statistical Inference under Order Restrictions", 1972), thinned. ``python -m benchmarks.ocr_calibration`` fits it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from handlers.document.engine import Line, Word

Points: TypeAlias = Sequence[tuple[float, float]]

CALIBRATIONS: Mapping[str, Points] = {}
"""By the recognition model's name."""

_DIGITS = 4


def points_for(models: Iterable[str]) -> Points | None:
    """The map of the first model that has one; ``None`` leaves confidences as the engine gave them."""
    return next((CALIBRATIONS[name] for name in models if name in CALIBRATIONS), None)


def calibrated(line: Line, points: Points | None) -> Line:
    """The line with its words' probabilities of being right, and their mean, each word weighted by its characters.

    A word that has no confidence of its own has that of its line.
    """
    words = None if line.words is None else tuple(_calibrated_word(word, line, points) for word in line.words)
    if not words:
        return replace(line, confidence=at(line.confidence, points))
    characters = sum(len(word.text) for word in words)
    sure = sum(len(word.text) * (word.confidence or 0.0) for word in words)
    return replace(line, confidence=round(sure / characters, _DIGITS), words=words)


def _calibrated_word(word: Word, line: Line, points: Points | None) -> Word:
    return replace(word, confidence=at(line.confidence if word.confidence is None else word.confidence, points))


def at(raw: float, points: Points | None) -> float:
    """Held to the first and last point beyond them."""
    if points is None:
        return raw
    place = bisect_right(points, (raw, 2.0))
    if place == 0:
        return points[0][1]
    if place == len(points):
        return points[-1][1]
    (low, from_), (high, to) = points[place - 1], points[place]
    return round(from_ + (to - from_) * (raw - low) / (high - low), _DIGITS)
