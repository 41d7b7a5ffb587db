"""What a chaos run reports, and what it is held to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos import goals_of
from benchmarks.chaos_bus import BusStats
from benchmarks.chaos_check import Fault, Kind
from benchmarks.chaos_report import Plan, Report
from benchmarks.chaos_server import Restart

PLAN = Plan(kills=10, restarts=2)

GOOD = Report(
    plan=PLAN,
    kills=11,
    pauses=3,
    asked_to_end=1,
    ended_by_themselves=0,
    restarts=[Restart("killed", 0.5, 0.1), Restart("immediate", 1.5, 0.3), Restart("killed", 1.0, None)],
    jobs=5,
    tasks=100,
    attempts=120,
    calls=118,
    unused=4,
    refused=2,
    outcomes={"completed": 100},
    repairs={"leases_ended": 7},
    bus=BusStats(waiting=0, sent=200, faults={"lost": 2}, dead={}),
    faults=[],
    evidence=[],
    seconds=12.34,
)


def missed(report: Report) -> list[str]:
    return [goal.name for goal in goals_of(PLAN) if goal.missed(report.measured()) is not None]


def test_a_run_without_faults_meets_its_goals() -> None:
    assert missed(GOOD) == []


def test_recovery_is_told_in_its_median_and_its_worst() -> None:
    measured = GOOD.measured()

    assert (measured["recovery_seconds_median"], measured["recovery_seconds_max"]) == (0.2, 0.3)
    assert (measured["down_seconds_median"], measured["down_seconds_max"]) == (1.0, 1.5)


def test_a_run_without_restarts_has_no_times_of_them() -> None:
    assert replace(GOOD, restarts=[]).measured()["down_seconds_max"] is None


@pytest.mark.parametrize(
    ("kind", "goal"),
    [
        (Kind.LOST, "lost"),
        (Kind.DUPLICATED, "duplicated"),
        (Kind.ZOMBIE, "duplicated"),
        (Kind.REPEATED, "duplicated"),
        (Kind.NOT_ENDED, "runs_not_ended"),
        (Kind.CHANGED, "other_faults"),
        (Kind.WRONG, "other_faults"),
        (Kind.LEFT, "other_faults"),
    ],
)
def test_each_kind_of_fault_misses_a_goal(kind: Kind, goal: str) -> None:
    assert missed(replace(GOOD, faults=[Fault(kind, "a job", "is not as it must be")])) == [goal]


def test_every_kind_of_fault_is_counted() -> None:
    report = replace(GOOD, faults=[Fault(kind, "a job", "is not as it must be") for kind in Kind])

    counted = sum(
        int(str(report.measured()[name])) for name in ("lost", "duplicated", "runs_not_ended", "other_faults")
    )

    assert counted == len(Kind)


def test_too_few_kills_or_restarts_miss_a_goal() -> None:
    assert missed(replace(GOOD, kills=9)) == ["kills"]
    assert missed(replace(GOOD, restarts=GOOD.restarts[:1])) == ["restarts"]


def test_a_worker_that_ended_by_itself_misses_a_goal() -> None:
    assert missed(replace(GOOD, ended_by_themselves=1)) == ["ended_by_themselves"]
