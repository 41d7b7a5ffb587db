"""What stands in the way of reading a page: blur, noise, exposure, small print, compression.

Everything is measured in floats on a few dozen patches of the page as it was given, around letters that
:mod:`handlers.document.reading.ink` found, and on its reduced grey: about 10 ms a page.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from handlers.document.reading.records import PageQuality

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import Page
    from handlers.document.reading.ink import Ink

    Floats = npt.NDArray[np.floating[Any]]

_PAPER_STEP = 4

_PATCHES = 32
_LEAST_HALF, _MOST_HALF = 8, 24
_DIRECTIONS = np.arange(0, 180, 22.5)
_STEEPEST = 98.0
_SHARPER = 25.0
"""The percentile of patches that stands for the print: what is in pictures is softer."""

_NOISE_TILE, _NOISE_GRID, _FLAT_SHARE = 24, 12, 0.3
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""J. Immerkaer, "Fast noise variance estimation", 1996: blind to edges, and a deviation of 1 becomes 6."""

_BLOCK = 8
_BLOCK_LINES, _BLOCK_BAND, _BLOCK_BANDS = 160, 16, 8
_LEAST_STEPS = 0.0005
_RULES_SHARE = 0.06
_ENOUGH_STEPS = 40
"""Lone steps at the phase that has most of them; little print on a page that never was a JPEG has fewer than ten."""


def quality_of(page: Page, ink: Ink, runs_down: bool) -> PageQuality:
    """``runs_down`` says that lines run up or down, which tells a letter's height from its width."""
    paper, shading = _paper(ink)
    patches = _patches(page, ink)
    dark, blur, motion, angle = _edges(patches, ink.light) or (None, None, None, None)
    contrast = None if dark is None else paper - dark
    height = float(np.median(ink.boxes[:, 2 if runs_down else 3])) * ink.scale if len(ink.boxes) else None
    noise, blockiness = _noise(page), _blockiness(page)
    return PageQuality(
        score=_score(blur, noise, contrast, shading, height, blockiness),
        blur=blur,
        motion=motion,
        motion_angle=angle,
        noise=noise,
        paper=paper,
        ink=dark,
        contrast=contrast,
        shading=shading,
        text_height=height,
        blockiness=blockiness,
    )


