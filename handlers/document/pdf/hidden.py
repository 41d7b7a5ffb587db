"""Which of a page's characters nobody can see: white on white, without ink, under a picture, or too small.

Most pages have none that could be, which is told without looking at them. Of the others a small picture is looked at: a
character is seen where something is. The text of a scan that was read before is without ink, or lies under the
scan: what is seen there is the scan's print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handlers.document.pdf.geometry import PageGeometry
from handlers.document.pdf.glyphs import Glyph
from handlers.document.pdf.ink import CELL
from handlers.document.pdf.pictures import Picture
from handlers.document.pdf.text_layer import span_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from handlers.document.engine import Page

SMALLEST_POINTS = 1.0
"""Print of this height cannot be read on any paper; microprint is no text of a page."""

FAINTEST = 24
"""Grey levels, in any colour, between what is seen and what is around it. Print of 5 points drawn at 72 dpi has 60."""

_Box = tuple[float, float, float, float]


def too_small(glyphs: Sequence[Glyph], points: float) -> list[bool]:
    """Of each character; ``points`` are those of a unit of user space."""
    return [_is_ink(glyph) and 0 < span_of(glyph).height * points < SMALLEST_POINTS for glyph in glyphs]


def doubtful(glyphs: Sequence[Glyph], pictures: Sequence[Picture], geometry: PageGeometry) -> list[bool]:
    """Whether each character could be unseen: one without ink, in white, or where a picture is."""
    boxes = [_seen_box(picture, geometry) for picture in pictures]
    return [_is_ink(glyph) and (glyph.invisible or glyph.pale or _is_inside(glyph, boxes)) for glyph in glyphs]


def unseen(glyphs: Sequence[Glyph], wanted: Sequence[bool], pixels: Page, scale: float) -> list[bool]:
    """Which of the ``wanted`` have nothing where they are; ``scale`` is the pixels of a unit of user space."""
    marked = _marked(pixels)
    return [asked and not _has_mark(glyph, marked, scale / CELL) for glyph, asked in zip(glyphs, wanted, strict=True)]


def share_of(chosen: Sequence[bool], glyphs: Sequence[Glyph]) -> float:
    """Of the characters that are no white space, 0..1."""
    return sum(chosen) / max(1, sum(map(_is_ink, glyphs)))


def _is_ink(glyph: Glyph) -> bool:
    return not glyph.generated and not glyph.text.isspace()


def _seen_box(picture: Picture, geometry: PageGeometry) -> _Box:
    (ax, ay), (bx, by) = (
        geometry.seen(picture.box.left, picture.box.bottom),
        geometry.seen(picture.box.right, picture.box.top),
    )
    return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


def _is_inside(glyph: Glyph, boxes: Sequence[_Box]) -> bool:
    x, y = (glyph.left + glyph.right) / 2, (glyph.top + glyph.bottom) / 2
    return any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in boxes)


def _marked(pixels: Page) -> npt.NDArray[np.bool_]:
    """Cells of :data:`CELL` pixels in which something is to be seen."""
    import numpy as np  # noqa: PLC0415 - the function app has none

    rows, columns = -(-pixels.shape[0] // CELL), -(-pixels.shape[1] // CELL)
    padding = ((0, rows * CELL - pixels.shape[0]), (0, columns * CELL - pixels.shape[1]), (0, 0))
    cells = np.pad(pixels, padding, mode="edge").reshape(rows, CELL, columns, CELL, 3)
    found: npt.NDArray[np.bool_] = (np.ptp(cells, axis=(1, 3)) >= FAINTEST).any(axis=2)
    return found


def _has_mark(glyph: Glyph, marked: npt.NDArray[np.bool_], scale: float) -> bool:
    top, left = max(0, int(glyph.top * scale)), max(0, int(glyph.left * scale))
    return bool(marked[top : int(glyph.bottom * scale) + 1, left : int(glyph.right * scale) + 1].any())
