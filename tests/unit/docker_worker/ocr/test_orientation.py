from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from docker_worker.ocr.orientation import SEEN_SIDE, page_turn
from handlers.document.engine import Turn
from tests.support.networks import faces, paper

if TYPE_CHECKING:
    from docker_worker.ocr.networks import Tensor


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_classes_are_quarter_turns_clockwise(degrees: int) -> None:
    assert page_turn(paper(100, 80), faces(degrees)) == Turn(degrees, pytest.approx(0.8))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 30_000), (30_000, 1), (10, 501)])
def test_of_a_strip_it_cannot_be_told(shape: tuple[int, int]) -> None:
    assert page_turn(paper(*shape), lambda tensor: pytest.fail("it was asked")) == Turn(0, 0.0)


@pytest.mark.parametrize("shape", [(1, 1), (300, 200), (200, 9_000), (3000, 2000)])
def test_the_middle_of_the_page_is_seen(shape: tuple[int, int]) -> None:
    page = paper(*shape)
    page[:, :, 0] = 0
    seen: list[Tensor] = []

    def classify(tensor: Tensor) -> Tensor:
        seen.append(tensor)
        return faces(0)(tensor)

    page_turn(page, classify)

    assert seen[0].shape == (1, 3, SEEN_SIDE, SEEN_SIDE)
    red, _, blue = seen[0][0]
    assert np.allclose(red, (1 - 0.485) / 0.229)
    assert np.allclose(blue, -0.406 / 0.225)
