"""The warnings of a page that follow from its measures."""

from __future__ import annotations

from collections.abc import Iterator

from handlers.document.reading.records import PageQuality
from handlers.document.warnings import PageWarning, WarningCode

BLURRED_SHARE, LEAST_BLUR = 0.10, 1.3
"""Edges wider than this share of the letters' height, and than this many pixels, are blurred."""

MOTION = 2.2
"""From so many times wider edges along one direction than across it; letters themselves come to 1.4."""

DARK_PAPER = 90.0
"""A paper's grey level below which a page is dark."""

WASHED_OUT_INK, WHITE_PAPER = 170.0, 245.0
"""Print lighter than the first on paper lighter than the second is overexposed."""

LOW_CONTRAST = 50.0
NOISY = 8.0
BLOCKY = 0.7

SMALL_PRINT = 7.0
"""Small letters of fewer pixels; read well they are from about 8."""

LEAST_DPI = 100.0
"""Below this, where there is no print to measure."""


def cautions(quality: PageQuality, dpi: float | None) -> Iterator[PageWarning]:
    """``dpi`` counts where the page has no print to measure the resolution by."""
    yield from _softness(quality)
    yield from _exposure(quality)
    if quality.noise > NOISY:
        yield PageWarning(WarningCode.NOISY, round(quality.noise, 1))
    if quality.text_height is not None and quality.text_height < SMALL_PRINT:
        yield PageWarning(WarningCode.LOW_RESOLUTION, round(quality.text_height, 1))
    if quality.text_height is None and dpi is not None and dpi < LEAST_DPI:
        yield PageWarning(WarningCode.LOW_RESOLUTION)
    if quality.blockiness > BLOCKY:
        yield PageWarning(WarningCode.HEAVILY_COMPRESSED, round(quality.blockiness, 2))


def _softness(quality: PageQuality) -> Iterator[PageWarning]:
    if quality.blur is None or quality.text_height is None:
        return
    if quality.blur > max(LEAST_BLUR, BLURRED_SHARE * quality.text_height):
        yield PageWarning(WarningCode.BLURRED, round(quality.blur, 2))
    if quality.motion is not None and quality.motion > MOTION:
        yield PageWarning(WarningCode.MOTION_BLURRED, quality.motion_angle)


def _exposure(quality: PageQuality) -> Iterator[PageWarning]:
    if quality.contrast is None or quality.ink is None:
        return
    if max(quality.paper, quality.ink) < DARK_PAPER:
        yield PageWarning(WarningCode.DARK, round(quality.paper))
    if quality.paper > WHITE_PAPER and quality.ink > WASHED_OUT_INK:
        yield PageWarning(WarningCode.OVEREXPOSED, round(quality.ink))
    if abs(quality.contrast) < LOW_CONTRAST:
        yield PageWarning(WarningCode.LOW_CONTRAST, round(abs(quality.contrast)))
