"""The simulation catches a store with one mechanism removed, and says which seed shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from testing.clock import FakeClock
from testing.faults import FaultPlan
from testing.mock_state import MockStateManager
from tests.simulation.worlds import SimulationFailed, simulate_sums
from tests.support.planted_stores import (
    ClaimsTwice,
    ClaimsWhatHasEnded,
    CountsDownTwice,
    InterruptedIsCompleted,
    LastTaskForgetsItsStage,
    NoFencing,
    NoOutbox,
    RestartsItsTokens,
    RetryIsFinal,
    SameAttemptAgain,
)

CALM = FaultPlan()
CRASHES = FaultPlan(crash=0.1)
DUPLICATES = FaultPlan(duplicate=0.5, delay=0.3)


@dataclass(frozen=True, slots=True)
class Planted:
    """A broken store, and the world that shows it."""

    store: type[MockStateManager]
    plan: FaultPlan
    hanging: bool = False
    interrupted: bool = False


PLANTED = (
    Planted(NoFencing, CALM, hanging=True),
    Planted(ClaimsTwice, CRASHES, hanging=True),
    Planted(ClaimsWhatHasEnded, DUPLICATES),
    Planted(NoOutbox, CRASHES),
    Planted(InterruptedIsCompleted, CALM, interrupted=True),
    Planted(RetryIsFinal, CRASHES),
    Planted(SameAttemptAgain, CALM, interrupted=True),
    Planted(CountsDownTwice, CALM),
    Planted(LastTaskForgetsItsStage, CALM),
    Planted(RestartsItsTokens, CRASHES),
)


def run_seeds(planted: Planted, seeds: Iterable[int]) -> None:
    def store(clock: FakeClock) -> MockStateManager:
        return planted.store(clock)

    for seed in seeds:
        simulate_sums(seed, planted.plan, store=store, hanging=planted.hanging, interrupted=planted.interrupted)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.store.__name__)
def test_the_simulation_catches(planted: Planted) -> None:
    with pytest.raises(SimulationFailed, match=r"^seed \d+, FaultPlan"):
        run_seeds(planted, range(60))


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.store.__name__)
def test_the_store_as_it_is_passes_in_the_same_world(planted: Planted) -> None:
    sound = Planted(MockStateManager, planted.plan, planted.hanging, planted.interrupted)

    run_seeds(sound, range(60))


def test_a_failure_prints_the_seed_the_plan_and_the_tail_of_the_trace() -> None:
    with pytest.raises(SimulationFailed) as caught:
        run_seeds(Planted(CountsDownTwice, CALM), [7])

    lines = str(caught.value).splitlines()
    assert lines[0].startswith("seed 7, FaultPlan(duplicate=0.0")
    assert len(lines) > 3
    assert all(re.match(r" +\d+ [a-z_]+ ", line) for line in lines[1:])
