"""Networks that see what a test has painted: no model, no package but numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from docker_worker.ocr.networks import Networks

if TYPE_CHECKING:
    from docker_worker.ocr.networks import Tensor
    from handlers.document.engine import Page

A = TypeVar("A")
B = TypeVar("B")

LETTERS = ("", "a", "b", "c", " ")
STEP = 8
"""Pixels along a line, as in PP-OCR."""


def paper(height: int, width: int) -> Page:
    return np.full((height, width, 3), 255, np.uint8)


def each(function: Callable[[A], B], items: Iterable[A]) -> Iterable[B]:
    return [function(item) for item in items]


def sees_dark(tensor: Tensor) -> Tensor:
    """Detection that is sure of text where the page is dark."""
    return np.where(tensor.mean(axis=1, keepdims=True) < 0, 0.9, 0.0).astype(np.float32)


def reads_grey(tensor: Tensor) -> Tensor:
    """Recognition that reads a step by the lightness of its middle: black is "a", dark "b", light "c", white a blank,
    the grey of padding nothing. It is sure by 0.9.
    """
    middles = tensor[:, :, tensor.shape[2] // 2, STEP // 2 :: STEP].mean(axis=1)
    classes = np.select(
        [middles < -0.8, middles < -0.1, middles < 0.1, middles < 0.8], [1, 2, 0, 3], default=LETTERS.index(" ")
    )
    return np.where(np.arange(len(LETTERS)) == classes[..., None], 0.9, 0.025).astype(np.float32)


def faces(degrees: int) -> Callable[[Tensor], Tensor]:
    """Classification that says so of every page, and is sure by 0.8."""
    return lambda tensor: np.array([[0.8 if degrees == each else 0.05 for each in (0, 90, 180, 270)]], np.float32)


def scripted_networks(
    detect: Callable[[Tensor], Tensor] = sees_dark, recognise: Callable[[Tensor], Tensor] = reads_grey
) -> Networks:
    return Networks(detect, recognise, faces(0), LETTERS, "scripted 1", ("detection", "recognition"))
