"""How much of what looks like text was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from handlers.document.reading.letters import in_rows

if TYPE_CHECKING:
    from handlers.document.engine import Line
    from handlers.document.reading.ink import Ink
    from handlers.document.reading.plane import Plane

_ROOM = 0.5


def missed_share(ink: Ink, flat: Plane, lines: Sequence[Line]) -> float:
    """The share of letters, 0..1, that lie in none of ``lines``; 0 where those outside stand in no rows: texture.

    ``ink`` is that of ``flat``; the lines' polygons are in the given page's positions.
    """
    if not len(ink.boxes):
        return 0.0
    covered = np.zeros(ink.grey.shape, np.uint8)
    to_flat = np.linalg.inv(flat.back)
    for line in lines:
        corners = cv2.perspectiveTransform(np.array([line.polygon], np.float64), to_flat) / ink.scale
        cv2.fillPoly(covered, [np.round(corners[0]).astype(np.int32)], 1)
    room = max(1, round(_ROOM * ink.size)) * 2 + 1
    covered = np.asarray(cv2.dilate(covered, np.ones((room, room), np.uint8)), np.uint8)
    middles = ink.middles()
    outside = covered[middles[:, 1], middles[:, 0]] == 0
    if not in_rows(middles[outside], ink.size):
        return 0.0
    return float(outside.mean())
