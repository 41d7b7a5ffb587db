"""Samples of more than 8 bits as 8 bits: grey and colour, whole numbers and floats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL.Image import Image, fromarray

from handlers.document.errors import DecodeFailed

Samples: TypeAlias = npt.NDArray[Any]

_FEWER_BITS = (12, 10)
"""What cameras and scanners deliver in samples of 16 bits without moving it up."""

_BAND_SAMPLES = 1_000_000


def read_deep_tiff(data: bytes, bits: int, inverted: bool) -> Image:
    """A TIFF of one page that Pillow has no mode for, or gets wrong, as mode ``L``, ``RGB`` or ``RGBA``.

    OpenCV reads it with libtiff, sample for sample. ``bits`` is how many a sample has; ``inverted`` says that 0 is
    white. Raises :class:`DecodeFailed`.
    """
    found = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.ndim not in (2, 3):
        raise DecodeFailed("the TIFF's samples cannot be read")
    levels = eight_bits(found, _white(found, bits), inverted)
    if levels.ndim == 2:
        return fromarray(levels)
    order = [2, 1, 0, 3][: levels.shape[2]]
    return fromarray(np.ascontiguousarray(levels[:, :, order]))


def eight_bits(samples: Samples, white: float, inverted: bool = False) -> npt.NDArray[np.uint8]:
    """``samples`` (HxW or HxWxN of any number) scaled so that ``white`` is 255; what is above it, too, and what is
    below 0 or no number is 0."""
    scaled = np.empty(samples.shape, dtype=np.uint8)
    for rows in _bands(samples):
        levels = np.nan_to_num(samples[rows].astype(np.float64)) * (255.0 / white)
        levels = np.clip(255.0 - levels if inverted else levels, 0.0, 255.0)
        scaled[rows] = (levels + 0.5).astype(np.uint8)
    return scaled


def _white(samples: Samples, bits: int) -> float:
    """Of whole numbers the largest that their bits hold, or that 16 do where none is larger; of floats 1, 255 or the
    largest, whichever is the first to fit."""
    if samples.dtype == np.uint16 and bits == 16:
        return white_of_16_bits(samples)
    if samples.dtype.itemsize <= 2:
        # OpenCV gives 9 to 15 bits as the upper ones of 16.
        high = np.iinfo(samples.dtype).max
        return float(high if bits % 8 == 0 else high - (high >> bits))
    largest = max(float(np.nan_to_num(samples[rows]).max()) for rows in _bands(samples))
    floats = samples.dtype.kind == "f"
    steps = (1.0, 255.0) if floats else (65_535.0, float(np.iinfo(samples.dtype).max))
    return next((step for step in steps if largest <= step), largest)


def white_of_16_bits(samples: Samples) -> float:
    """The largest that whole numbers of 16 bits hold, or of as few as the picture seems to be made of: one that uses
    the lower half or more of what 12 or 10 bits hold, and nothing above, would be all but black otherwise."""
    largest = max(int(samples[rows].max()) for rows in _bands(samples))
    for bits in _FEWER_BITS:
        if 1 << bits - 1 <= largest < 1 << bits:
            return float((1 << bits) - 1)
    return 65_535.0


def _bands(samples: Samples) -> Iterator[slice]:
    rows = max(1, _BAND_SAMPLES // max(1, samples[0].size))
    return (slice(top, top + rows) for top in range(0, samples.shape[0], rows))
