from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.portal.fields.uid import check_digit, checks, is_uid

DIGITS = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize("number", ["2363", "1428570", "123451", "84736430954837284567892"])
def test_numbers_that_are_published_check(number: str) -> None:
    assert checks(number)


@given(DIGITS)
def test_what_is_checked_checks(digits: str) -> None:
    assert checks(digits + check_digit(digits))


@given(DIGITS, st.data())
def test_every_wrong_digit_is_seen(digits: str, data: st.DataObject) -> None:
    whole = digits + check_digit(digits)
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.sampled_from(sorted(set("0123456789") - {whole[place]})))

    assert not checks(whole[:place] + other + whole[place + 1 :])


@given(DIGITS, st.data())
def test_every_swap_of_neighbours_is_seen(digits: str, data: st.DataObject) -> None:
    whole = digits + check_digit(digits)
    place = data.draw(st.integers(0, len(whole) - 2))
    swapped = whole[:place] + whole[place + 1] + whole[place] + whole[place + 2 :]

    assert checks(swapped) == (swapped == whole)


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("234123412346", True),
        ("234123412345", False),
        ("134123412340", False),
        ("2341", False),
        ("٢٣٤١٢٣٤١٢٣٤٦", False),
    ],
)
def test_a_uid_has_twelve_digits_and_begins_with_neither_0_nor_1(number: str, valid: bool) -> None:
    assert is_uid(number) is valid
