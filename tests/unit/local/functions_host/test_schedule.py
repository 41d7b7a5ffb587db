"""NCRONTAB: what it means, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions_host.schedule import ScheduleInvalid, parse_schedule

START = datetime(2026, 1, 1, 10, 0, 0, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("* * * * * *", "2026-01-01 10:00:01"),
        ("*/30 * * * * *", "2026-01-01 10:00:30"),
        ("15 * * * * *", "2026-01-01 10:00:15"),
        ("0 20 3 * * *", "2026-01-02 03:20:00"),
        ("20 3 * * *", "2026-01-02 03:20:00"),
        ("5,50/5 * * * * *", "2026-01-01 10:00:05"),
        ("0 0 9-17/4 * * *", "2026-01-01 13:00:00"),
        ("0 0 0 * * Mon-Fri", "2026-01-02 00:00:00"),
        ("0 0 0 * * sunday", "2026-01-04 00:00:00"),
        ("0 0 0 1 Feb,APR *", "2026-02-01 00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 0 13 * 5", "2026-02-13 00:00:00"),
    ],
)
def test_the_next_time(text: str, due: str) -> None:
    assert parse_schedule(text).next_due(START) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_times_are_utc_whatever_is_asked_from() -> None:
    asked = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert parse_schedule("0 0 0 * * *").next_due(asked) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields; it takes six: second minute hour day month weekday"),
        ("* * * * * * *", "has 7 fields"),
        ("00:05:00", "is a time span, which only an App Service plan takes"),
        ("60 * * * * *", "'60' is not a second from 0 to 59"),
        ("0 0 24 * * *", "'24' is not a hour from 0 to 23"),
        ("0 0 0 0 * *", "'0' is not a day from 1 to 31"),
        ("0 0 0 * foo *", "'foo' is not a month"),
        ("0 0 0 * * 7", "'7' is not a weekday from 0 to 6"),
        ("0 0 0 * * fri-mon", "'fri-mon': the smaller weekday comes first"),
        ("*/0 * * * * *", "'*/0' is not a second"),
        ("a * * * * *", "'a' is not a second"),
        ("1- * * * * *", "'1-' is not a second"),
        ("1,, * * * * *", "'' is not a second"),
        ("0 0 0 L * *", "'l' is not a day"),
        ("0 0 0 ? * *", r"'\?' is not a day"),
        ("0 0 0 * * mon#1", "'mon#1' is not a weekday"),
        ("0 0 0 31 2 *", "never comes due"),
        ("@hourly", "has 1 fields"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleInvalid, match=message):
        parse_schedule(text)


@given(st.lists(st.sampled_from([*"0123456789*/,-#L ", "mon", "jan"]), max_size=30).map("".join))
def test_a_text_is_a_schedule_that_comes_due_or_refused(text: str) -> None:
    try:
        schedule = parse_schedule(text)
    except ScheduleInvalid:
        return
    assert schedule.next_due(START) > START


@given(st.integers(0, 59), st.integers(0, 59), st.integers(0, 23))
def test_a_time_of_the_day_is_within_a_day_and_fits(second: int, minute: int, hour: int) -> None:
    due = parse_schedule(f"{second} {minute} {hour} * * *").next_due(START)
    assert timedelta() < due - START <= timedelta(days=1)
    assert (due.second, due.minute, due.hour) == (second, minute, hour)
