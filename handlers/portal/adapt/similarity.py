"""How much alike two pictures are: the structural similarity index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from handlers.document.engine import Page

WINDOW = (7, 7)
STEADY = (0.03 * 255) ** 2
_STEADY_MEAN = (0.01 * 255) ** 2
"""C2 and C1 of the paper, for 8 bits."""


def similarity(first: Page, second: Page) -> float:
    """The mean SSIM of the three channels (Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", 2004), over windows of 7 by 7 pixels that lie within the picture, of
    the sample variance: as scikit-image counts. A picture under 7 pixels on a side is reflected beyond its edges."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    index = _index(a, b)
    margin = WINDOW[0] // 2
    inner = index[margin:-margin, margin:-margin] if min(index.shape[:2]) >= WINDOW[0] else index
    return float(inner.mean())


def _index(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    count = WINDOW[0] * WINDOW[1]
    sample = count / (count - 1)
    mean_a, mean_b = cv2.blur(a, WINDOW), cv2.blur(b, WINDOW)
    both = mean_a * mean_b
    squares = mean_a * mean_a + mean_b * mean_b
    spread = sample * (cv2.blur(a * a, WINDOW) + cv2.blur(b * b, WINDOW) - squares)
    shared = sample * (cv2.blur(a * b, WINDOW) - both)
    found = (2 * both + _STEADY_MEAN) * (2 * shared + STEADY) / ((squares + _STEADY_MEAN) * (spread + STEADY))
    return np.asarray(found, np.float64)
