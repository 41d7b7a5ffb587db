from __future__ import annotations

import pytest

from core.ids import TaskId
from core.model import RunStatus
from testing.faults import FaultPlan
from tests.simulation.worlds import World, simulate_hello_world, simulate_sums

MESSAGES = FaultPlan(duplicate=0.3, lose=0.2, delay=0.3, reorder=0.3)
EVERYTHING = FaultPlan(duplicate=0.15, lose=0.1, delay=0.15, reorder=0.15, crash=0.06, unavailable=0.06, uncertain=0.06)
PLANS = {
    "duplicate": FaultPlan(duplicate=0.5),
    "lose": FaultPlan(lose=0.3),
    "delay": FaultPlan(delay=0.5),
    "reorder": FaultPlan(reorder=0.9),
    "crash": FaultPlan(crash=0.15),
    "unavailable": FaultPlan(unavailable=0.15),
    "uncertain": FaultPlan(uncertain=0.15),
    "everything": EVERYTHING,
}
TRACES = {
    "duplicate": {"duplicate"},
    "lose": {"lost"},
    "delay": {"delayed"},
    "reorder": {"reorder"},
    "crash": {"crash before", "crash after"},
    "unavailable": {"unavailable"},
    "uncertain": {"carried out, reported as failed"},
}


def seen_faults(world: World) -> set[str]:
    return {step.fault for step in world.trace} - {""}


@pytest.mark.parametrize("name", PLANS)
def test_every_task_s_result_is_used_once_whatever_goes_wrong(name: str) -> None:
    for seed in range(100):
        simulate_sums(seed, PLANS[name])


@pytest.mark.parametrize("plan", [FaultPlan(), MESSAGES, EVERYTHING], ids=["calm", "messages", "everything"])
def test_a_worker_that_outlives_its_lease_changes_nothing(plan: FaultPlan) -> None:
    for seed in range(100):
        simulate_sums(seed, plan, hanging=True)


def test_the_worker_that_outlives_its_lease_is_really_refused() -> None:
    world = simulate_sums(0, FaultPlan(), hanging=True)

    refused = {"operation": "finish_attempt", "key": f"{world.run.job_id}:1:2:n0", "result": "lease_lost"}
    assert world.state.get_operation_log().count(refused) == 1
    assert len(world.state.list_attempts(TaskId(refused["key"]))) == 2


def test_interrupted_tasks_are_resumed_whatever_goes_wrong() -> None:
    for seed in range(100):
        simulate_sums(seed, EVERYTHING, interrupted=True)


@pytest.mark.parametrize("name", PLANS)
def test_hello_world_ends_and_each_stage_advances_once(name: str) -> None:
    for seed in range(100):
        simulate_hello_world(seed, PLANS[name])


def test_faults_of_messages_alone_never_fail_a_job() -> None:
    for seed in range(40):
        world = simulate_hello_world(seed, MESSAGES)

        assert world.run.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS)
        assert world.run.retries_used == 0


@pytest.mark.parametrize("name", TRACES)
def test_each_kind_of_fault_really_happens_and_no_other(name: str) -> None:
    seen: set[str] = set()
    for seed in range(20):
        seen |= seen_faults(simulate_sums(seed, PLANS[name]))

    assert seen == TRACES[name]


def test_without_faults_the_trace_has_none() -> None:
    assert seen_faults(simulate_sums(0, FaultPlan())) == set()


def test_a_seed_gives_the_same_trace_again() -> None:
    for seed in range(10):
        assert list(simulate_sums(seed, EVERYTHING).trace) == list(simulate_sums(seed, EVERYTHING).trace)


def test_different_seeds_give_different_traces() -> None:
    traces = {tuple(simulate_sums(seed, EVERYTHING).trace) for seed in range(10)}

    assert len(traces) == 10


def test_an_empty_fan_out_ends_too() -> None:
    for seed in range(20):
        simulate_sums(seed, EVERYTHING, n=0)
