"""What of the print that is seen on a page its text layer covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handlers.document.engine import Line

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from handlers.document.engine import Page

LOOK_DPI = 72.0
"""Enough to see that there is print, and a fiftieth of the work of reading it."""

MAX_LOOK_PIXELS = 2_000_000

CELL = 6
"""Pixels: a twelfth of an inch, about a line of print."""

CONTRAST = 60
"""Grey levels between the darkest and the lightest pixel of a cell with print. Print of 10 points drawn at 72 dpi has
120 and more, paper and soft pictures have less than 40."""

MIN_CELLS = 4
"""With fewer cells there is nothing to be covered: a speck, or a rule."""


def covered_print(pixels: Page, lines: Sequence[Line], dpi: float) -> float:
    """The share of the cells with print on ``pixels`` that are under a word of ``lines``, whose unit is the inch."""
    import numpy as np  # noqa: PLC0415 - the function app has none

    busy = _busy(pixels.min(axis=2), pixels.max(axis=2))
    total = int(np.count_nonzero(busy))
    if total < MIN_CELLS:
        return 1.0
    under = _under_words(busy.shape, lines, dpi / CELL)
    return int(np.count_nonzero(busy & under)) / total


def _busy(dark: npt.NDArray[np.uint8], light: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    rows, columns = dark.shape[0] // CELL, dark.shape[1] // CELL
    shape = (rows, CELL, columns, CELL)
    lowest = dark[: rows * CELL, : columns * CELL].reshape(shape).min(axis=(1, 3), initial=255)
    highest = light[: rows * CELL, : columns * CELL].reshape(shape).max(axis=(1, 3), initial=0)
    found: npt.NDArray[np.bool_] = highest.astype(int) - lowest > CONTRAST
    return found


def _under_words(shape: tuple[int, ...], lines: Sequence[Line], scale: float) -> npt.NDArray[np.bool_]:
    import numpy as np  # noqa: PLC0415 - the function app has none

    under = np.zeros(shape, bool)
    for polygon in (word.polygon for line in lines for word in line.words or ()):
        xs, ys = [x * scale for x, _ in polygon], [y * scale for _, y in polygon]
        under[int(min(ys)) : int(max(ys)) + 1, int(min(xs)) : int(max(xs)) + 1] = True
    return under
