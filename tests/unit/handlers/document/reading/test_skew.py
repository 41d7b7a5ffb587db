"""How far a page is off the horizontal, on pages whose skew is known."""

from __future__ import annotations

import random

import numpy as np
import pytest

from handlers.document.reading.ink import ink_of
from handlers.document.reading.skew import Skew, skew_of
from tests.unit.handlers.document.reading.synthetic import KINDS, letter, texture, turned


def measured(page: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Skew:
    found = skew_of(ink_of(page))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_skew_is_measured_to_a_tenth_of_a_degree(kind: str, seed: int) -> None:
    draw = random.Random(f"{kind} {seed}")
    page = KINDS[kind](seed)
    for degrees in (0.0, draw.uniform(-1, 1), draw.uniform(-15, -5), draw.uniform(5, 15)):
        found = measured(turned(page, degrees))
        assert found.degrees == pytest.approx(degrees, abs=0.1), f"{kind} {seed} turned by {degrees}"
        assert found.beside > 0.55


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_on_its_side_is_measured_from_there_and_seen_to_lie(kind: str) -> None:
    for quarter in (90, -90):
        found = measured(turned(KINDS[kind](3), quarter + 3.3))
        assert found.degrees == pytest.approx(3.3, abs=0.1)
        assert found.beside < 0.45


def test_a_page_that_was_turned_far_is_measured_where_it_is_plain() -> None:
    assert measured(turned(letter(4), 31.0)).degrees == pytest.approx(31.0, abs=0.1)


@pytest.mark.parametrize(
    "page",
    [
        np.full((900, 700, 3), 250, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3, 4000, 3), np.uint8),
        np.random.default_rng(1).integers(0, 255, (900, 700, 3)).astype(np.uint8),
        texture(2),
    ],
    ids=["blank", "one pixel", "a strip", "noise", "texture"],
)
def test_a_page_without_lines_tells_nothing(page: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    assert skew_of(ink_of(page)) is None
