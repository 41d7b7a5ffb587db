"""Engines that read as a page stands: by where its blue corner is, what was upper left when it was made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from handlers.document.engine import Line, PageText, Turn
from testing.ocr_engines import scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handlers.document.engine import Page

BLUE = (255, 0, 0)
_TEXT = ("one line of it", "and then another", "and a third one")


def marked(page: Page) -> Page:
    """The page with a blue corner, upper left."""
    copy = page.copy()
    side = max(4, min(page.shape[:2]) // 12)
    copy[:side, :side] = BLUE
    return copy


def quarters_of(page: Page) -> int | None:
    """How many quarters a marked page is turned clockwise; ``None`` where its corner is not on it."""
    blue = (page.astype(np.int16) @ np.array([1, -1, -1])) > 180
    rows, columns = np.nonzero(blue)
    if len(rows) < 16:
        return None
    below, right = rows.mean() > page.shape[0] / 2, columns.mean() > page.shape[1] / 2
    return {(False, False): 0, (False, True): 1, (True, True): 2, (True, False): 3}[bool(below), bool(right)]


class ReadsWhatStands:
    """Reads with the confidence 0.97 what stands upright, with 0.62 what is upside down, and what lies on its side in
    high boxes. ``says`` is what its classifier says, of whatever page. A part of the page without the blue corner reads
    like the last page or part that had one, turned as it was cut."""

    concurrency = 1

    def __init__(self, says: Turn, upright: float = 0.97, upside_down: float = 0.62) -> None:
        self._says = says
        self._confidences = {0: upright, 2: upside_down}
        self.read_pages: list[tuple[int, ...]] = []
        self.asked = 0

    def turn(self, page: Page) -> Turn:
        self.asked += 1
        return self._says

    def read(self, page: Page) -> PageText:
        self.read_pages.append(page.shape)
        quarters = quarters_of(page)
        if quarters is None:
            return scripted(page, ())
        if quarters % 2:
            return replace(scripted(page, ()), lines=tuple(_columns(page)))
        return scripted(page, _TEXT, self._confidences[quarters])


def _columns(page: Page) -> Sequence[Line]:
    height, width = page.shape[:2]
    step = width / 4
    boxes = [(step * n, step * n + step / 3) for n in range(1, 4)]
    return [
        Line(text, 0.9, ((a, height * 0.1), (b, height * 0.1), (b, height * 0.9), (a, height * 0.9)), ())
        for text, (a, b) in zip(_TEXT, boxes, strict=True)
    ]
