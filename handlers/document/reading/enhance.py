"""What can be done for a page that is read badly: even light, less noise, larger print, sharper edges.

Which of it is tried follows from what was measured; a page that reads well is never touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from handlers.document.reading.plane import Plane, scaled

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.engine import Page
    from handlers.document.reading.records import PageQuality

    Floats = npt.NDArray[np.float32]

SHADED, PALE = 0.30, 90.0
"""The share of the paper's brightness that is lost, and the contrast in grey levels, from and up to which light is
evened out and contrast stretched."""

NOISY_SHARE = 0.06
"""Of the contrast: noise of more is smoothed."""

SMALL_PRINT = 9.0
"""Small letters of fewer pixels are enlarged."""

SOFT = 0.14
"""Edges that are wider than this share of the letters' height are sharpened."""

_LARGEST_SIDE = 5_000
_PAPER_SIDE = 400


def changes_for(quality: PageQuality) -> tuple[str, ...]:
    """The names of what is worth trying, in the order in which it is done; none where nothing points to any."""
    if quality.contrast is None or quality.text_height is None or quality.blur is None:
        return ()
    contrast = max(abs(quality.contrast), 1.0)
    wanted = {
        "light": quality.shading > SHADED or contrast < PALE,
        "noise": quality.noise > NOISY_SHARE * contrast,
        "size": quality.text_height < SMALL_PRINT,
        "sharpness": quality.blur > SOFT * quality.text_height and quality.noise <= NOISY_SHARE * contrast,
    }
    return tuple(name for name, want in wanted.items() if want)


def enhanced(plane: Plane, changes: tuple[str, ...], quality: PageQuality) -> Plane:
    """The page with ``changes`` made; its print dark on light or the other way round as it was."""
    assert quality.blur is not None
    pixels = plane.pixels
    if "noise" in changes:
        pixels = _smoothed(pixels)
    if "light" in changes:
        pixels = _evened(pixels)
    changed = Plane(pixels, plane.back)
    if "size" in changes and 2 * max(pixels.shape) <= _LARGEST_SIDE:
        changed = scaled(changed, 2.0)
    if "sharpness" in changes:
        by = changed.width / plane.width
        changed = Plane(_sharpened(changed.pixels, quality.blur * by), changed.back)
    return changed


def _smoothed(page: Page) -> Page:
    """Specks go by a median, grain by a filter that keeps edges."""
    return np.asarray(cv2.bilateralFilter(cv2.medianBlur(page, 3), 5, 40, 3), np.uint8)


def _evened(page: Page) -> Page:
    """Grey, divided by the paper's light, and stretched until the darkest hundredth is nearly black."""
    grey = np.asarray(cv2.cvtColor(page, cv2.COLOR_BGR2GRAY), np.uint8)
    level = np.divide(grey, np.maximum(_paper_light(grey), 1.0), dtype=np.float32)
    darkest = min(float(np.percentile(level[::4, ::4], 1)), 0.9)
    stretched = np.clip((level - darkest) * (235.0 / (1.0 - darkest)) + 20.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(stretched, cv2.COLOR_GRAY2BGR), np.uint8)


def _paper_light(grey: Page) -> Floats:
    """HxW float32: the brightness of the paper at each pixel, print closed over."""
    height, width = grey.shape[:2]
    by = max(1.0, max(height, width) / _PAPER_SIDE)
    small = cv2.resize(grey, (max(1, round(width / by)), max(1, round(height / by))), interpolation=cv2.INTER_AREA)
    closed = cv2.medianBlur(cv2.dilate(small, np.ones((9, 9), np.uint8)), 15)
    return np.asarray(cv2.resize(closed, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _sharpened(page: Page, blur: float) -> Page:
    soft = cv2.GaussianBlur(page, (0, 0), max(0.8, blur))
    return np.asarray(cv2.addWeighted(page, 2.2, soft, -1.2, 0), np.uint8)
