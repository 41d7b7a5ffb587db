"""Where text is on a page: the page is brought to the size at which its print is found, and what the network gives for
each pixel to boxes, as Differentiable Binarization has it (Liao et al., 2020, https://arxiv.org/abs/1911.08947).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from docker_worker.ocr.print_size import Print, measure_print

if TYPE_CHECKING:
    import numpy.typing as npt

    from docker_worker.ocr.networks import Map, Network, Tensor
    from handlers.document.engine import Page

    Box = npt.NDArray[np.float32]
    """4x2, x and y in pixels of the page, clockwise from the corner where the text's upper left is."""

LETTER_HEIGHT = 8.0
"""How high small letters are to be in what detection sees, in pixels."""

SMALLEST_SIDE, LARGEST_SIDE = 640, 2560
"""Of the longer side of what detection sees, in pixels, whatever the print."""

DEFAULT_SIDE = 1280
"""Where the height of letters is not known."""

BAND_PIXELS = 600_000
"""What the network is given at once, at most: it takes 220 bytes a pixel, and each thread may have one at work."""

BAND_OVERLAP = 64
"""Rows that a band shares with each neighbour: a box that lies across their border is seen whole by both."""

THRESHOLD, BOX_THRESHOLD, UNCLIP_RATIO = 0.2, 0.45, 1.4
"""Of the published configuration of PP-OCRv6's detectors (inference.yml)."""

MAX_BOXES = 3000
_MIN_SIDE = 3.0
_STRIDE = 32
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True)
class _Band:
    """Rows ``top`` to ``bottom`` of what detection sees; a box belongs to it whose middle is in its ``core``."""

    top: int
    bottom: int
    core: tuple[float, float]


def text_boxes(page: Page, detect: Network, run: Map) -> list[Box]:
    """The boxes of pieces of text, in no particular order; none for a page without ink.

    ``run(function, items)`` calls a function for each item, maybe on several threads.
    """
    ink = measure_print(page)
    if ink is None:
        return []
    left, top, right, bottom = _with_margin(ink, page.shape[1], page.shape[0])
    part = page[top:bottom, left:right]
    height, width = detection_size(part.shape[0], part.shape[1], ink.letter_height)
    shrinks = width < part.shape[1]
    seen = np.asarray(
        cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )
    found = run(lambda band: _in_band(seen, band, detect), list(_bands(height, width)))
    scale = np.array([part.shape[1] / width, part.shape[0] / height], np.float32)
    corner, limits = (np.array(point, np.float32) for point in ((left, top), (page.shape[1], page.shape[0])))
    return [np.clip(box * scale + corner, 0, limits) for boxes in found for box in boxes]


def detection_size(height: int, width: int, letter_height: float) -> tuple[int, int]:
    """Height and width in which detection sees a page of that size, multiples of 32; never larger than the page."""
    longer = max(height, width)
    side = longer * LETTER_HEIGHT / letter_height if letter_height else DEFAULT_SIDE
    side = min(max(side, SMALLEST_SIDE), LARGEST_SIDE, longer)
    return _to_stride(height * side / longer), _to_stride(width * side / longer)


def boxes_of(probability: npt.NDArray[np.float32]) -> Iterator[Box]:
    """The boxes in a map of how sure each pixel is text, in its pixels."""
    mask = (probability > THRESHOLD).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours[:MAX_BOXES]:
        centre, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _MIN_SIDE:
            continue
        if _mean_inside(probability, _corners(centre, width, height, angle)) < BOX_THRESHOLD:
            continue
        # The network is trained on text that was shrunk by this distance on each side.
        grown = 2 * width * height * UNCLIP_RATIO / (2 * (width + height))
        yield clockwise(_corners(centre, width + grown, height + grown, angle))


def _corners(centre: Sequence[float], width: float, height: float, angle: float) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.boxPoints((centre, (width, height), angle)), np.float32)


def clockwise(points: npt.NDArray[np.float32]) -> Box:
    """The corners of a rectangle, from its upper left."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    (top_left, bottom_left), (top_right, bottom_right) = (
        side[np.argsort(side[:, 1], kind="stable")] for side in (by_x[:2], by_x[2:])
    )
    return np.stack([top_left, top_right, bottom_right, bottom_left]).astype(np.float32)


def _in_band(seen: Page, band: _Band, detect: Network) -> list[Box]:
    probability = detect(_tensor(seen[band.top : band.bottom]))[0, 0]
    boxes = (box + np.array([0, band.top], np.float32) for box in boxes_of(probability))
    return [box for box in boxes if band.core[0] <= box[:, 1].mean() < band.core[1]]


def _with_margin(ink: Print, width: int, height: int) -> tuple[int, int, int, int]:
    """Detection is unsure of print that touches the edge of what it sees."""
    margin = math.ceil(max(2 * ink.letter_height, 0.02 * max(width, height)))
    return (
        max(0, ink.left - margin),
        max(0, ink.top - margin),
        min(width, ink.right + margin),
        min(height, ink.bottom + margin),
    )


def _to_stride(side: float) -> int:
    return max(_STRIDE, round(side / _STRIDE) * _STRIDE)


def _bands(height: int, width: int) -> Iterator[_Band]:
    """Bands of whole rows, of at most ``BAND_PIXELS``, that overlap."""
    rows = BAND_PIXELS // width // _STRIDE * _STRIDE
    count = 1 if height <= rows else math.ceil(height / (rows - 2 * BAND_OVERLAP))
    step = math.ceil(height / count / _STRIDE) * _STRIDE
    for start in range(0, height, step):
        end = min(height, start + step)
        top, bottom = max(0, start - BAND_OVERLAP), min(height, end + BAND_OVERLAP)
        yield _Band(top, bottom, (start or -math.inf, end if end < height else math.inf))


def _tensor(seen: Page) -> Tensor:
    """Blue, green, red, with the means of red, green, blue: it is what the network was trained on."""
    normalised = seen.astype(np.float32)
    normalised *= 1 / (255 * _DEVIATION)
    normalised -= _MEAN / _DEVIATION
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))[None]


def _mean_inside(probability: npt.NDArray[np.float32], corners: npt.NDArray[np.float32]) -> float:
    height, width = probability.shape
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, [width - 1, height - 1]) + 1
    inside = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(inside, [(corners - [left, top]).astype(np.int32)], 1)
    return float(cv2.mean(probability[top:bottom, left:right], inside)[0])
