"""What the classifier says, held against the lines' direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from handlers.document.engine import Turn
from handlers.document.reading.ink import ink_of
from handlers.document.reading.orientation import Orientation, orientation_of
from handlers.document.reading.skew import skew_of
from testing.ocr_engines import Upright
from tests.unit.handlers.document.reading.synthetic import letter, sparse, turned

if TYPE_CHECKING:
    from handlers.document.engine import Page, PageText


class Says(Upright):
    """A classifier only. ``shapes`` are those of the pages that it was asked of."""

    def __init__(self, answer: Callable[[int], Turn]) -> None:
        self._answer = answer
        self.shapes: list[tuple[int, ...]] = []

    def turn(self, page: Page) -> Turn:
        self.shapes.append(page.shape)
        return self._answer(len(self.shapes) - 1)

    def read(self, page: Page) -> PageText:
        raise AssertionError("nothing is to be read")


def told(page: Page, answer: Callable[[int], Turn]) -> tuple[Orientation, Says]:
    engine, ink = Says(answer), ink_of(page)
    return orientation_of(engine, ink, skew_of(ink)), engine


def test_a_sure_classifier_is_asked_once() -> None:
    found, engine = told(letter(1), lambda call: Turn(180, 0.97))
    assert (found.quarters, found.sure, found.across, len(engine.shapes)) == (2, True, True, 1)


def test_it_sees_the_page_straightened_and_reduced() -> None:
    page = turned(letter(1), 14.0)
    _, engine = told(page, lambda call: Turn(0, 1.0))
    assert max(engine.shapes[0]) > max(ink_of(page).grey.shape)
    assert max(engine.shapes[0]) < 1.3 * 1200


def test_a_sure_classifier_that_denies_the_lines_direction_is_not_believed() -> None:
    found, engine = told(letter(1), lambda call: Turn(90, 0.99))
    assert found.quarters in (0, 2)
    assert not found.sure
    assert len(engine.shapes) == 9


def test_an_unsure_classifier_is_asked_all_round_and_the_print_alone() -> None:
    """Of the page it says 90 with little confidence; all round and of its print it says, consistently, upside down."""

    def answer(call: int) -> Turn:
        if call == 0:
            return Turn(90, 0.5)
        degrees = (180 - 90 * ((call - 1) % 4)) % 360
        return Turn(degrees, 0.6)  # type: ignore[arg-type]

    found, engine = told(sparse(2), answer)
    assert (found.quarters, found.sure) == (2, False)
    assert engine.shapes[5] != engine.shapes[1]
    assert engine.shapes[5][0] < engine.shapes[1][0]


def test_lines_that_run_down_leave_two_answers() -> None:
    found, _ = told(turned(letter(1), 90), lambda call: Turn(0, 0.0))
    assert (found.quarters, found.sure, found.across) == (1, False, False)


@pytest.mark.parametrize("shape", [(1, 1), (20, 3000), (6000, 40), (31, 31)])
def test_a_strip_is_not_shown_to_the_classifier(shape: tuple[int, int]) -> None:
    found, engine = told(np.full((*shape, 3), 255, np.uint8), lambda call: Turn(180, 1.0))
    assert (found.quarters, found.sure) == (0, False)
    assert engine.shapes == []
