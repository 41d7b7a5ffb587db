from __future__ import annotations

import cv2
import numpy as np
import pytest

from docker_worker.ocr.print_size import measure_print
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits
from testing.documents import sample_page
from tests.support.networks import paper


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_page_of_one_shade_has_no_ink(shade: int) -> None:
    assert measure_print(np.full((400, 300, 3), shade, np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 30_000), (30_000, 1)])
def test_the_smallest_pages_can_be_measured(shape: tuple[int, int]) -> None:
    assert measure_print(paper(*shape)) is None


def test_the_box_holds_all_ink_and_single_specks_are_not_ink() -> None:
    page = paper(1000, 800)
    page[300:330, 200:500] = 0
    page[900, 700] = 0

    ink = measure_print(page)

    assert ink is not None
    assert (ink.left, ink.top) == pytest.approx((200, 300), abs=15)
    assert (ink.right, ink.bottom) == pytest.approx((500, 330), abs=15)


def test_faint_ink_is_not_cut_off() -> None:
    page = paper(600, 600)
    page[100:120, 100:200] = 0
    page[500:512, 400:500] = 243

    ink = measure_print(page)

    assert ink is not None
    assert ink.bottom >= 505
    assert ink.right >= 495


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_letters_are_measured_in_pixels_of_the_page(scale: float, inverted: bool) -> None:
    with open_document(sample_page(7).png, DocumentLimits()) as document:
        page = document.pixels(1).pixels
    plain = measure_print(page)
    shown = cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    ink = measure_print(np.asarray(255 - shown if inverted else shown, np.uint8))

    assert plain is not None
    assert ink is not None
    assert 10 <= plain.letter_height <= 20
    assert ink.letter_height == pytest.approx(plain.letter_height * scale, rel=0.15)


def test_a_page_without_letters_has_no_height_of_them() -> None:
    page = paper(600, 600)
    page[100:110, 50:550] = 0

    ink = measure_print(page)

    assert ink is not None
    assert ink.letter_height == 0.0
