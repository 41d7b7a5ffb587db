"""Tall empty strips between pieces of text: where a page may have its columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from handlers.document.layout.box import Box

LEAST_WIDTH = 0.25
"""In line heights. Detectors grow their boxes by some tenths on each side, so that a printed gutter of one em shows
as less."""

LEAST_HEIGHT = 2.5
"""In line heights: three lines beside three lines."""

SPECK = 1.2
"""In line heights: what is no wider closes no gutter. It is a stain, a bullet, a single digit."""

MOST_OPEN = 40
"""Gaps that are followed at a time; a page of print has some ten, and what has hundreds has no columns."""

MOST_FOUND = 24
"""Gutters that are given for a region, the tallest."""


class Gutter(NamedTuple):
    """An empty strip from ``left`` to ``right`` and from ``top`` to ``bottom``."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


def is_speck(box: Box, height: float) -> bool:
    return box.width <= SPECK * height


def is_part_of(gutter: Gutter, taller: Gutter, height: float) -> bool:
    """Whether a gutter is a wider piece of a ``taller`` one, between two of the lines that reach into that.

    What the taller one does not part, this does not: on few lines, cells look like columns by chance.
    """
    inside = taller.top - height <= gutter.top and gutter.bottom <= taller.bottom + height
    return inside and gutter.left <= taller.left and gutter.right >= taller.right


def gutters(boxes: Sequence[Box], height: float) -> list[Gutter]:
    """Empty strips inside ``boxes`` whose ``height`` of a line is given, the tallest first.

    One sweep from the top down. It follows the gaps in x that are open at a height, each with how far up it reaches:
    a box cuts those that it stands in, and opens one over the full width under itself. Where a gap opens and closes
    is known to a line's height, not better.
    """
    solid = [box for box in boxes if not is_speck(box, height)]
    if not solid:
        return []
    sides = (min(box.left for box in solid), max(box.right for box in solid))
    found: list[Gutter] = []
    gaps = [Gutter(*sides, min(box.top for box in solid), 0.0)]
    for box in sorted(solid, key=lambda box: (box.top, box.left, box.right)):
        following: list[Gutter] = [Gutter(*sides, box.bottom, 0.0)]
        for gap in gaps:
            if box.right <= gap.left or box.left >= gap.right:
                following.append(gap)
            else:
                found.append(gap._replace(bottom=box.top))
                following.extend(_cut(gap, box, LEAST_WIDTH * height))
        gaps = _longest(following, height / 2)
    bottom = max(box.bottom for box in solid)
    found.extend(gap._replace(bottom=bottom) for gap in gaps)
    return _tallest(found, sides, height)


def _cut(gap: Gutter, box: Box, least: float) -> Iterable[Gutter]:
    if box.left - gap.left >= least:
        yield gap._replace(right=box.left)
    if gap.right - box.right >= least:
        yield gap._replace(left=box.right)


def _longest(gaps: Iterable[Gutter], tolerance: float) -> list[Gutter]:
    """The gaps that reach up the farthest, without those that lie in such a one."""
    kept: list[Gutter] = []
    for gap in sorted(gaps, key=lambda gap: (gap.top, gap.left - gap.right, gap.left)):
        within = (k.left <= gap.left + tolerance and k.right >= gap.right - tolerance for k in kept)
        if not any(within):
            kept.append(gap)
    return kept if len(kept) <= MOST_OPEN else [*kept[: MOST_OPEN - 1], kept[-1]]


def _tallest(found: Iterable[Gutter], sides: tuple[float, float], height: float) -> list[Gutter]:
    inside = [
        gutter
        for gutter in found
        if gutter.height >= LEAST_HEIGHT * height and sides[0] < gutter.left and gutter.right < sides[1]
    ]
    kept: list[Gutter] = []
    for gutter in sorted(inside, key=lambda gutter: (-gutter.height, gutter)):
        if not any(_same_run(gutter, other, height) for other in kept):
            kept.append(gutter)
        if len(kept) == MOST_FOUND:
            break
    return kept


def _same_run(a: Gutter, b: Gutter, height: float) -> bool:
    """Whether two begin and end at the same lines: the pieces between these are looked at once."""
    return abs(a.top - b.top) < height and abs(a.bottom - b.bottom) < height
