"""The edges of a sheet of paper in a photo of it, and the photo as if it had been taken from right above."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from handlers.document.reading.letters import in_rows
from handlers.document.reading.plane import Plane, drawn

if TYPE_CHECKING:
    import numpy.typing as npt

    from handlers.document.reading.ink import Grey, Ink
    from handlers.document.reading.plane import Matrix

    Corners = npt.NDArray[np.floating[Any]]
    Contour = npt.NDArray[np.int32]

LOOKED_AT_SIDE = 500
"""The longer side of what edges are looked for in, in pixels."""

LEAST_SHARE, MOST_SHARE = 0.2, 0.97
"""Of the photo, that the sheet takes."""

LEAST_TILT, MOST_TILT = 1.0, 35.0
"""By how many degrees the corner that is farthest from a right angle misses it: less is not worth drawing the page
anew, more is not a sheet."""

LEAST_FIT = 0.93
"""How much of the four-sided figure the shape that was found fills, and the other way round."""

MARGIN = 0.02
"""Of its sides, that is kept around the sheet: what was found is right to a pixel or two of the reduced photo."""

_SIDES_KEPT = 0.15
_TEXT_OUTSIDE = 0.05


@dataclass(frozen=True, slots=True)
class Sheet:
    """``corners``, 4x2, in positions of the given page, from the upper left clockwise. ``tilt`` is by how many degrees
    the corner that is farthest from a right angle misses it."""

    corners: Corners
    tilt: float


def sheet_of(ink: Ink) -> Sheet | None:
    """The sheet that a photo shows in perspective; ``None`` where there is none, or its text goes on beyond it."""
    by = max(ink.grey.shape) / LOOKED_AT_SIDE
    size = (max(1, round(ink.grey.shape[1] / by)), max(1, round(ink.grey.shape[0] / by)))
    grey = np.asarray(cv2.resize(ink.grey, size, interpolation=cv2.INTER_AREA), np.uint8) if by > 1 else ink.grey
    found = [corners for shape in _shapes(grey) if (corners := _corners(shape, grey.size)) is not None]
    if not found:
        return None
    corners = max(found, key=_area) * (
        np.array(ink.grey.shape[::-1], np.float64) / np.array(grey.shape[::-1], np.float64)
    )
    tilt = _tilt(corners)
    if not LEAST_TILT <= tilt <= MOST_TILT or _text_goes_on(ink, corners):
        return None
    return Sheet(corners * ink.scale, tilt)


def flattened(plane: Plane, sheet: Sheet) -> Plane:
    """The sheet as a rectangle that fills the page, but for a margin."""
    top, right, bottom, left = np.linalg.norm(np.roll(sheet.corners, -1, axis=0) - sheet.corners, axis=1)
    width, height = max(top, bottom), max(left, right)
    room = MARGIN * max(width, height)
    wide, high = round(width + 2 * room), round(height + 2 * room)
    target = np.array(
        [[room, room], [room + width, room], [room + width, room + height], [room, room + height]], np.float32
    )
    back: Matrix = np.asarray(cv2.getPerspectiveTransform(target, sheet.corners.astype(np.float32)), np.float64)
    return drawn(plane, back, wide, high)


def _shapes(grey: Grey) -> list[Contour]:
    """The outlines of what is brighter than the rest, or enclosed by strong edges."""
    smooth = cv2.medianBlur(grey, 7)
    _, bright = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    closed = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    edges = cv2.dilate(cv2.Canny(smooth, 30, 90), np.ones((3, 3), np.uint8))
    shapes: list[Contour] = []
    for picture in (cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((15, 15), np.uint8)), edges):
        outlines, _ = cv2.findContours(picture, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        shapes += [np.asarray(outline, np.int32) for outline in sorted(outlines, key=cv2.contourArea)[-2:]]
    return shapes


def _corners(outline: Contour, pixels: int) -> Corners | None:
    """The four corners of an outline that has four straight sides, from the upper left clockwise."""
    hull = cv2.convexHull(outline)
    if not LEAST_SHARE <= cv2.contourArea(hull) / pixels <= MOST_SHARE:
        return None
    for share in (0.02, 0.03, 0.05, 0.08):
        rough = cv2.approxPolyDP(hull, share * cv2.arcLength(hull, closed=True), closed=True).reshape(-1, 2)
        if len(rough) == 4:
            corners = _refined(_clockwise(rough.astype(np.float64)), _points(outline))
            return corners if corners is not None and _fits(corners, outline) else None
    return None


def _points(outline: Contour) -> npt.NDArray[np.floating[Any]]:
    """The outline's points as Nx2 positions: middles of pixels."""
    points: npt.NDArray[np.floating[Any]] = outline.reshape(-1, 2).astype(np.float64) + 0.5
    return points


def _clockwise(corners: Corners) -> Corners:
    """From the one that is nearest to the upper left."""
    middle = corners.mean(axis=0)
    order = np.argsort(np.arctan2(*(corners - middle).T[::-1]))
    corners = corners[order]
    return np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0)


def _refined(rough: Corners, points: npt.NDArray[np.floating[Any]]) -> Corners | None:
    """Where straight lines through the points of each side meet."""
    sides = []
    for start, end in pairwise([*rough, rough[0]]):
        along = end - start
        length = float(np.hypot(*along))
        if length < 20:
            return None
        offset = points - start
        share = offset @ along / length**2
        distance = np.abs(offset @ np.array([-along[1], along[0]], np.float64)) / length
        own = points[(distance < 4) & (share > _SIDES_KEPT) & (share < 1 - _SIDES_KEPT)]
        if len(own) < 0.4 * length:
            return None
        dx, dy, x, y = (float(v[0]) for v in cv2.fitLine(own.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01))
        sides.append(np.cross((x, y, 1.0), (x + dx, y + dy, 1.0)))
    meets = np.stack([np.cross(sides[n - 1], sides[n]) for n in range(4)])
    if (np.abs(meets[:, 2]) < 1e-9).any():
        return None
    corners: Corners = meets[:, :2] / meets[:, 2:]
    return corners


def _fits(corners: Corners, outline: Contour) -> bool:
    """Whether the figure is convex and what is inside the outline and inside the figure is nearly the same."""
    figure = corners.astype(np.float32).reshape(-1, 1, 2)
    if not cv2.isContourConvex(figure):
        return False
    hull = cv2.convexHull(outline)
    shared, _ = cv2.intersectConvexConvex(figure, hull.astype(np.float32))
    return bool(shared >= LEAST_FIT * max(cv2.contourArea(hull), cv2.contourArea(figure)))


def _area(corners: Corners) -> float:
    return float(cv2.contourArea(corners.astype(np.float32)))


def _tilt(corners: Corners) -> float:
    """By how many degrees the corner that is farthest from a right angle misses it."""
    before, after = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
    cosines = (before * after).sum(axis=1) / (np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1))
    return float(np.abs(np.degrees(np.arccos(np.clip(cosines, -1, 1))) - 90).max())


def _text_goes_on(ink: Ink, corners: Corners) -> bool:
    """Whether letters in rows stand outside the sheet: then it is a figure on the page, and no sheet."""
    if not len(ink.boxes):
        return False
    inside = np.zeros(ink.grey.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
    middle = ink.middles()
    outside = inside[middle[:, 1], middle[:, 0]] == 0
    if outside.sum() <= _TEXT_OUTSIDE * len(outside):
        return False
    return in_rows(middle[outside], ink.size)
