"""A short pass of benchmarks.kill_worker: real workers, and their tasks' processes, that are killed at any moment."""

from __future__ import annotations

from benchmarks.kill_worker import judge
from benchmarks.kill_worker_run import KillPlan, Run


def test_what_is_killed_at_any_moment_repeats_a_page_at_most_and_ends_as_if_nothing_had_been() -> None:
    found = Run(KillPlan(kills=6, pages=20, workers=2, lease=2.0, seed=3)).disturb(judge)

    assert found.kills >= 6
    assert (found.faults, found.survivors, found.over) == (0, 0, 0)
