"""From what the recogniser gives for each step along a line to characters with their places (CTC, best path)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Character:
    """``at`` is the place of its middle along the crop, 0..1; ``confidence`` is 0..1."""

    text: str
    at: float
    confidence: float


def decode(
    probabilities: npt.NDArray[np.float32], characters: Sequence[str], used: float = 1.0
) -> tuple[Character, ...]:
    """The most likely character of each step, repeated ones once: TxC, of which class 0 is between characters.

    ``used`` is the share of the steps that the crop takes up; the rest is padding.
    """
    classes = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(classes)), classes]
    starts = np.flatnonzero(np.diff(classes, prepend=-1))
    ends = np.append(starts[1:], len(classes))
    runs = [(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True) if classes[start]]
    steps = len(classes) * used
    return tuple(
        Character(characters[classes[start]], min(1.0, _middle(sure[start:end], start) / steps), _peak(sure[start:end]))
        for start, end in runs
    )


def _middle(sure: npt.NDArray[np.float32], start: int) -> float:
    """Where a character is, in steps: the mean of its steps, each weighted by how sure it is."""
    steps = np.arange(start, start + len(sure)) + 0.5
    return float((steps * sure).sum() / sure.sum())


def _peak(sure: npt.NDArray[np.float32]) -> float:
    return min(1.0, float(sure.max()))