def _paper(ink: Ink) -> tuple[float, float]:
    """The paper's grey level around the letters, and the share of it that is lost from the brightest to the darkest."""
    size = (max(1, ink.grey.shape[1] // _PAPER_STEP), max(1, ink.grey.shape[0] // _PAPER_STEP))
    small = cv2.resize(ink.grey, size, interpolation=cv2.INTER_AREA)
    grown = cv2.erode(small, np.ones((7, 7), np.uint8)) if ink.light else cv2.dilate(small, np.ones((7, 7), np.uint8))
    levels = grown.astype(np.float32)
    if len(ink.boxes):
        middle = (ink.boxes[:, :2] + ink.boxes[:, 2:4] // 2) // _PAPER_STEP
        x, y = np.minimum(middle, np.array(small.shape[::-1]) - 1).T
        levels = levels[y, x]
    darkest, usual, brightest = (float(value) for value in np.percentile(levels, (3, 50, 97)))
    return usual, 1.0 - darkest / brightest if brightest > 0 else 0.0


def _patches(page: Page, ink: Ink) -> Floats:
    """NxHxW: what is around letters all over the page, in grey, in the page's own pixels."""
    half = int(min(max(ink.size * ink.scale, _LEAST_HALF), _MOST_HALF))
    height, width = page.shape[:2]
    if not len(ink.boxes) or min(height, width) < 2 * half:
        return np.zeros((0, 0, 0), np.float32)
    boxes = ink.boxes[np.linspace(0, len(ink.boxes) - 1, min(_PATCHES, len(ink.boxes))).astype(int)]
    middle = (boxes[:, :2] + boxes[:, 2:4] / 2) * ink.scale
    left, top = np.clip(middle - half, 0, np.array([width, height]) - 2 * half).astype(int).T
    cut = [page[y : y + 2 * half, x : x + 2 * half] for x, y in zip(left, top, strict=True)]
    return np.stack([cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY) for patch in cut]).astype(np.float32)


def _edges(patches: Floats, light: bool) -> tuple[float, float, float, float] | None:
    """The print's grey level, the edges' width, how much wider they are along one direction than across, and that.
    ``None`` where no patch has enough print to measure: specks.

    An edge that a Gaussian has blurred is as steep as its height by the Gaussian's deviation and the root of 2 pi.
    """
    if not len(patches):
        return None
    low, high = np.percentile(patches, (3, 90), axis=(1, 2))
    clear = (high > low) & (high - low >= 0.5 * np.median(high - low))
    if not clear.any():
        return None
    patches, low, high = patches[clear], low[clear], high[clear]
    right = patches[:, :-1, 1:] - patches[:, :-1, :-1]
    down = patches[:, 1:, :-1] - patches[:, :-1, :-1]
    angles = np.radians(_DIRECTIONS)
    steepest = np.stack(
        [
            np.percentile(np.abs(right * np.float32(math.cos(a)) + down * np.float32(math.sin(a))), _STEEPEST, (1, 2))
            for a in angles
        ]
    )
    widths = np.percentile((high - low) / np.maximum(steepest, 1.0), _SHARPER, axis=1) / math.sqrt(2 * math.pi)
    widest = int(np.argmax(widths))
    across = (widest + len(angles) // 2) % len(angles)
    return (
        float(np.median(high if light else low)),
        float(np.median(widths)),
        float(widths[widest] / widths[across]),
        float(_DIRECTIONS[widest]),
    )


def _noise(page: Page) -> float:
    """By Immerkaer's operator in the flattest of tiles all over the page."""
    height, width = page.shape[:2]
    side = min(_NOISE_TILE, height, width)
    if side < 3:
        return 0.0
    tops = np.linspace(0, height - side, _NOISE_GRID).astype(int)
    lefts = np.linspace(0, width - side, _NOISE_GRID).astype(int)
    tiles = np.concatenate([page[y : y + side, x : x + side] for y in tops for x in lefts])
    grey = cv2.cvtColor(tiles, cv2.COLOR_BGR2GRAY).astype(np.float32)
    felt = np.abs(cv2.filter2D(grey, cv2.CV_32F, _IMMERKAER)).reshape(-1, side, side)[:, 1:-1, 1:-1]
    levels = felt.mean(axis=(1, 2)) * math.sqrt(math.pi / 2) / 6
    return float(np.quantile(levels, _FLAT_SHARE))


def _blockiness(page: Page) -> float:
    """How much oftener a lone step in grey, pixels being alike on either side, falls on one column and row in eight."""
    height, width = page.shape[:2]
    rows = page[:: max(1, height // _BLOCK_LINES), :, 1]
    starts = np.linspace(0, max(0, width - _BLOCK_BAND), _BLOCK_BANDS).astype(int)
    columns = np.concatenate([page[:, start : start + _BLOCK_BAND, 1] for start in starts], axis=1).T
    return max(0.0, min(_phase_excess(rows), _phase_excess(columns)))


def _phase_excess(lines: npt.NDArray[np.uint8]) -> float:
    whole = (lines.shape[1] - 3) // _BLOCK * _BLOCK
    if whole < 4 * _BLOCK:
        return 0.0
    steps = np.asarray(cv2.absdiff(lines[:, 1 : whole + 3], lines[:, : whole + 2]), np.uint8)
    inner = np.maximum(steps[:, :-2], steps[:, 2:])
    lone = (steps[:, 1:-1] >= 2) & (steps[:, 1:-1] > 2 * inner)
    # Rules and frames fill a few columns with steps.
    shares = np.sort(lone.mean(axis=0).reshape(-1, _BLOCK), axis=0)
    shares = shares[: math.ceil(len(shares) * (1 - _RULES_SHARE))]
    phases = shares.mean(axis=0)
    largest = int(np.argmax(phases))
    if shares[:, largest].sum() * len(lone) < _ENOUGH_STEPS:
        return 0.0
    others = float(np.median(np.delete(phases, largest)))
    return float(phases[largest]) / max(others, _LEAST_STEPS) - 1.0


def _score(
    blur: float | None,
    noise: float,
    contrast: float | None,
    shading: float,
    height: float | None,
    blockiness: float,
) -> float:
    """The product of what is left by each: from nothing lost to all lost, in a straight line between."""
    if blur is None or contrast is None or height is None:
        return 1.0
    strength = max(abs(contrast), 1.0)
    return (
        _left(blur / height, 0.10, 0.60)
        * _left(noise / strength, 0.05, 0.60)
        * _left(-strength, -70.0, -8.0)
        * _left(shading, 0.50, 1.00)
        * _left(-height, -9.0, -3.0)
        * _left(blockiness, 0.40, 4.00)
    )


def _left(value: float, best: float, worst: float) -> float:
    return min(1.0, max(0.0, (worst - value) / (worst - best)))
