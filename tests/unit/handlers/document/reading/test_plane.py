"""Positions on a page that was straightened are those of the same print on the page as it was given."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from handlers.document.engine import Line, Word
from handlers.document.reading.plane import (
    Plane,
    angle_of,
    drawn,
    given,
    line_back,
    paper_colour,
    rotated_back,
    scaled,
    turned_back,
)

WIDTH, HEIGHT = 400, 300
DOTS = ((40.0, 30.0), (350.0, 60.0), (200.0, 150.0), (60.0, 260.0), (330.0, 270.0))


def dotted() -> Plane:
    """Soft dots, so that their middle is found to a fraction of a pixel."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    dark = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 4.0**2)) for a, b in DOTS)
    grey = np.asarray(np.clip(240 - 220 * dark, 0, 255), np.uint8)
    return given(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)))


def dots_on(plane: Plane) -> list[tuple[float, float]]:
    grey = plane.pixels[:, :, 0].astype(np.float64)
    weight = np.maximum(200.0 - grey, 0.0)
    count, labels = cv2.connectedComponents((weight > 0).astype(np.uint8))
    y, x = np.mgrid[0 : plane.height, 0 : plane.width] + 0.5
    found = []
    for label in range(1, count):
        own = weight * (labels == label)
        found.append((float((own * x).sum() / own.sum()), float((own * y).sum() / own.sum())))
    return found


def back_on_page(plane: Plane) -> list[tuple[float, float]]:
    points = plane.back @ np.array([[x, y, 1.0] for x, y in dots_on(plane)]).T
    return sorted((float(x / w), float(y / w)) for x, y, w in points.T)


def perspective(plane: Plane) -> Plane:
    corners = np.array([[10, 5], [390, 20], [380, 290], [0, 300]], np.float32)
    target = np.array([[0, 0], [500, 0], [500, 400], [0, 400]], np.float32)
    return drawn(plane, np.asarray(cv2.getPerspectiveTransform(target, corners), np.float64), 500, 400)


@pytest.mark.parametrize(
    "change",
    [
        lambda plane: turned_back(plane, 1),
        lambda plane: turned_back(plane, 2),
        lambda plane: turned_back(plane, 3),
        lambda plane: rotated_back(plane, 7.3),
        lambda plane: rotated_back(plane, -14.0),
        lambda plane: turned_back(rotated_back(plane, 11.0), 3),
        perspective,
        lambda plane: turned_back(rotated_back(perspective(plane), 2.0), 1),
        lambda plane: scaled(plane, 2.0),
        lambda plane: scaled(turned_back(plane, 1), 0.7),
    ],
)
def test_dots_are_where_they_were(change: object) -> None:
    assert callable(change)
    plane = change(dotted())
    assert back_on_page(plane) == [pytest.approx(dot, abs=0.25) for dot in sorted(DOTS)]


def test_quarter_turns_change_no_pixel() -> None:
    plane = dotted()
    assert turned_back(plane, 0) is plane
    twice = turned_back(turned_back(plane, 1), 3)
    assert (twice.pixels == plane.pixels).all()
    assert np.allclose(twice.back, np.eye(3))


@pytest.mark.parametrize(
    ("quarters", "degrees", "angle"), [(0, 5.0, 5.0), (1, -3.0, 87.0), (2, 2.0, -178.0), (2, 0.0, 180.0)]
)
def test_the_angle_is_quarter_turns_and_skew_together(quarters: int, degrees: float, angle: float) -> None:
    plane = turned_back(rotated_back(dotted(), degrees), quarters)
    assert angle_of(plane.back, plane.width, plane.height) == pytest.approx(angle, abs=1e-6)


def test_what_is_filled_in_has_the_papers_colour() -> None:
    plane = dotted()
    plane.pixels[:] = np.where(plane.pixels > 200, np.array([200, 225, 240]), plane.pixels).astype(np.uint8)
    assert paper_colour(plane.pixels) == (200, 225, 240)
    assert tuple(rotated_back(plane, 10.0).pixels[0, 0]) == (200, 225, 240)


def test_polygons_come_back_with_their_words_and_stay_on_the_page() -> None:
    plane = rotated_back(dotted(), 10.0)
    box = ((0.0, 0.0), (100.0, 0.0), (100.0, 20.0), (0.0, 20.0))
    line = line_back(Line("a b", 0.9, box, (Word("a", box, 0.8), Word("b", box))), plane.back, WIDTH, HEIGHT)
    assert line.words is not None
    assert [word.text for word in line.words] == ["a", "b"]
    assert line.polygon == line.words[0].polygon
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in line.polygon)
