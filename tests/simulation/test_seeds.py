"""The engine as it is, under twenty thousand schedules, or as many as ``--seeds`` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from testing.simulation.__main__ import summary
from testing.simulation.actions import Action, Conduct, MessageFault
from testing.simulation.campaign import run_seeds
from testing.simulation.recorder import CHANCES, Recorder
from testing.simulation.script import CONDUCT, MESSAGES, Script
from testing.simulation.shrink import report
from testing.simulation.simulate import simulate


def test_all_that_must_hold_holds_in_every_schedule(
    pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    seeds = range(pytestconfig.getoption("seeds"))

    campaign = run_seeds(seeds)

    record_property("told", f"simulation: {summary(campaign)}")
    assert campaign.schedules == len(seeds) > 0
    assert not campaign.failed, _explained(campaign.failed[0])


def _explained(text: str) -> str:
    failure = simulate(Script.parse(text))
    return report(failure) if failure is not None else f"{text} failed in another process, and here it does not"


def recorded(seed: int) -> Recorder:
    recorder = Recorder()
    assert simulate(Script.drawn(seed), recorder=recorder) is None
    return recorder


def test_a_seed_gives_the_same_schedule_again() -> None:
    for seed in range(20):
        assert list(map(str, recorded(seed).log)) == list(map(str, recorded(seed).log))


def test_whatever_may_go_wrong_does_at_every_kind_of_call() -> None:
    """Given some hundred seeds, no fault and no preemption is left that never took effect."""
    actions: Counter[int] = Counter()
    faults: Counter[int] = Counter()
    conduct: Counter[int] = Counter()
    met: Counter[str] = Counter()
    for seed in range(400):
        for entry in recorded(seed).log:
            if not entry.effective or entry.key.operation in CHANCES:
                continue
            kinds = {MESSAGES: faults, CONDUCT: conduct}.get(entry.stream, actions)
            kinds[min(entry.value, Action.PREEMPT) if kinds is actions else entry.value] += 1
            if kinds is actions:
                met[entry.key.operation] += 1

    assert set(actions) == set(Action) - {Action.GO}
    assert set(faults) == set(MessageFault) - {MessageFault.NONE}
    assert set(conduct) == set(Conduct) - {Conduct.SUCCEED}
    assert set(met) >= {
        "submit_job",
        "open_stage",
        "claim_task",
        "claim_tasks",
        "renew_lease",
        "save_checkpoint",
        "report_progress",
        "finish_attempt",
        "finish_attempts",
        "finish_run",
        "mark_published",
        "unpublished",
        "reissue_stale",
        "expired_leases",
        "send",
        "receive",
        "complete",
        "abandon",
        "put",
    }
