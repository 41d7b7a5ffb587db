"""Pieces of text cut out of a page, upright and of the height that the recogniser reads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from docker_worker.ocr.detection import Box
    from handlers.document.engine import Page

LINE_HEIGHT = 48
"""Pixels; what the recogniser was trained on."""

_OVERSAMPLED = 2
"""How often a crop's pixels may be had in the page before it is shrunk by areas: a warp looks at four pixels alone."""

_RULE_REACH = 20
"""Columns of a crop at either end where a rule beside its text can be."""

_RULE_SHARE = 0.2
"""Of a crop's contrast: what differs less from what is beside it is no rule."""

_NARROW = np.ones((1, 13), np.uint8)
"""Wider than a rule: what is as wide is the edge of a shadow or a filled cell."""

_BESIDE = np.ones((1, 3), np.uint8)
"""How far a rule may lean within a crop."""


def sides(box: Box) -> tuple[float, float]:
    """Width and height of ``box`` as its text runs, in pixels of the page, at least 1."""
    top, right, bottom, left = np.linalg.norm(np.roll(box, -1, axis=0) - box, axis=1)
    return max(1.0, float(top), float(bottom)), max(1.0, float(left), float(right))


def turned(box: Box) -> Box:
    """The same box read along its other side: text that runs downwards."""
    return np.roll(box, -1, axis=0)


def lengthened(box: Box, share: float, page: Page) -> Box:
    """With so much of its height more before and behind its text, as far as the page goes."""
    width, height = sides(box)
    along = (box[1] - box[0]) * (share * height / width)
    longer = box + np.stack([-along, along, along, -along])
    return np.asarray(np.clip(longer, 0, [page.shape[1], page.shape[0]]), np.float32)


def cut(page: Page, box: Box, width: int) -> Page:
    """``LINE_HEIGHT`` x ``width`` x 3: what is in ``box``, as its text runs."""
    left, top = (max(0, math.floor(value) - 1) for value in box.min(axis=0))
    right, bottom = (math.ceil(value) + 2 for value in box.max(axis=0))
    part = page[top : max(bottom, top + 1), left : max(right, left + 1)]
    long, high = sides(box)
    shrink = min(long / width, high / LINE_HEIGHT) / _OVERSAMPLED
    offset = np.array([left, top], np.float32)
    scale = np.ones(2, np.float32)
    if shrink > 1:
        size = (max(1, round(part.shape[1] / shrink)), max(1, round(part.shape[0] / shrink)))
        scale = np.array([size[0] / part.shape[1], size[1] / part.shape[0]], np.float32)
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    corners = ((box - offset) * scale)[[0, 1, 3]].astype(np.float32)
    target = np.array([[0, 0], [width, 0], [0, LINE_HEIGHT]], np.float32)
    warped = cv2.warpAffine(
        part,
        cv2.getAffineTransform(corners, target),
        (width, LINE_HEIGHT),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.uint8)


def without_rules(crop: Page) -> Page:
    """A crop, HxWx3 uint8, whose upright rules at its ends are filled with its paper, and what is behind them.

    Text that is set close to the rules of its cell is read with a bracket or bar otherwise. A rule goes through all
    rows of the crop, which no letter does: above and below those a crop has a margin.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    lines = cv2.max(*(cv2.morphologyEx(grey, way, _NARROW) for way in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT)))
    least = max(8.0, _RULE_SHARE * float(np.ptp(grey)))
    across = np.abs(np.median(grey, axis=1, keepdims=True) - np.median(grey)) > least
    rules = np.flatnonzero(((cv2.dilate(lines, _BESIDE) > least) | across).all(axis=0))
    start = max((int(column) + 1 for column in rules if column < _RULE_REACH), default=0)
    width = crop.shape[1]
    stop = min((int(column) for column in rules if column >= width - _RULE_REACH), default=width)
    if (start, stop) == (0, width) or start >= stop:
        return crop
    cleaned = crop.copy()
    cleaned[:, :start] = cleaned[:, stop:] = np.median(crop[:, start:stop].reshape(-1, 3), axis=0)
    return cleaned
