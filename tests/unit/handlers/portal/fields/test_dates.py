from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.portal.fields.dates import MONTHS, dates_in


def found(text: str) -> list[date]:
    return [one.value for one in dates_in(text)]


@pytest.mark.parametrize(
    "text",
    [
        "12/03/2001",
        "12-3-2001",
        "12.03.2001",
        "12 03 2001",
        "12 / 03 / 2001",
        "2001-03-12",
        "12 March 2001",
        "12th Mar, 2001",
        "12th of March 2001",
        "12-Mar-2001",
        "March 12, 2001",
        "MARCH 12 2001",
        "l2/O3/2OO1",
        "12 Marrh 2001",
        "born 12/03/2001 at home",
    ],
)
def test_what_is_printed_is_one_date(text: str) -> None:
    assert set(found(text)) == {date(2001, 3, 12)}


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2001",
        "12/13/2001",
        "12/03/01",
        "12/03-2001",
        "12/03/20011",
        "112/03/2001",
        "12 Foo 2001",
        "12/03/1899",
        "",
    ],
)
def test_what_no_calendar_has_is_no_date(text: str) -> None:
    assert found(text) == []


@given(
    st.dates(date(1900, 1, 1), date(2100, 12, 31)),
    st.sampled_from(["{d:02}/{m:02}/{y}", "{d}.{m}.{y}", "{y}-{m:02}-{d:02}"]),
)
def test_every_date_is_found_as_it_is_written(day: date, form: str) -> None:
    assert found(form.format(d=day.day, m=day.month, y=day.year)) == [day]


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.booleans())
def test_every_month_is_known_by_its_name(day: date, short: bool) -> None:
    name = MONTHS[day.month - 1]

    assert set(found(f"{day.day} {name[:3] if short else name} {day.year}")) == {day}


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    for one in dates_in(text):
        assert 0 <= one.start < one.end <= len(text)
