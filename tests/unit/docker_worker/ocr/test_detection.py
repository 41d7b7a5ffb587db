from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from docker_worker.ocr.detection import (
    BAND_PIXELS,
    DEFAULT_SIDE,
    LARGEST_SIDE,
    LETTER_HEIGHT,
    SMALLEST_SIDE,
    boxes_of,
    clockwise,
    detection_size,
    text_boxes,
)
from tests.support.networks import each, paper, sees_dark

if TYPE_CHECKING:
    from docker_worker.ocr.networks import Tensor
    from handlers.document.engine import Page


def with_bars(page: Page, rows: range, left: int, right: int, height: int) -> Page:
    """Bars where lines of text would be."""
    for top in rows:
        page[top : top + height, left:right] = 0
    return page


def test_small_print_is_seen_larger_than_large_print() -> None:
    assert detection_size(4000, 3000, letter_height=2 * LETTER_HEIGHT) == (1984, 1504)
    assert detection_size(4000, 3000, letter_height=4 * LETTER_HEIGHT) == (992, 736)


@pytest.mark.parametrize(
    ("longer", "letter_height", "seen"),
    [
        (4000, 100.0, SMALLEST_SIDE),
        (4000, 1.0, LARGEST_SIDE),
        (4000, 0.0, DEFAULT_SIDE),
        (320, 2.0, 320),
        (10, 0.0, 32),
    ],
)
def test_what_is_seen_has_bounds_and_is_no_larger_than_the_page(longer: int, letter_height: float, seen: int) -> None:
    assert detection_size(longer, max(1, longer // 2), letter_height)[0] == seen


def test_a_box_is_grown_by_what_the_network_was_taught_to_leave_out() -> None:
    probability = np.zeros((200, 400), np.float32)
    probability[100:111, 50:251] = 0.9

    (box,) = boxes_of(probability)

    grown = 200 * 10 * 1.4 / (2 * (200 + 10))
    assert box[0] == pytest.approx((50 - grown, 100 - grown), abs=0.1)
    assert box[2] == pytest.approx((250 + grown, 110 + grown), abs=0.1)


@pytest.mark.parametrize("shape", ["faint", "tiny"])
def test_what_is_faint_or_tiny_is_no_box(shape: str) -> None:
    probability = np.zeros((200, 400), np.float32)
    if shape == "faint":
        probability[100:110, 50:250] = 0.3
    else:
        probability[100:102, 50:52] = 0.9

    assert list(boxes_of(probability)) == []


@pytest.mark.parametrize("angle", [-30, -5, 0, 5, 30])
def test_a_box_begins_at_the_upper_left_and_runs_clockwise(angle: float) -> None:
    corners = cv2.boxPoints(((200.0, 200.0), (150.0, 20.0), angle))
    expected = np.array([[-75, -10], [75, -10], [75, 10], [-75, 10]], np.float32)
    radians = np.radians(angle)
    turn = np.array([[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]])

    box = clockwise(np.asarray(np.roll(corners, 1, axis=0), np.float32))

    assert box == pytest.approx(expected @ turn + 200, abs=0.1)


def test_boxes_are_where_the_ink_is_on_the_page() -> None:
    page = with_bars(paper(3000, 2000), range(1000, 1500, 100), left=500, right=1500, height=40)

    boxes = text_boxes(page, sees_dark, each)

    assert len(boxes) == 5
    for box, top in zip(sorted(boxes, key=lambda box: float(box[0, 1])), range(1000, 1500, 100), strict=True):
        assert box[:, 0].mean() == pytest.approx(1000, abs=4)
        assert box[:, 1].mean() == pytest.approx(top + 20, abs=4)
        assert box[0, 0] <= 500
        assert box[1, 0] >= 1500


def test_a_page_without_ink_is_not_shown_to_the_network() -> None:
    assert text_boxes(paper(500, 500), lambda tensor: pytest.fail("it was"), each) == []


def test_margins_are_not_shown_to_the_network() -> None:
    page = with_bars(paper(1200, 1200), range(200, 400, 50), left=100, right=400, height=20)
    seen: list[tuple[int, ...]] = []

    def detect(tensor: Tensor) -> Tensor:
        seen.append(tensor.shape[2:])
        return sees_dark(tensor)

    assert len(text_boxes(page, detect, each)) == 4
    assert all(height <= 320 and width <= 416 for height, width in seen)


def test_a_page_of_small_print_is_seen_in_bands_and_each_box_is_found_once() -> None:
    page = paper(2560, 1600)
    rows = range(40, 2500, 20)
    for left in range(100, 1500, 400):
        with_bars(page, rows, left, left + 30, height=5)
    sizes: list[int] = []

    def detect(tensor: Tensor) -> Tensor:
        sizes.append(tensor.shape[2] * tensor.shape[3])
        return sees_dark(tensor)

    boxes = text_boxes(page, detect, each)

    middles = sorted(float(box[:, 1].mean()) for box in boxes)
    assert len(sizes) > 1
    assert max(sizes) <= BAND_PIXELS
    assert middles == pytest.approx([top + 2.5 for top in rows for _ in range(4)], abs=3)


def test_boxes_stay_on_the_page() -> None:
    page = with_bars(paper(400, 600), range(1), left=0, right=600, height=40)

    (box,) = text_boxes(page, sees_dark, each)

    assert box.min() >= 0
    assert (box <= [600, 400]).all()
