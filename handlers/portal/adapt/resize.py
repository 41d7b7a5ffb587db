"""A window of a picture, at the size of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from handlers.portal.adapt.geometry import Size, Window

if TYPE_CHECKING:
    from handlers.document.engine import Page

Colour: TypeAlias = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

SHARPENING = 0.25
"""The share of what a blur of half a pixel takes away that is added to a picture that was made smaller: the mean of a
pixel's area is a little softer than the picture was."""

_BLUR = 0.6


def _light() -> npt.NDArray[np.uint16]:
    """Of each of 256 levels, 0..65,535 (IEC 61966-2-1)."""
    level = np.arange(256) / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return np.round(light * 65_535).astype(np.uint16)


_LIGHT = _light()
_LEVELS = np.searchsorted((_LIGHT[:-1].astype(np.uint32) + _LIGHT[1:]) // 2, np.arange(65_536), side="left").astype(
    np.uint8
)
"""The nearest level of each amount of light."""


def resized(page: Page, window: Window, target: Size, room: Colour) -> Page:
    """HxWx3 uint8 BGR of the target's size; ``room`` is what is beyond the picture.

    Made smaller in light and not in levels, which would darken fine patterns, by the mean of each pixel's area; made
    larger by bicubic interpolation.
    """
    cut = _cut(page, window, room)
    size = target.width, target.height
    if window.width < target.width or window.height < target.height:
        return np.ascontiguousarray(cv2.resize(cut, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    if (window.width, window.height) == size:
        return cut
    small = _LEVELS[cv2.resize(_LIGHT[cut], size, interpolation=cv2.INTER_AREA)]
    blurred = cv2.GaussianBlur(small, (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(cv2.addWeighted(small, 1 + SHARPENING, blurred, -SHARPENING, 0), np.uint8)


def _cut(page: Page, window: Window, room: Colour) -> Page:
    height, width = page.shape[:2]
    right, bottom = window.left + window.width, window.top + window.height
    inner = page[max(window.top, 0) : min(bottom, height), max(window.left, 0) : min(right, width)]
    borders = max(-window.top, 0), max(bottom - height, 0), max(-window.left, 0), max(right - width, 0)
    if not any(borders):
        return np.ascontiguousarray(inner)
    return np.ascontiguousarray(cv2.copyMakeBorder(inner, *borders, cv2.BORDER_CONSTANT, value=room), np.uint8)
