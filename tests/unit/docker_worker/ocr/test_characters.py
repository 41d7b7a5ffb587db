from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from docker_worker.ocr.characters import decode

if TYPE_CHECKING:
    import numpy.typing as npt

LETTERS = ("", "a", "b", " ")


def steps(*sure: tuple[int, float]) -> npt.NDArray[np.float32]:
    """A row for each step: its likeliest class, and how sure."""
    rows = np.full((len(sure), len(LETTERS)), 0.01, np.float32)
    for row, (which, share) in zip(rows, sure, strict=True):
        row[which] = share
    return rows


def read(*sure: tuple[int, float]) -> str:
    return "".join(character.text for character in decode(steps(*sure), LETTERS))


def test_what_repeats_is_one_character_unless_something_is_between() -> None:
    assert read((1, 0.9), (1, 0.9), (0, 0.9), (1, 0.9), (2, 0.9), (2, 0.9)) == "aab"


def test_nothing_read_is_nothing() -> None:
    assert decode(steps((0, 0.9), (0, 0.9)), LETTERS) == ()


def test_a_character_is_as_sure_as_its_surest_step_and_lies_where_it_is_sure() -> None:
    (character,) = decode(steps((0, 0.9), (1, 0.3), (1, 0.9), (0, 0.9)), LETTERS)

    assert character.confidence == pytest.approx(0.9)
    assert character.at == pytest.approx((1.5 * 0.3 + 2.5 * 0.9) / 1.2 / 4)


def test_places_are_shares_of_the_crop_and_not_of_its_padding() -> None:
    whole, padded = (decode(steps((0, 0.9), (1, 0.9), (0, 0.9), (0, 0.9)), LETTERS, used) for used in (1.0, 0.5))

    assert whole[0].at == pytest.approx(1.5 / 4)
    assert padded[0].at == pytest.approx(1.5 / 2)
