from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from docker_worker.ocr.crops import LINE_HEIGHT
from docker_worker.ocr.recognition import (
    BATCH_WIDTH,
    MARGIN,
    PADDING_SHARE,
    SQUEEZE,
    Crop,
    batches,
    read_boxes,
    without_stains,
)
from handlers.document.engine import Line
from tests.support.networks import LETTERS, STEP, each, paper, reads_grey, scripted_networks

if TYPE_CHECKING:
    from docker_worker.ocr.detection import Box
    from docker_worker.ocr.networks import Tensor
    from handlers.document.engine import Page

BLACK, DARK, LIGHT = 0, 80, 200


def box(left: float, top: float, width: float, height: float) -> Box:
    corners = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
    return np.array(corners, np.float32)


def page_with(*blocks: tuple[int, int, int, int, int]) -> Page:
    page = paper(1000, 1000)
    for left, top, width, height, shade in blocks:
        page[top : top + height, left : left + width] = shade
    return page


def test_lines_are_read_in_the_order_of_their_boxes() -> None:
    page = page_with((100, 100, 100, 40, BLACK), (100, 200, 300, 40, DARK), (100, 300, 200, 40, LIGHT))
    boxes = [box(100, 100, 100, 40), box(100, 200, 300, 40), box(100, 300, 200, 40), box(600, 600, 100, 40)]

    lines = read_boxes(page, boxes, scripted_networks(), each)

    assert [line.text for line in lines] == ["a", "b", "c"]


def test_crops_are_squeezed_and_padded_little() -> None:
    seen: list[tuple[int, ...]] = []

    def recognise(tensor: Tensor) -> Tensor:
        seen.append(tensor.shape)
        return reads_grey(tensor)

    page = page_with((100, 100, 480, 48, BLACK), (100, 200, 800, 48, BLACK))
    read_boxes(page, [box(100, 100, 480, 48), box(100, 200, 800, 48)], scripted_networks(recognise=recognise), each)

    widths = [round((length + 2 * MARGIN * 48) * SQUEEZE) for length in (800, 480)]
    assert seen == [(1, 3, LINE_HEIGHT, width) for width in widths]


def test_batches_are_of_one_width_and_bounded() -> None:
    widths = [40, 3200, 300, 305, 310, 315, 320, 100, 98, *[64] * 50]
    crops = [Crop(piece, box(0, 0, 1, 1), paper(LINE_HEIGHT, width)) for piece, width in enumerate(widths)]

    made = list(batches(crops))

    assert sorted(crop.piece for batch in made for crop in batch) == list(range(len(widths)))
    for batch in made:
        widest = batch[0].width
        assert len(batch) == 1 or widest * len(batch) <= BATCH_WIDTH
        assert all(widest * (1 - PADDING_SHARE) <= crop.width <= widest for crop in batch)


def test_a_padded_crop_is_read_as_if_it_were_alone() -> None:
    page = page_with((100, 100, 300, 48, BLACK), (100, 200, 310, 48, DARK), (100, 300, 300, 48, BLACK))
    boxes = [box(100, 100, 300, 48), box(100, 200, 310, 48)]

    together = read_boxes(page, boxes, scripted_networks(), each)

    assert [line.text for line in together] == ["a", "b"]
    assert together[0] == read_boxes(page, boxes[:1], scripted_networks(), each)[0]


def test_a_tall_box_is_read_both_ways_along_and_the_surest_reading_is_kept() -> None:
    page = paper(400, 400)
    page[100:150, 100:140] = BLACK
    page[150:200, 100:140] = LIGHT
    tall = box(100, 100, 40, 100)

    def sure_of_black_last(tensor: Tensor) -> Tensor:
        read = reads_grey(tensor)
        read[tensor[:, 0, 24, -24] < -0.8] += 0.09
        return read

    (downwards,) = read_boxes(page, [tall], scripted_networks(), each)
    (upwards,) = read_boxes(page, [tall], scripted_networks(recognise=sure_of_black_last), each)

    assert (downwards.text, downwards.polygon[0][0]) == ("ac", 140)
    assert (upwards.text, upwards.polygon[0][0]) == ("ca", 100)


def test_a_narrow_letter_is_read_upright_too() -> None:
    page = page_with((100, 100, 20, 40, BLACK))
    shapes: list[int] = []

    def recognise(tensor: Tensor) -> Tensor:
        shapes.extend([tensor.shape[3]] * len(tensor))
        return reads_grey(tensor)

    read_boxes(page, [box(100, 100, 20, 40)], scripted_networks(recognise=recognise), each)

    assert sorted(shapes) == [38, 96, 96]


def test_a_crowded_line_is_read_again_with_more_room() -> None:
    page = paper(100, 400)
    page[20:68, 100:260] = DARK
    widths: list[int] = []

    def recognise(tensor: Tensor) -> Tensor:
        """A letter at each step, the surer the more room there is."""
        widths.append(tensor.shape[3])
        steps = tensor.shape[3] // STEP
        which = np.arange(steps) % 2 + 1
        sure = 0.5 + tensor.shape[3] / 1000
        return np.where(np.arange(len(LETTERS)) == which[:, None], sure, 0.0).astype(np.float32)[None]

    (line,) = read_boxes(page, [box(100, 20, 160, 48)], scripted_networks(recognise=recognise), each)

    assert widths == [147, 18 * 18]
    assert line.confidence == pytest.approx(0.5 + 0.324)


def read_with(*confidences: float) -> list[float]:
    quad = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    return [line.confidence for line in without_stains([Line("text", sure, quad, ()) for sure in confidences])]


def test_an_ornament_amid_good_text_is_left_out_and_a_bad_page_is_kept_whole() -> None:
    assert read_with(0.95, 0.97, 0.3, 0.99, 0.98) == [0.95, 0.97, 0.99, 0.98]
    assert read_with(0.3, 0.45, 0.9) == [0.3, 0.45, 0.9]
    assert read_with() == []


def test_a_line_at_the_edge_stays_on_the_page() -> None:
    page = page_with((0, 0, 1000, 40, BLACK))

    (line,) = read_boxes(page, [box(0, 0, 1000, 40)], scripted_networks(), each)

    assert all(0 <= x <= 1000 and 0 <= y <= 1000 for x, y in line.polygon)


def test_nothing_to_read_is_nothing() -> None:
    assert read_boxes(paper(10, 10), [], scripted_networks(), each) == []
