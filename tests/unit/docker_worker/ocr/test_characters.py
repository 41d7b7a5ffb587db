from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from docker_worker.ocr.characters import UNSURE_BLANK, decode

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


def test_how_sure_a_blank_is_between_two_characters_is_known() -> None:
    found = steps((1, 0.9), (0, 0.9), (2, 0.9), (2, 0.9), (1, 0.9))
    found[0, 3], found[1, 3], found[3, 3] = 0.6, 0.2, 0.05

    one, other, last = decode(found, LETTERS)

    assert (one.blank, other.blank, last.blank) == pytest.approx((0.6, 0.05, UNSURE_BLANK))


def test_without_a_blank_among_the_characters_nothing_is_known_of_one() -> None:
    assert {c.blank for c in decode(steps((1, 0.9), (2, 0.9))[:, :3], LETTERS[:3])} == {UNSURE_BLANK}
