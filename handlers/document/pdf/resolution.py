"""At what resolution a page is rendered to be read. Pure; inches and pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from handlers.document.limits import DocumentLimits
from handlers.document.pdf.geometry import POINTS_PER_INCH
from handlers.document.pdf.glyphs import Glyph
from handlers.document.pdf.pictures import PageContent, covered, scan_density
from handlers.document.pdf.text_layer import span_of

PRINT_DPI = 200.0
"""Print of 8 points and more has lines of 28 pixels and more, and recognisers take lines of 32 to 48."""

SMALL_PRINT_DPI = 300.0
"""Print of 5 points has lines of 26 pixels."""

EMPTY_PIXELS = 2_000_000
"""Of a page with nothing on it: what is asked of it is answered by fewer."""

SMALL_PRINT_POINTS = 7.5

LINE_BY_SIZE = 1.2
"""The height of a line by the size of its print, which is what most fonts have."""

SCAN_SHARE = 0.8
"""A page that is a picture to this share is a scan, and is rendered pixel by pixel."""

MIN_SCAN_DPI = 50.0
"""What is coarser is a background and no scan."""

MAX_SCAN_DPI = 600.0

_ROUNDING = 1e-3
"""A picture's size on the page is rounded, so that one of 1,200 dpi is of 1,200.0001."""

SCAN_PIXELS = 20_000_000
"""A4 at 400 dpi, 15.5 megapixels, is read as it is; at 600 dpi it is halved. A finer one has no letter that the half
has not, and costs four times the time and memory in each step."""


class Resolution(NamedTuple):
    """``width`` and ``height`` in pixels. ``shrunk`` is the dpi that was wanted by ``dpi``: more than 1 where the
    limits gave less."""

    width: int
    height: int
    dpi: float
    shrunk: float


def resolution(wanted: float, width: float, height: float, limits: DocumentLimits) -> Resolution:
    """Of a page of ``width`` x ``height`` inches at ``wanted`` dpi, or less where the limits ask for it."""
    most = min(limits.max_pixels, limits.max_page_pixels)
    dpi = min(wanted, math.sqrt(most / (width * height)), limits.max_side / max(width, height))
    columns, rows = (min(limits.max_side, max(1, round(side * dpi))) for side in (width, height))
    while columns * rows > most:
        columns, rows = max(1, columns - 1), max(1, rows - 1)
    return Resolution(columns, rows, dpi, wanted / dpi)


def wanted_dpi(content: PageContent, glyphs: Sequence[Glyph], width: float, height: float, unit: float) -> float:
    """``unit`` is how many inches a unit of user space is; ``width`` and ``height`` are the page's inches."""
    if content.is_empty:
        return min(PRINT_DPI, math.sqrt(EMPTY_PIXELS / (width * height)))
    share = covered(content.pictures)
    native = scan_density(content.pictures) / unit
    if share >= SCAN_SHARE and native >= MIN_SCAN_DPI and all(glyph.invisible or glyph.generated for glyph in glyphs):
        return _whole_part(native, width, height)
    dpi = SMALL_PRINT_DPI if _has_small_print(glyphs, unit) else PRINT_DPI
    return dpi if share < 0.1 else min(SMALL_PRINT_DPI, max(dpi, native))


def _whole_part(native: float, width: float, height: float) -> float:
    """The scan's own resolution, or a whole part of it: every pixel of the result is a mean of whole pixels."""
    divisor = math.ceil(native / MAX_SCAN_DPI - _ROUNDING)
    while (native / divisor) ** 2 * width * height > SCAN_PIXELS and native / divisor > SMALL_PRINT_DPI:
        divisor += 1
    return native / divisor


def _has_small_print(glyphs: Sequence[Glyph], unit: float) -> bool:
    """Whether a twentieth of the print is small, or it has no size because it is no text."""
    heights = sorted(span_of(glyph).height for glyph in glyphs if glyph.text.strip())
    if not heights:
        return True
    return heights[len(heights) // 20] * unit * POINTS_PER_INCH / LINE_BY_SIZE < SMALL_PRINT_POINTS
