"""Every schedule of the small world: two stages of three tasks, two workers, at most one preemption and one crash."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from testing.simulation.__main__ import summary
from testing.simulation.actions import Action
from testing.simulation.explore import LOOKS, Bounds, explore
from testing.simulation.recorder import Recorder
from testing.simulation.script import CALM, Script
from testing.simulation.simulate import simulate
from tests.support.planted_systems import SYSTEMS


def test_all_that_must_hold_holds_in_every_schedule(record_property: Callable[[str, object], None]) -> None:
    campaign = explore(Bounds(preemptions=1, crashes=1))

    record_property("told", f"exhaustive: {summary(campaign)}")
    assert campaign.failed == []
    assert campaign.schedules > 10_000


def test_the_small_world_has_two_stages_of_three_tasks_and_crashes_at_every_write() -> None:
    recorder = Recorder()
    assert simulate(CALM, recorder=recorder) is None

    claimed = [entry.key.subject for entry in recorder.log if entry.key.operation == "claim_task"]
    assert claimed == ["1:1:n0", "1:1:n1", "1:1:n2", "1:2:n0", "1:2:n1", "1:2:n2"]
    crashed = set(Bounds(0, 1).ways(recorder.log))
    after = {
        entry.key.operation for entry in recorder.log if entry.deviation._replace(value=Action.CRASH_AFTER) in crashed
    }
    assert after == {
        "submit_job",
        "open_stage",
        "claim_task",
        "finish_attempt",
        "finish_run",
        "send",
        "mark_published",
        "complete",
        "put",
        "save_checkpoint",
        "renew_lease",
        "report_progress",
    }


def test_without_deviations_there_is_one_schedule() -> None:
    assert explore(Bounds(preemptions=0, crashes=0), processes=1).schedules == 1


def test_with_crashes_alone_there_is_one_before_and_one_after_each_write() -> None:
    recorder = Recorder()
    simulate(CALM, recorder=recorder)
    writes = [entry for entry in recorder.log if entry.key.operation not in LOOKS]
    in_a_row = sum(after.stream == before.stream and after.at == before.at + 1 for before, after in pairwise(writes))

    assert explore(Bounds(preemptions=0, crashes=1), processes=1).schedules == 1 + 2 * len(writes) - in_a_row


@pytest.mark.parametrize("name", ["NoOutbox", "CountsWithoutALock", "ClaimsTwice", "NoFencing"])
def test_it_sees_through(name: str) -> None:
    crashes = int(name == "NoOutbox")

    campaign = explore(Bounds(1 - crashes, crashes), 1, f"tests.support.planted_systems:{name}")

    assert campaign.failed
    script = Script.parse(campaign.failed[0])
    assert len(script.deviations) == 1
    assert simulate(script, SYSTEMS[name]) is not None
    assert simulate(script) is None
