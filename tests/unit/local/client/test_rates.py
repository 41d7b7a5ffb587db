"""The pace of something is that of what was seen, and is not told where that says nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.client.rates import GAP, LONGEST, UNKNOWN, Pace, Sample, duration, pace, per_second


def steady(rate: float, seconds: int, total: int, start: float = 0.0) -> list[Sample]:
    return [Sample(start + at, int(at * rate), total) for at in range(seconds + 1)]


def test_a_steady_pace_is_told_with_what_is_left() -> None:
    assert pace(steady(2.0, 10, 100)) == Pace(2.0, 40.0)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [Sample(0.0, 0, 10)],
        [Sample(0.0, 5, 10)],
        [Sample(0.0, 0, 10), Sample(5.0, 0, 10)],
        [Sample(0.0, 0, 0), Sample(5.0, 0, 0)],
        [Sample(3.0, 1, 10), Sample(3.0, 4, 10)],
    ],
)
def test_nothing_is_told_before_anything_moved(samples: list[Sample]) -> None:
    assert pace(samples) == UNKNOWN


def test_what_is_done_has_nothing_left() -> None:
    assert pace([Sample(0.0, 0, 4), Sample(1.0, 4, 4)]).left == 0.0


def test_a_sleep_of_the_machine_is_not_counted() -> None:
    before, after = steady(2.0, 10, 1_000), [Sample(10_000.0 + at, 20 + at, 1_000) for at in range(11)]

    assert pace([*before, *after]) == Pace(1.0, 970.0)


def test_directly_after_a_sleep_nothing_is_told() -> None:
    assert pace([*steady(2.0, 10, 100), Sample(11.0 + GAP, 21, 100)]) == UNKNOWN


def test_what_stands_still_has_no_rate_any_more() -> None:
    moving = steady(1.0, 10, 100)
    standing = [Sample(10.0 + at, 10, 100) for at in range(1, 13)]

    assert pace([*moving, *standing[:5]]).rate is not None
    assert pace([*moving, *standing]) == UNKNOWN


def test_slow_steps_are_waited_for() -> None:
    """A page a minute stands still for 59 seconds of each, and is not stalled."""
    samples = [Sample(float(at), at // 60, 10) for at in range(231)]

    assert pace(samples).rate == pytest.approx(1 / 60, rel=0.1)


def test_another_run_begins_anew() -> None:
    assert pace([*steady(5.0, 20, 100), *steady(1.0, 10, 100, start=21.0)]).rate == 1.0


def test_only_the_last_minute_counts() -> None:
    fast = steady(10.0, 60, 10_000)
    slow = [Sample(60.0 + at, 600 + at, 10_000) for at in range(1, 121)]

    assert pace([*fast, *slow]).rate == pytest.approx(1.0, rel=0.02)


def test_a_time_beyond_a_week_is_not_told() -> None:
    found = pace([Sample(0.0, 0, 10**9), Sample(10.0, 1, 10**9)])

    assert found.rate == 0.1
    assert found.left is None


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 10**9), st.integers(0, 10**9)), max_size=30))
def test_whatever_was_seen_the_pace_is_none_or_sound(seen: list[tuple[float, int, int]]) -> None:
    found = pace([Sample(*sample) for sample in seen])

    assert found.rate is None or (math.isfinite(found.rate) and found.rate > 0)
    assert found.left is None or 0 <= found.left <= LONGEST


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1.0, ""),
        (math.inf, ""),
        (math.nan, ""),
        (0.0, "0 s"),
        (0.2, "1 s"),
        (59.0, "59 s"),
        (59.5, "1:00"),
        (125.0, "2:05"),
        (3_725.0, "1:02:05"),
        (3 * 86_400.0, "3 days"),
    ],
)
def test_a_duration_reads_at_a_glance(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, ""),
        (0.0, ""),
        (math.inf, ""),
        (1234.5, "1,234/s"),
        (12.34, "12.3/s"),
        (0.5, "30.0/min"),
        (0.001, "3.6/h"),
    ],
)
def test_a_rate_has_the_unit_that_suits_it(rate: float | None, text: str) -> None:
    assert per_second(rate) == text
