from __future__ import annotations

import cv2
import numpy as np
import pytest

from docker_worker.ocr.crops import LINE_HEIGHT, cut, sides, turned, without_rules
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


def cell(width: int = 200) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A crop with a word in its middle rows: strokes from row 12 to row 36."""
    crop = paper(LINE_HEIGHT, width)
    for left in range(30, width - 30, 12):
        crop[12:36, left : left + 4] = 0
    return crop


@pytest.mark.parametrize("ink", [0, 150])
@pytest.mark.parametrize("side", [slice(3, 6), slice(0, 2), slice(-9, -4), slice(-1, None)])
def test_an_upright_rule_at_an_end_becomes_paper(side: slice, ink: int) -> None:
    crop = cell()
    crop[:, side] = ink

    assert np.array_equal(without_rules(crop), cell())


def test_rules_on_three_sides_leave_the_word_and_the_row_between_them() -> None:
    crop = cell()
    crop[:3] = 0
    crop[:, 4:7] = crop[:, -7:-4] = 0

    cleaned = without_rules(crop)

    assert np.array_equal(cleaned[3:], cell()[3:])
    assert cleaned[:3, 8:-8].max() == 0


def test_a_rule_that_leans_is_one() -> None:
    crop = cell()
    crop[:24, 5:7] = crop[24:, 6:8] = 0

    assert np.array_equal(without_rules(crop), cell())


def test_light_print_in_a_filled_cell_keeps_its_fill() -> None:
    crop = np.asarray(255 - cell(), np.uint8)
    crop[:, 4:6] = 255

    assert np.array_equal(without_rules(crop), 255 - cell())


def test_what_is_no_rule_stays() -> None:
    letter = cell()
    letter[4:44, 8:11] = 0  # a letter does not touch the edges of its crop
    shadow = cell()
    shadow[:, :60] = shadow[:, :60] // 2
    rule = cell()
    rule[:, 100:102] = 0  # between the words of two cells that were found as one

    for crop in (letter, shadow, rule, cell(), paper(LINE_HEIGHT, 32)):
        assert without_rules(crop) is crop
