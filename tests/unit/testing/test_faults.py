"""The faults that the harness can be asked for: they happen, they repeat, and a job ends all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.model import TERMINAL_RUN, EventKind, RunRecord, RunStatus
from core.retry import RetryPolicy
from testing.factories import Registries, create_single_task, create_test_harness
from testing.faults import FaultPlan, TraceStep
from testing.mock_state import MockStateManager

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


def hello_world(seed: int, plan: FaultPlan) -> tuple[RunRecord, MockStateManager, Sequence[TraceStep]]:
    harness, injector = create_test_harness(seed=seed, faults=plan, traced=True)
    run = harness.submit("hello_world", {"n": 4, "failure_rate": 0.3})
    harness.drain(reraise=False, max_messages=3_000)
    found = harness.state.load_run(run.job_id, 1)
    assert found is not None
    return found, harness.state, injector.trace


def faults_of(trace: Sequence[TraceStep]) -> set[str]:
    return {step.fault for step in trace} - {""}


@pytest.mark.parametrize("name", PLANS)
def test_a_job_ends_and_each_stage_advances_once_whatever_goes_wrong(name: str) -> None:
    for seed in range(25):
        run, state, _ = hello_world(seed, PLANS[name])

        assert run.status in TERMINAL_RUN, f"seed {seed}"
        events = state.list_events(run.job_id, 1)
        for kind in (EventKind.STAGE_STARTED, EventKind.STAGE_ENDED):
            stages = Counter(event.stage for event in events if event.kind is kind)
            assert stages == {stage.number: 1 for stage in run.stages}, f"seed {seed}: {kind}"


def test_faults_of_messages_alone_never_fail_a_job() -> None:
    for seed in range(40):
        run, _, _ = hello_world(seed, MESSAGES)

        assert run.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS)
        assert run.retries_used == 0


@pytest.mark.parametrize("name", TRACES)
def test_each_kind_of_fault_really_happens_and_no_other(name: str) -> None:
    seen: set[str] = set()
    for seed in range(20):
        _, _, trace = hello_world(seed, PLANS[name])
        seen |= faults_of(trace)

    assert seen == TRACES[name]


def test_without_faults_the_trace_has_none() -> None:
    _, _, trace = hello_world(0, FaultPlan())

    assert len(trace) > 10
    assert faults_of(trace) == set()


def test_a_seed_gives_the_same_trace_again() -> None:
    for seed in range(10):
        assert list(hello_world(seed, EVERYTHING)[2]) == list(hello_world(seed, EVERYTHING)[2])


def test_different_seeds_give_different_traces() -> None:
    assert len({tuple(hello_world(seed, EVERYTHING)[2]) for seed in range(10)}) == 10


class NoteParams(BaseModel):
    text: str


def keeps_a_note(params: NoteParams, context: TaskContext) -> NoteParams:
    """Writes a blob and reads it back."""
    name = f"notes/{context.job_id}/{params.text}"
    context.blobs.put(name, params.text.encode(), "text/plain")
    return NoteParams(text=context.blobs.get(name).decode())


def test_a_blob_store_that_is_away_or_crashes_costs_attempts_and_no_result() -> None:
    handler = task_handler("keeps_a_note", keeps_a_note, retry=RetryPolicy(max_attempts=50, base=0.0, cap=0.0))
    met: set[str] = set()
    for seed in range(60):
        harness, injector = create_test_harness(
            Registries.of([], [handler]), seed=seed, faults=FaultPlan(crash=0.1, unavailable=0.1, uncertain=0.1)
        )
        message = create_single_task(harness.clean, harness.state, "keeps_a_note", {"text": "hello"})
        harness.inject(message)
        harness.drain(task_id=message.task_id)

        task = harness.state.load_task(message.task_id)
        assert task is not None
        assert (task.status, task.result_json) == ("completed", '{"text":"hello"}'), f"seed {seed}"
        met |= {f"{step.operation}: {step.fault}" for step in injector.trace if step.operation in ("put", "get")}

    assert {"put: crash before", "put: crash after", "put: unavailable", "get: unavailable"} <= met
