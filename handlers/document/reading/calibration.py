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

_PP_OCRV6: Points = (
    *((0.676, 0.216), (0.885, 0.499), (0.940, 0.672), (0.969, 0.778), (0.984, 0.819)),
    *((0.991, 0.881), (0.994, 0.901), (0.996, 0.920), (0.998, 0.955), (1.000, 0.986)),
)
"""Fitted on 38,159 words of 133 pages that the tiny model read (``--quality fast --count 112`` and the printed pages):
an error of 0.019 on pages that were not fitted on, where the model's own confidences have 0.058. On 10,659 words of 29
pages that the small model read it leaves 0.006, its own confidences 0.035."""

CALIBRATIONS: Mapping[str, Points] = {"PP-OCRv6_small_rec": _PP_OCRV6, "PP-OCRv6_tiny_rec": _PP_OCRV6}
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
