"""The simulation sees through every planted bug, and the engine as it is passes in the same worlds."""

from __future__ import annotations

import re

import pytest

from testing.simulation.script import Script
from testing.simulation.shrink import report
from testing.simulation.simulate import Failure, simulate
from testing.simulation.world import SOUND, System
from tests.support.planted_systems import SYSTEMS

SEEDS = range(300)
RARE = {"EndsWhoeverWasSlow": "0:x.11=7,w1.39=14,w1.40=13,r1.2=14"}
"""Bugs that one seed in thousands meets, each with a schedule that does, shrunk."""


def first_failure(system: System) -> Failure | None:
    return next(filter(None, (simulate(Script.drawn(seed), system) for seed in SEEDS)), None)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name not in RARE])
def test_the_simulation_catches(name: str) -> None:
    failure = first_failure(SYSTEMS[name])

    assert failure is not None
    assert simulate(failure.script, SYSTEMS[name]) == failure


@pytest.mark.parametrize("name", RARE)
def test_a_schedule_that_is_rarely_drawn_catches(name: str) -> None:
    script = Script.parse(RARE[name])

    assert simulate(script, SYSTEMS[name]) is not None
    assert simulate(script, SOUND) is None


def test_the_engine_as_it_is_passes_in_the_same_worlds() -> None:
    assert first_failure(SOUND) is None


@pytest.mark.parametrize("name", ["NoFencing", "NoOutbox", "CountsWithoutALock", "settles_what_failed"])
def test_a_failure_is_shrunk_to_a_script_that_fails_the_same_way(name: str) -> None:
    failure = first_failure(SYSTEMS[name])
    assert failure is not None

    lines = report(failure, SYSTEMS[name], f"--system tests.support.planted_systems:{name} ").splitlines()

    shrunk = re.fullmatch(r"shrunk from (\d+) choices to (\d+) in (\d+) runs:", lines[1])
    assert shrunk is not None
    assert int(shrunk[2]) <= 12 < int(shrunk[1])
    command = re.fullmatch(r"replay: python -m testing.simulation --system \S+ --replay (\S+)", lines[-1])
    assert command is not None
    again = simulate(Script.parse(command[1]), SYSTEMS[name])
    assert again is not None
    assert again.rule == failure.rule
    assert lines[0] == f"seed {failure.script.seed}: {again.text}"
    assert lines[-2] == f"  {again.text}"


def test_the_trace_of_a_failure_names_time_actor_operation_subject_and_fault() -> None:
    failure = first_failure(SYSTEMS["NoOutbox"])
    assert failure is not None

    faults = [line for line in report(failure, SYSTEMS["NoOutbox"]).splitlines() if "<-" in line]

    assert len(faults) <= 3
    assert any(re.match(r" +\d+\.\d s  [ws]\d +\w+ +\S* .*<- \w", line) for line in faults), faults
