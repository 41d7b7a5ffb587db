"""What the kill benchmark calls a fault, and what it counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.kill_worker_truth import AttemptRow, KilledAttempt, faults, reclaim_seconds
from benchmarks.worker_pages import drift

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
OUTPUT = {"text.txt": b"a", "pages/0001.json": b"{}"}


def row(attempt: int, outcome: str = "completed", seconds: float = 0.0) -> AttemptRow:
    return AttemptRow("job", "pages", attempt, BEGAN + timedelta(seconds=seconds), outcome, "")


def test_a_job_that_ended_as_an_undisturbed_one_has_no_fault() -> None:
    rows = [row(1, "lease_expired"), row(2)]

    assert list(faults(OUTPUT, {"job": dict(OUTPUT)}, {"job": "completed"}, rows)) == []


@pytest.mark.parametrize(
    ("output", "status", "rows", "said"),
    [
        (OUTPUT, "failed LEASE_EXPIRED", [row(1)], "is failed"),
        (OUTPUT, "completed", [row(1), row(2)], "completed 2 times"),
        (OUTPUT, "completed", [row(1, "handler_lost")], "completed 0 times"),
        (OUTPUT | {"text.txt": b"b"}, "completed", [row(1)], "other output"),
        ({"text.txt": b"a"}, "completed", [row(1)], "pages/0001.json"),
        (OUTPUT | {"more": b""}, "completed", [row(1)], "more"),
    ],
)
def test_whatever_is_different_is_a_fault(
    output: dict[str, bytes], status: str, rows: list[AttemptRow], said: str
) -> None:
    [found] = faults(OUTPUT, {"job": output}, {"job": status}, rows)

    assert said in found


def test_a_kill_is_over_when_the_next_attempt_begins() -> None:
    rows = [row(1, "lease_expired"), row(2, seconds=5.0)]
    killed = [KilledAttempt("job", 1, BEGAN + timedelta(seconds=2)), KilledAttempt("job", 2, BEGAN)]

    assert reclaim_seconds(rows, killed) == [3.0]


@pytest.mark.parametrize(("last", "percent"), [(100.0, 0.0), (103.0, 3.0)])
def test_drift_is_between_the_quarters_behind_the_warm_up(last: float, percent: float) -> None:
    samples = [(page, 50.0 if page < 20 else 100.0 if page < 70 else last) for page in range(100)]

    assert drift(samples, 20, 100) == pytest.approx(percent)
