"""Runs a job in a world of faults, and checks what must hold at its end whatever happened."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.context import TaskContext
from core.ids import JobId
from core.model import EventKind, RunRecord, RunStatus, TaskStatus
from core.outcome import Interrupted
from testing.clock import FakeClock
from testing.factories import create_test_harness
from testing.faults import FaultInjector, FaultPlan, TraceStep
from testing.harness import Harness, NotQuiescent
from testing.mock_state import MockStateManager
from tests.simulation.sums import expected_sum, sums

TAIL = 12
MAX_MESSAGES = 3_000

StoreFactory = Callable[[FakeClock], MockStateManager]


class SimulationFailed(AssertionError):
    """A property did not hold. The text gives the seed, the plan and the tail of the trace."""


@dataclass(frozen=True, slots=True)
class World:
    seed: int
    state: MockStateManager
    run: RunRecord
    trace: Sequence[TraceStep]


def simulate_sums(
    seed: int,
    plan: FaultPlan,
    *,
    n: int = 5,
    store: StoreFactory = MockStateManager,
    hanging: bool = False,
    interrupted: bool = False,
) -> World:
    """Run the job ``sums`` to its end, check it, and give the world as it is then.

    With ``hanging``, the first attempt at a task outlives its lease, and everything else happens before it
    returns. With ``interrupted``, the first attempt at each task of the second stage stops on request.
    """
    interlude = _Interlude(hanging, interrupted)
    clock = FakeClock()
    harness, injector = create_test_harness(
        sums(interlude), clock=clock, seed=seed, faults=plan, traced=True, state=store(clock)
    )
    interlude.harness = harness
    run = harness.submit("sums", {"n": n})
    try:
        harness.drain(reraise=False, max_messages=MAX_MESSAGES)
        return _checked(World(seed, harness.state, _load(harness.state, run.job_id), injector.trace), n)
    except (AssertionError, NotQuiescent, ValueError) as error:
        raise SimulationFailed(report(seed, injector, error)) from error


def simulate_hello_world(seed: int, plan: FaultPlan, *, n: int = 4) -> World:
    harness, injector = create_test_harness(seed=seed, faults=plan, traced=True)
    run = harness.submit("hello_world", {"n": n, "failure_rate": 0.3})
    try:
        harness.drain(reraise=False, max_messages=MAX_MESSAGES)
        world = World(seed, harness.state, _load(harness.state, run.job_id), injector.trace)
        check_history(world)
    except (AssertionError, NotQuiescent) as error:
        raise SimulationFailed(report(seed, injector, error)) from error
    return world


def report(seed: int, injector: FaultInjector, error: Exception) -> str:
    """What a failure prints: the seed and the plan that repeat it, and the last steps."""
    tail = [f"  {step.index:5} {step.operation} {step.subject} {step.fault}" for step in injector.trace[-TAIL:]]
    return "\n".join([f"seed {seed}, {injector.plan}: {error}", *tail])


def _checked(world: World, n: int) -> World:
    check_history(world)
    assert world.run.status is RunStatus.COMPLETED, world.run
    assert json.loads(world.run.result_json or "")["value"] == expected_sum(n), world.run.result_json
    return world


def check_history(world: World) -> None:
    """Every run ends, each stage advances once, each task ends once, and no token or attempt repeats."""
    run, state = world.run, world.state
    assert run.ended, run
    events = state.list_events(run.job_id, run.run)
    kinds = Counter(event.kind for event in events)
    assert kinds[EventKind.JOB_SUBMITTED] == kinds[EventKind.JOB_ENDED] == 1, kinds
    for kind in (EventKind.STAGE_STARTED, EventKind.STAGE_ENDED):
        assert Counter(e.stage for e in events if e.kind is kind) == {s.number: 1 for s in run.stages}, kind
    ended = Counter(e.task_id for e in events if e.kind in (EventKind.TASK_COMPLETED, EventKind.TASK_FAILED))
    assert all(times == 1 for times in ended.values()), ended
    assert all(stage.remaining == 0 for stage in run.stages), run.stages
    for task_id, task in state.get_state_snapshot()["tasks"].items():
        assert task["status"] not in (TaskStatus.QUEUED, TaskStatus.RUNNING), task
        tries = state.list_attempts(task_id)
        tokens = [one.token for one in tries]
        assert tokens == sorted(set(tokens)), tries
        assert [one.attempt for one in tries] == list(range(1, len(tries) + 1)), tries
        assert sum(one.outcome == "completed" for one in tries) == (task["status"] == "completed"), tries


def _load(state: MockStateManager, job_id: JobId) -> RunRecord:
    run = state.load_run(job_id, 1)
    assert run is not None
    return run


class _Interlude:
    """What happens in the middle of the second stage's handler."""

    def __init__(self, hanging: bool, interrupted: bool) -> None:
        self.harness: Harness | None = None
        self._hanging = hanging
        self._interrupted = interrupted

    def __call__(self, context: TaskContext) -> Interrupted | None:
        if self._hanging and self.harness is not None:
            self._hanging = False
            self.harness.drain(reraise=False, max_messages=MAX_MESSAGES)
        if self._interrupted and context.attempt == 1:
            return Interrupted("asked to")
        return None
