"""Reading a straight page the right way up, with as few readings as will do.

A page that was read the right way up shows it: lines run across, and the recogniser is confident. Where it does not,
a band of the page is read the other way up, which costs a fraction of a page, and only where that reads better the
page is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handlers.document.engine import Line, PageText, mean_confidence, read_page, sure_characters
from handlers.document.reading.plane import Plane, turned_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handlers.document.engine import OcrEngine, Page
    from handlers.document.reading.orientation import Orientation

BORNE_OUT = 0.85
"""The mean confidence from which a page is taken to stand right. Pages that are upside down are read with 0.5 to 0.75,
the same pages upright with 0.95 and more."""

BAND_SHARE = 1 / 6
"""Of the page's height, in the band that is read the other way up."""

WHOLE_PAGE_PIXELS = 400_000
"""A page of fewer is read as a whole where a band would do."""

CLEARLY = 0.05
"""By how much the mean confidence of the band has to be higher."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``text`` as the engine gave it on ``plane``, which is the straight page turned back by ``quarters``. ``unsure``:
    that this is the right way up was neither plain from the page nor borne out by the text."""

    plane: Plane
    quarters: int
    text: PageText
    unsure: bool = False


def read_upright(engine: OcrEngine, straight: Plane, orientation: Orientation) -> Reading:
    """The better reading of ``straight``, turned as ``orientation`` says or otherwise.

    Raises as :func:`handlers.document.engine.read_page` does.
    """
    first = read_turned(engine, straight, orientation.quarters)
    if not first.text.lines or _is_borne_out(first.text.lines):
        return first
    best = first
    for quarters in _others(first, orientation):
        if (quarters - first.quarters) % 4 == 2 and not _band_reads_better(engine, first):
            continue
        best = max(best, read_turned(engine, straight, quarters), key=lambda one: sure_characters(one.text.lines))
        if _is_borne_out(best.text.lines):
            break
    sure = _is_borne_out(best.text.lines) or (orientation.sure and best.quarters == orientation.quarters)
    return Reading(best.plane, best.quarters, best.text, unsure=not sure)


def read_turned(engine: OcrEngine, straight: Plane, quarters: int) -> Reading:
    plane = turned_back(straight, quarters)
    return Reading(plane, quarters % 4, read_page(engine, plane.pixels))


def _is_borne_out(lines: Sequence[Line]) -> bool:
    return bool(lines) and (mean_confidence(tuple(lines)) or 0.0) >= BORNE_OUT and not _runs_down(lines)


def _runs_down(lines: Sequence[Line]) -> bool:
    """Whether most characters are in boxes that are higher than wide, single characters not counted."""
    across = sum(len(line.text) for line in lines if len(line.text) > 2 and not _is_high(line))
    down = sum(len(line.text) for line in lines if len(line.text) > 2 and _is_high(line))
    return down > across


def _is_high(line: Line) -> bool:
    xs, ys = zip(*line.polygon, strict=True)
    return max(ys) - min(ys) > max(xs) - min(xs)


def _others(first: Reading, orientation: Orientation) -> tuple[int, ...]:
    """The other quarter turns that may be right, the likelier first."""
    if _runs_down(first.text.lines):
        return ((first.quarters + 1) % 4, (first.quarters + 3) % 4)
    opposite = (first.quarters + 2) % 4
    if orientation.sure or orientation.across is not None:
        return (opposite,)
    return (opposite, (first.quarters + 1) % 4, (first.quarters + 3) % 4)


def _band_reads_better(engine: OcrEngine, first: Reading) -> bool:
    page = first.plane.pixels
    if page.shape[0] * page.shape[1] <= WHOLE_PAGE_PIXELS:
        return True
    top, bottom, lines = _band(first)
    other = read_page(engine, _upside_down(page[top:bottom])).lines
    if not other:
        return False
    before, after = mean_confidence(lines) or 0.0, mean_confidence(other) or 0.0
    return after > before + CLEARLY and sure_characters(other) > 0.5 * sure_characters(lines)


def _band(first: Reading) -> tuple[int, int, tuple[Line, ...]]:
    """The rows of the page with the most text among bands of one height, and the lines that lie in them."""
    height = first.plane.height
    high = max(1, round(BAND_SHARE * height))
    middles = [(min(y for _, y in line.polygon) + max(y for _, y in line.polygon)) / 2 for line in first.text.lines]
    weights = [len(line.text) for line in first.text.lines]

    def text_from(top: int) -> int:
        return sum(weight for middle, weight in zip(middles, weights, strict=True) if top <= middle < top + high)

    top = max(range(0, height - high + 1, max(1, high // 4)), key=text_from)
    inside = tuple(line for line, middle in zip(first.text.lines, middles, strict=True) if top <= middle < top + high)
    room = high // 8
    return max(0, top - room), min(height, top + high + room), inside


def _upside_down(page: Page) -> Page:
    return np.ascontiguousarray(page[::-1, ::-1])
