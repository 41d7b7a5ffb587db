from __future__ import annotations

import cv2
import numpy as np
import pytest

from docker_worker.ocr.crops import LINE_HEIGHT, cut, sides, turned
from tests.support.networks import paper


def box(left: float, top: float, width: float, height: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    corners = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
    return np.array(corners, np.float32)


def test_a_crop_is_the_box_and_nothing_else() -> None:
    page = paper(200, 400)
    page[50:98, 100:300] = 0

    assert cut(page, box(100, 50, 200, 48), 200)[2:-2, 2:-2].max() == 0
    assert cut(page, box(310, 50, 60, 48), 60).min() == 255


def test_a_tilted_box_is_cut_upright() -> None:
    page = paper(400, 600)
    corners = cv2.boxPoints(((300.0, 200.0), (300.0, 40.0), 20.0))
    cv2.fillPoly(page, [np.round(corners).astype(np.int32)], (0, 0, 0))
    tilted = np.asarray(np.roll(corners, -1, axis=0), np.float32)
    assert sides(tilted) == pytest.approx((300, 40))

    crop = cut(page, tilted, 360)

    assert crop.shape == (LINE_HEIGHT, 360, 3)
    assert crop[4:-4, 4:-4].mean() < 10


def test_a_box_that_is_much_larger_is_shrunk_without_losing_thin_strokes() -> None:
    page = paper(800, 4000)
    page[:, 80::160] = 0
    page[:, 81::160] = 0

    crop = cut(page, box(0, 100, 4000, 480), 400)

    assert all(crop[24, start : start + 16].min() < 235 for start in range(0, 400, 16))


def test_text_that_runs_downwards_is_cut_along_its_run() -> None:
    page = paper(400, 200)
    page[100:200, 50:90] = 0

    crop = cut(page, turned(box(50, 100, 40, 200)), 240)

    assert crop[4:-4, 5:110].max() < 10
    assert crop[4:-4, 130:235].min() > 245


@pytest.mark.parametrize("at", [(0, 0, 0, 0), (199, 99, 1, 1), (150, 50, 0, 30)])
def test_a_box_without_extent_or_at_the_edge_gives_a_crop(at: tuple[int, int, int, int]) -> None:
    assert cut(paper(100, 200), box(*at), 32).shape == (LINE_HEIGHT, 32, 3)
