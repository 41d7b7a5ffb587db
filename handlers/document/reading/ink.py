"""The print of a page as it is measured: reduced, binarised against the paper around it, what looks like letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import Page

    Grey = npt.NDArray[np.uint8]
    Mask = npt.NDArray[np.uint8]
    Points = npt.NDArray[np.floating[Any]]

MEASURED_SIDE = 1200
"""The longer side of what is measured, in pixels: small letters of 8 points on A4 are still 6 pixels high."""

_ENOUGH = 40
_DARK_PAGE = 110
_PLAINLY_MORE = 1.4

_WINDOW_SHARE = 1 / 24
_LEAST_DEPTH, _ENOUGH_DEPTH, _DEPTH_OF_NOISE = 6.0, 14.0, 4.0
_DEPTH_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Ink:
    """What stands out from the paper. ``grey`` is the reduced page, HxW uint8; ``scale`` the given page's pixels by
    its own. ``boxes`` are what looks like letters, Nx5 int32: left, top, width, height, area. ``places`` are their
    pixels, Mx2 float32: x and y, one letter after the other; ``starts`` where in them each letter begins. ``light``
    says that the print is lighter than the paper.
    """

    grey: Grey
    scale: float
    boxes: npt.NDArray[np.int32]
    places: Points
    starts: npt.NDArray[np.intp]
    light: bool

    @property
    def size(self) -> float:
        """The letters' usual height or width, whichever is the larger, in the reduced page's pixels; 0 without any."""
        return float(np.median(self.boxes[:, 2:4].max(axis=1))) if len(self.boxes) else 0.0

    def middles(self) -> npt.NDArray[np.intp]:
        """The letters' middles, Nx2: the column and row of a pixel of the reduced page."""
        return np.asarray(self.boxes[:, :2] + self.boxes[:, 2:4] // 2, np.intp)

    def points(self, most: int) -> Points:
        """The letters' pixels, evenly thinned to at most about ``most``, as Nx2: x and y from the middle of the page.

        Each lies somewhere in its pixel's square, the same place in every call: on the grid itself the directions of
        its rows, columns and diagonals would stand out from the others.
        """
        points = self.places[:: -(-len(self.places) // most) or 1]
        places = np.random.default_rng(0).random(points.shape, dtype=np.float32)
        height, width = self.grey.shape
        return points + places - np.array([width / 2, height / 2], np.float32)


def reduced(page: Page, side: int) -> tuple[Grey, float]:
    """The page in grey, its longer side at most ``side`` pixels, and the given page's pixels by its own."""
    grey = np.asarray(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY), np.uint8)
    longer = max(grey.shape)
    # Halving is a tenth of the work of other steps.
    while max(grey.shape) >= 2 * side and min(grey.shape) >= 2:
        grey = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    if max(grey.shape) > side:
        by = side / max(grey.shape)
        size = (max(1, round(grey.shape[1] * by)), max(1, round(grey.shape[0] * by)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    return grey, longer / max(grey.shape)


def ink_of(page: Page) -> Ink:
    """Dark print on light paper, or light on dark where the page is dark and has more of that."""
    grey, scale = reduced(page, MEASURED_SIDE)
    dark = _letters(grey)
    if len(dark[0]) >= _ENOUGH and float(np.median(grey[::4, ::4])) >= _DARK_PAGE:
        return Ink(grey, scale, *dark, light=False)
    light = _letters(np.asarray(255 - grey, np.uint8))
    return (
        Ink(grey, scale, *light, light=True) if len(light[0]) > len(dark[0]) else Ink(grey, scale, *dark, light=False)
    )


def _letters(grey: Grey) -> tuple[npt.NDArray[np.int32], Points, npt.NDArray[np.intp]]:
    """The boxes, pixels and first pixels of connected components of the size of letters, none at the page's edge."""
    ink = _binarised(grey)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8, ltype=cv2.CV_32S)
    height, width = grey.shape
    left, top, wide, high, area = stats.T
    longer, shorter = np.maximum(wide, high), np.minimum(wide, high)
    keep = (longer >= 3) & (area >= 4) & (longer <= max(height, width) / 10) & (longer <= 20 * shorter)
    keep &= (left > 0) & (top > 0) & (left + wide < width) & (top + high < height)
    keep[0] = False
    places, starts = _pixels(ink, np.asarray(labels, np.int32), keep)
    return stats[keep].astype(np.int32), places, starts


def _pixels(
    ink: Mask, labels: npt.NDArray[np.int32], keep: npt.NDArray[np.bool_]
) -> tuple[Points, npt.NDArray[np.intp]]:
    """The pixels of the components to ``keep``, one component after the other, and where each begins."""
    if not ink.any():
        return np.zeros((0, 2), np.float32), np.zeros(0, np.intp)
    places = np.asarray(cv2.findNonZero(ink), np.int32).reshape(-1, 2)
    numbers = labels[places[:, 1], places[:, 0]]
    kept = keep[numbers]
    places, numbers = places[kept], numbers[kept]
    order = np.argsort(numbers, kind="stable")
    return places[order].astype(np.float32), np.flatnonzero(np.diff(numbers[order], prepend=-1))


def _binarised(grey: Grey) -> Mask:
    """255 where a pixel is darker than the mean around it by a share of what is usual for this page's print."""
    window = max(15, round(max(grey.shape) * _WINDOW_SHARE)) | 1
    mean = cv2.boxFilter(grey, cv2.CV_16S, (window, window), borderType=cv2.BORDER_REPLICATE)
    depth = mean - grey.astype(np.int16)
    noise = _DEPTH_OF_NOISE * float(np.median(np.abs(depth[::4, ::4])))
    least = min(max(noise, _LEAST_DEPTH), _ENOUGH_DEPTH)
    standing_out = depth[depth > least]
    if not standing_out.size:
        return np.zeros_like(grey)
    histogram = np.bincount(standing_out, minlength=256)
    usual = int(np.searchsorted(np.cumsum(histogram), 0.8 * standing_out.size))
    return np.where(depth > max(least, _DEPTH_SHARE * usual), 255, 0).astype(np.uint8)
