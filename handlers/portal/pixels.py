"""What the stages do with pixels. Importing this imports numpy and cv2, which only the running task has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import cv2
import numpy as np

from handlers.document.errors import DecodeFailed
from handlers.document.output.pictures import thumbnail
from handlers.document.reading.enhance import changes_for, enhanced
from handlers.document.reading.ink import ink_of
from handlers.document.reading.plane import given
from handlers.document.reading.quality import quality_of
from handlers.portal.errors import EnhanceFailed, QualityFailed

if TYPE_CHECKING:
    from handlers.document.engine import Page
    from handlers.document.reading.records import PageQuality

PREVIEW_SIDE = 512

BLANK_BELOW = 1.0
"""Grey levels: a picture whose levels deviate by less from their mean shows nothing but its sensor's noise."""

CHANGES = frozenset({"noise"})
"""Of what can be done for a page that is read badly, what becomes a picture as well: evening out the light takes its
colours, enlarging it adds nothing, and it is sharpened when it has its size."""

_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def png_of(pixels: Page) -> bytes:
    """Without loss, and as fast as can be. Raises :class:`MemoryError`."""
    done, data = cv2.imencode(".png", pixels, _PNG)
    if not done:
        raise MemoryError
    return data.tobytes()


def pixels_of(png: bytes) -> Page:
    """What :func:`png_of` was given. Raises :class:`handlers.document.errors.DecodeFailed`."""
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise DecodeFailed("a page that was decoded before is not what was kept of it")
    return np.ascontiguousarray(found, np.uint8)


def measured(pixels: Page) -> tuple[float, dict[str, float | None]]:
    """The score, 0..1, and the other measures of :class:`handlers.document.reading.PageQuality`.

    Raises :class:`handlers.portal.errors.QualityFailed`.
    """
    try:
        _, deviation = cv2.meanStdDev(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
        quality = _quality(pixels)
    except cv2.error as error:
        raise QualityFailed("the picture's quality cannot be measured") from error
    if float(deviation[0, 0]) < BLANK_BELOW:
        raise QualityFailed("nothing is to be seen on the picture", deviation=round(float(deviation[0, 0]), 3))
    measures = {name: None if value is None else round(float(value), 4) for name, value in asdict(quality).items()}
    score = measures.pop("score")
    assert score is not None
    return score, measures


def improved(pixels: Page) -> tuple[Page, tuple[str, ...]]:
    """The picture with what is worth changing changed, where it is measurably better for it; else as it is.

    Raises :class:`handlers.portal.errors.EnhanceFailed`.
    """
    try:
        before = _quality(pixels)
        changes = tuple(change for change in changes_for(before) if change in CHANGES)
        if not changes:
            return pixels, ()
        changed = enhanced(given(pixels), changes, before).pixels
        return (changed, changes) if _quality(changed).score > before.score else (pixels, ())
    except cv2.error as error:
        raise EnhanceFailed("the picture cannot be enhanced") from error


def preview(pixels: Page) -> bytes:
    """JPEG."""
    return thumbnail(pixels, PREVIEW_SIDE)


def _quality(pixels: Page) -> PageQuality:
    return quality_of(pixels, ink_of(pixels), runs_down=False)
