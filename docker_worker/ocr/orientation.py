"""Which way up a page stands, by the classifier that PP-OCR comes with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np

from handlers.document.engine import Turn

if TYPE_CHECKING:
    from docker_worker.ocr.networks import Network, Tensor
    from handlers.document.engine import Page

SHORTER_SIDE, SEEN_SIDE = 256, 224
"""Of the published PP-LCNet_x1_0_doc_ori: the page is brought to the one, and its middle of the other seen."""

CLASSIFIED_ASPECT = 50
"""The longest side over the shortest up to which it can be told."""

DEGREES: Final[tuple[Literal[0], Literal[90], Literal[180], Literal[270]]] = (0, 90, 180, 270)

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def page_turn(page: Page, classify: Network) -> Turn:
    height, width = page.shape[:2]
    if max(height, width) > CLASSIFIED_ASPECT * min(height, width):
        return Turn(0, 0.0)
    sure = classify(_tensor(page))[0]
    best = int(sure.argmax())
    return Turn(DEGREES[best], min(1.0, max(0.0, float(sure[best]))))


def _tensor(page: Page) -> Tensor:
    """The middle square of the page, red first. What lies outside of it is cut off before it is scaled."""
    height, width = page.shape[:2]
    side = min(height, width) * SEEN_SIDE / SHORTER_SIDE
    top, left = round((height - side) / 2), round((width - side) / 2)
    middle = page[top : max(top + 1, round(top + side)), left : max(left + 1, round(left + side))]
    larger = middle.shape[0] > SEEN_SIDE
    seen = cv2.resize(middle, (SEEN_SIDE, SEEN_SIDE), interpolation=cv2.INTER_AREA if larger else cv2.INTER_LINEAR)
    normalised = (seen[:, :, ::-1].astype(np.float32) / 255 - _MEAN) / _DEVIATION
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), np.float32)[None]
