"""Where a page has ink, and how small its print is: what detection needs to know, for a hundredth of its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import Page

    Grey = npt.NDArray[np.uint8]

MEASURED_SIDE = 1600
"""The longer side of what is measured, in pixels: an x of 6-point print on A4 is still 7 pixels high."""

_WINDOW = 25
_PRINT_DEPTH = 12
_INK_DEPTH = 5
"""Grey levels that a pixel differs from the mean of the ``_WINDOW`` around it: print does so clearly, ink that must not
be cut off may be faint."""

_SMALL_SHARE = 0.1
"""Of the width of all letters: as much may belong to smaller ones than the measure. Dots and commas are less."""

_MIN_LETTERS = 5


@dataclass(frozen=True, slots=True)
class Print:
    """In pixels of the page: the box that holds all ink, and how high small letters are, as an x is; 0.0 if unknown."""

    left: int
    top: int
    right: int
    bottom: int
    letter_height: float


def measure_print(page: Page) -> Print | None:
    """``None`` for a page without any ink."""
    height, width = page.shape[:2]
    scale = min(1.0, MEASURED_SIDE / max(height, width))
    grey = _reduced(page, scale)
    mean = cv2.boxFilter(grey, cv2.CV_8U, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REPLICATE)
    extent = _extent(np.asarray(cv2.absdiff(grey, mean), np.uint8))
    if extent is None:
        return None
    darker, lighter = cv2.subtract(mean, grey), cv2.subtract(grey, mean)
    heights = max((_letters(side > _PRINT_DEPTH) for side in (darker, lighter)), key=lambda found: found[:, 1].sum())
    left, top, right, bottom = (round(value / scale) for value in extent)
    return Print(left, top, min(right, width), min(bottom, height), _small(heights) / scale)


def _reduced(page: Page, scale: float) -> Grey:
    grey = cv2.cvtColor(page, cv2.COLOR_BGR2GRAY)
    if scale < 1:
        size = (max(1, round(page.shape[1] * scale)), max(1, round(page.shape[0] * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _extent(contrast: Grey) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what stands out, single specks aside."""
    standing_out = cv2.medianBlur(np.where(contrast > _INK_DEPTH, 255, 0).astype(np.uint8), 3)
    left, top, width, height = cv2.boundingRect(standing_out)
    return (left, top, left + width, top + height) if width and height else None


def _letters(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Height and width of each connected component that may be a letter, or a few that touch."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    width, height, area = stats[1:, 2], stats[1:, 3], stats[1:, 4]
    letters = (height >= 4) & (height <= mask.shape[0] / 8) & (width <= 8 * height) & (height <= 6 * width)
    letters &= area >= 0.12 * width * height
    return np.stack([height[letters], width[letters]], axis=1).astype(np.int32)


def _small(letters: npt.NDArray[np.int32]) -> float:
    if len(letters) < _MIN_LETTERS:
        return 0.0
    by_height = letters[np.argsort(letters[:, 0], kind="stable")]
    reached = np.cumsum(by_height[:, 1]) >= _SMALL_SHARE * by_height[:, 1].sum()
    return float(by_height[int(np.argmax(reached)), 0])
