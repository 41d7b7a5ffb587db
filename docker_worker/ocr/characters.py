"""From what the recogniser gives for each step along a line to characters with their places (CTC, best path)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


UNSURE_BLANK = 0.03
"""How sure the recogniser is of a blank where it does not say whether there is one: it leaves a thin space out, and is
often this sure of it, while between the letters of a word it is a hundred times less so."""


@dataclass(frozen=True, slots=True)
class Character:
    """``at`` is the place of its middle along the crop, 0..1; ``confidence`` is 0..1. ``blank`` is how sure the
    recogniser is at most, 0..1, that a blank stands between it and the next character that was read."""

    text: str
    at: float
    confidence: float
    blank: float = UNSURE_BLANK


def decode(
    probabilities: npt.NDArray[np.float32], characters: Sequence[str], used: float = 1.0
) -> tuple[Character, ...]:
    """The most likely character of each step, repeated ones once: TxC, of which class 0 is between characters, and the
    last is the blank where ``characters`` end with one.

    ``used`` is the share of the steps that the crop takes up; the rest is padding.
    """
    classes = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(classes)), classes]
    starts = np.flatnonzero(np.diff(classes, prepend=-1))
    ends = np.append(starts[1:], len(classes))
    runs = [(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True) if classes[start]]
    steps = len(classes) * used
    middles = [_middle(sure[start:end], start) for start, end in runs]
    blanks = _blanks(probabilities[:, -1], middles) if characters[-1] == " " else [UNSURE_BLANK] * len(runs)
    return tuple(
        Character(characters[classes[start]], min(1.0, middle / steps), _peak(sure[start:end]), blank)
        for (start, end), middle, blank in zip(runs, middles, blanks, strict=True)
    )


def _blanks(sure: npt.NDArray[np.float32], middles: Sequence[float]) -> Iterator[float]:
    """The most from the middle of one character to that of the next: before it there may be another blank."""
    for middle, following in pairwise(middles):
        yield float(sure[int(middle) : int(following) + 1].max())
    if middles:
        yield UNSURE_BLANK


def _middle(sure: npt.NDArray[np.float32], start: int) -> float:
    """Where a character is, in steps: the mean of its steps, each weighted by how sure it is."""
    steps = np.arange(start, start + len(sure)) + 0.5
    return float((steps * sure).sum() / sure.sum())


def _peak(sure: npt.NDArray[np.float32]) -> float:
    return min(1.0, float(sure.max()))
