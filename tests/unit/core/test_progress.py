"""How fast attempts and stages are said to go, against schedules that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.progress import (
    MAX_KEPT,
    OVERDUE,
    Report,
    RunningPart,
    StagePace,
    rate_per_minute,
    remaining_seconds,
    stage_pace,
    with_report,
)
from testing.contracts.scenario import at


def reported(reports: Sequence[tuple[float, float]]) -> tuple[Report, ...]:
    """The reports that are kept of (seconds, percent)."""
    kept: tuple[Report, ...] = ()
    for seconds, percent in reports:
        kept = with_report(kept, Report(at(seconds), percent))
    return kept


# --- an attempt ---


def test_a_steady_attempt_goes_as_fast_as_it_does() -> None:
    assert rate_per_minute(reported([(0, 0), (30, 10), (60, 20)])) == pytest.approx(20.0)


@pytest.mark.parametrize(
    "reports", [[], [(0, 60)], [(0, 60), (0.5, 62)], [(0, 60), (90, 60)], [(0, 0), (60, 50), (120, 10)]]
)
def test_nothing_is_said_of_too_little(reports: list[tuple[float, float]]) -> None:
    assert rate_per_minute(reported(reports)) is None


def test_what_an_earlier_attempt_did_is_not_taken_for_speed() -> None:
    assert rate_per_minute(reported([(0, 60), (30, 65), (60, 70)])) == pytest.approx(10.0)


def test_one_that_begins_anew_is_judged_from_there() -> None:
    assert rate_per_minute(reported([(0, 0), (10, 90), (20, 0), (80, 6)])) == pytest.approx(6.0)


def test_a_change_of_pace_shows() -> None:
    fast = [(second, second / 10) for second in range(0, 300, 10)]
    slow = [(300 + second, 30 + second / 100) for second in range(0, 900, 10)]

    assert rate_per_minute(reported([*fast, *slow])) == pytest.approx(0.6, rel=0.05)


def test_bursts_are_averaged() -> None:
    """Ten reports within a hundredth of a second, every two minutes: 5 % a minute."""
    bursts = [(minutes * 60 + n / 1000, minutes * 5 + n) for minutes in range(0, 20, 2) for n in range(1, 11)]

    assert rate_per_minute(reported(bursts)) == pytest.approx(5.0, rel=0.15)


def test_a_long_attempt_keeps_few_reports_and_its_pace() -> None:
    week = [(seconds, seconds / 6048) for seconds in range(0, 604_800, 60)]

    kept = reported(week)

    assert len(kept) <= MAX_KEPT
    assert rate_per_minute(kept) == pytest.approx(60 / 6048, rel=0.01)


@pytest.mark.parametrize(
    ("percent", "rate", "since", "left"),
    [
        (50.0, 10.0, 0.0, 300.0),
        (50.0, 10.0, 60.0, 240.0),
        (50.0, 10.0, 310.0, 0.0),
        (50.0, 10.0, 601.0, None),
        (99.9, 10.0, 30.0, 0.0),
        (99.9, 10.0, 2 * OVERDUE, None),
        (100.0, 10.0, 0.0, 0.0),
        (None, 10.0, 0.0, None),
        (50.0, None, 0.0, None),
        (50.0, 0.0, 0.0, None),
    ],
)
def test_the_time_that_is_left_is_counted_down_and_not_for_ever(
    percent: float | None, rate: float | None, since: float, left: float | None
) -> None:
    assert remaining_seconds(percent, rate, since) == (left if left is None else pytest.approx(left))


# --- a stage ---


def test_a_stage_that_has_ended_has_nothing_left() -> None:
    assert stage_pace(4, 0, 4, [], 10.0) == StagePace(100.0, None, 0.0)
    assert stage_pace(0, 0, 0, [], None) == StagePace(100.0, None, 0.0)


def test_of_a_stage_that_has_not_begun_nothing_is_said() -> None:
    assert stage_pace(10, 10, 0, [], None) == StagePace(0.0, None, None)
    assert stage_pace(10, 10, 0, [RunningPart(None, 5.0)], 5.0) == StagePace(0.0, None, None)


@pytest.mark.parametrize(("workers", "begins", "within"), [(1, 70, 0.02), (4, 300, 0.1)])
@pytest.mark.parametrize("speaks", [True, False])
def test_a_stage_of_equal_tasks_is_foretold(workers: int, begins: int, within: float, speaks: bool) -> None:
    """Tasks of 60 seconds, looked at all along. Each worker begins a quarter of that after the one before, which the
    average since the first of them takes some time to level out.
    """
    total, took = 100, 60.0
    offsets = [took * worker / workers for worker in range(workers)]
    end = total // workers * took + offsets[-1]
    for now in range(begins, int(end) - 60, 7):
        done = sum(int((now - offset) // took) for offset in offsets)
        ages = [(now - offset) % took for offset in offsets]
        running = [
            RunningPart(100 * age / took, age, 100.0, took - age) if speaks else RunningPart(None, age) for age in ages
        ]

        pace = stage_pace(total, total - done, done, running, float(now))

        assert pace.remaining_seconds == pytest.approx(end - now, rel=within, abs=took / 2)
        assert pace.rate_per_minute == pytest.approx(workers, rel=within)
        said = sum(ages) / took if speaks else 0.0
        assert pace.percent == pytest.approx(100 * (done + said) / total, abs=0.06)


def test_one_task_goes_as_it_says_before_any_has_ended() -> None:
    assert stage_pace(1, 1, 0, [RunningPart(25.0, 30.0, 50.0, 90.0)], 30.0) == StagePace(25.0, 0.5, 90.0)


def test_before_any_has_ended_those_that_wait_are_counted_at_the_pace_of_those_that_run() -> None:
    running = [RunningPart(50.0, 60.0, 50.0, 60.0), RunningPart(50.0, 60.0, 50.0, 60.0)]

    assert stage_pace(10, 10, 0, running, 60.0) == StagePace(10.0, 1.0, 8 * 60 + 60)


def test_tasks_that_an_earlier_run_did_do_not_make_it_fast() -> None:
    assert stage_pace(1_000, 5, 5, [], 300.0) == StagePace(99.5, 1.0, 300.0)


def test_the_last_tasks_take_as_long_as_the_longest_says() -> None:
    running = [RunningPart(90.0, 54.0, 100.0, 6.0), RunningPart(10.0, 54.0, 11.0, 490.0)]

    assert stage_pace(100, 2, 98, running, 3_000.0).remaining_seconds == 490.0


def test_a_task_that_takes_longer_than_the_others_did_is_not_counted_as_done() -> None:
    pace = stage_pace(10, 1, 9, [RunningPart(None, 10_000.0)], 10_540.0)

    assert pace.percent == 90.0
    assert pace.remaining_seconds is not None
    assert pace.remaining_seconds > 0


def test_a_stage_with_a_task_left_is_not_at_100() -> None:
    assert stage_pace(10_000, 1, 9_999, [RunningPart(100.0, 1.0)], 60.0).percent == 99.9


PARTS = st.builds(
    RunningPart,
    st.none() | st.floats(0, 100),
    st.floats(0, 1e7),
    st.none() | st.floats(0.001, 1e6),
    st.none() | st.floats(0, 1e7),
)


@given(
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.lists(PARTS, max_size=8),
    st.none() | st.floats(0, 1e8),
)
def test_whatever_is_seen_what_is_said_is_sound(
    total: int, left: int, ended: int, running: list[RunningPart], seconds: float | None
) -> None:
    left = min(left, total)
    pace = stage_pace(total, left, min(ended, total - left), running[:left], seconds)

    assert 0 <= pace.percent <= 100
    assert (pace.percent == 100) == (left == 0)
    assert pace.rate_per_minute is None or (math.isfinite(pace.rate_per_minute) and pace.rate_per_minute >= 0)
    assert pace.remaining_seconds is None or pace.remaining_seconds >= 0
