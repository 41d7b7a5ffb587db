"""The checker of the chaos runs: a world in which all went well has no faults, and each that did not has its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

import pytest

from benchmarks.chaos_check import Fault, Kind, find_faults
from benchmarks.chaos_client import Job
from benchmarks.chaos_effects import Act, Effect
from benchmarks.chaos_jobs import JOBS, PHASES, Hopeless, JobParams, Load, Product, Total
from benchmarks.chaos_world import AttemptRow, EventRow, Leftovers, RunRow, StageRow, TaskRow, World
from core.ids import JobId, TaskId
from core.model import TaskStatus

Row = TypeVar("Row", RunRow, StageRow, TaskRow, AttemptRow, EventRow, Effect)

SUMS, TOLERANT, DOOMED = 1, 2, 3
"""The runs, by key: three tasks a stage, seven of which one fails and is tolerated, six of which one fails the run."""

JOBS_OF_RUNS = {
    SUMS: Job("sums", JobParams(n=3, number=1)),
    TOLERANT: Job("tolerant_sums", JobParams(n=7, number=2)),
    DOOMED: Job("doomed_sums", JobParams(n=6, number=3)),
}


class Growth:
    """Grows a world as the engine does when nothing goes wrong but that each task ``n1`` needs a second attempt."""

    def __init__(self) -> None:
        self.numbers = count(1)
        self.stages: list[StageRow] = []
        self.tasks: list[TaskRow] = []
        self.attempts: list[AttemptRow] = []
        self.events: list[EventRow] = []
        self.effects: list[Effect] = []
        self.runs = [self.run(key, job) for key, job in JOBS_OF_RUNS.items()]

    def world(self) -> World:
        fingerprints = {key: f"fingerprint {key}" for key in JOBS_OF_RUNS}
        return World(
            jobs={job_id(key): job for key, job in JOBS_OF_RUNS.items()},
            runs=self.runs,
            stages=self.stages,
            tasks=self.tasks,
            attempts=self.attempts,
            events=self.events,
            effects=self.effects,
            leftovers=Leftovers(0, 0, 0),
            seen=fingerprints,
            last=dict(fingerprints),
            buried={"MaxDeliveryCountExceeded": 3},
        )

    def run(self, key: int, job: Job) -> RunRow:
        expected = JOBS[job.job_type].expected(job.params)
        self.tell(key, "job_submitted")
        loads = {f"n{number}": Load(values=[number], marks=[]) for number in range(job.params.n)}
        for stage, tasks in expected.stages.items():
            if stage == 3:
                made = list(loads.values())
                loads = {"sum": Load(values=[load.values[0] for load in made], marks=[load.marks[0] for load in made])}
            loads = self.stage(key, stage, tasks, loads)
        self.tell(key, "job_ended")
        result = Total(value=expected.total).model_dump_json() if expected.total is not None else None
        return RunRow(key, job_id(key), 1, expected.status, result, expected.error_code, True)

    def stage(
        self, key: int, number: int, tasks: Mapping[str, TaskStatus], loads: Mapping[str, Load]
    ) -> dict[str, Load]:
        """Run a stage; what the next one is loaded with."""
        self.tell(key, "stage_started", number)
        products = {name: self.task(key, number, name, status, loads[name]) for name, status in tasks.items()}
        self.tell(key, "stage_ended", number)
        failed = list(tasks.values()).count(TaskStatus.FAILED)
        self.stages.append(StageRow(key, number, "completed", len(tasks), failed, 0))
        return {name: Load(values=[made.value], marks=[made.mark]) for name, made in products.items() if made}

    def task(self, key: int, stage: int, name: str, status: TaskStatus, load: Load) -> Product | None:
        last = 2 if name == "n1" else 1
        for attempt in range(1, last):
            self.attempt(key, stage, name, attempt, "retry")
        mark = self.attempt(key, stage, name, last, "completed" if status is TaskStatus.COMPLETED else "failed")
        product = Product(value=self.value(stage, load), attempt=last, mark=mark)
        done = status is TaskStatus.COMPLETED
        result = product.model_dump_json() if done else None
        self.tasks.append(TaskRow(key, stage, name, status, last, load.model_dump_json(), result))
        return product if done else None

    def value(self, stage: int, load: Load) -> int:
        return {1: 2 * load.values[0], 2: load.values[0] + len(PHASES), 3: sum(load.values)}[stage]

    def attempt(self, key: int, stage: int, name: str, attempt: int, outcome: str) -> str:
        token, mark = next(self.numbers), f"mark-{next(self.numbers)}"
        self.act(Act.BEGAN, key, stage, name, attempt, mark)
        if stage == 2 and outcome == "completed":
            for phase in PHASES:
                self.act(Act.PHASE_BEGAN, key, stage, name, attempt, mark, phase)
                self.act(Act.PHASE_SAVED, key, stage, name, attempt, mark, phase)
        if outcome == "completed":
            self.act(Act.ENDED, key, stage, name, attempt, mark)
        self.attempts.append(AttemptRow(key, stage, name, attempt, token, next(self.numbers), outcome))
        return mark

    def act(self, act: Act, key: int, stage: int, name: str, attempt: int, mark: str, detail: str = "") -> None:
        self.effects.append(Effect(act, task_id(key, stage, name), attempt, mark, detail))

    def tell(self, key: int, kind: str, stage: int | None = None) -> None:
        self.events.append(EventRow(key, next(self.numbers), kind, stage))


def job_id(key: int) -> JobId:
    return JobId(f"{key:064x}")


def task_id(key: int, stage: int, name: str) -> TaskId:
    return TaskId(f"{job_id(key)}:1:{stage}:{name}")


def changed(rows: Sequence[Row], where: Callable[[Row], bool], **values: Any) -> list[Row]:
    """``rows`` with these values where they are meant to be; there must be such rows."""
    assert any(map(where, rows))
    return [row._replace(**values) if where(row) else row for row in rows]


def without(rows: Sequence[Row], where: Callable[[Row], bool]) -> list[Row]:
    assert any(map(where, rows))
    return [row for row in rows if not where(row)]


def twice(rows: Sequence[Row], where: Callable[[Row], bool]) -> list[Row]:
    assert any(map(where, rows))
    return [copy for row in rows for copy in ([row, row] if where(row) else [row])]


def is_task(key: int, stage: int, name: str) -> Callable[[TaskRow], bool]:
    return lambda task: (task.run_key, task.stage, task.name) == (key, stage, name)


def is_attempt(key: int, stage: int, name: str, attempt: int) -> Callable[[AttemptRow], bool]:
    return lambda one: (one.run_key, one.stage, one.name, one.attempt) == (key, stage, name, attempt)


def is_event(key: int, kind: str, stage: int | None = None) -> Callable[[EventRow], bool]:
    return lambda event: (event.run_key, event.kind, event.stage) == (key, kind, stage)


def is_effect(act: Act, key: int, stage: int, name: str) -> Callable[[Effect], bool]:
    return lambda effect: (effect.act, effect.task_id) == (act, task_id(key, stage, name))


def product_of(world: World, key: int, stage: int, name: str) -> Product:
    (task,) = filter(is_task(key, stage, name), world.tasks)
    assert task.result_json is not None
    return Product.model_validate_json(task.result_json)


@pytest.fixture
def world() -> World:
    return Growth().world()


def kinds(world: World) -> set[Kind]:
    return {fault.kind for fault in find_faults(world)}


def test_a_world_in_which_all_went_well_has_no_faults(world: World) -> None:
    assert find_faults(world) == []
    assert len(world.tasks) == (3 + 3 + 1) + (7 + 6 + 1) + 6


def test_what_a_failed_run_left_may_be_cancelled_with_its_attempt(world: World) -> None:
    tasks = changed(world.tasks, is_task(DOOMED, 1, "n4"), status="cancelled", result_json=None)
    after = max(event.number for event in world.events) + 1
    attempts = changed(world.attempts, is_attempt(DOOMED, 1, "n4", 1), outcome="cancelled", ended=after)

    assert find_faults(replace(world, tasks=tasks, attempts=attempts)) == []


class TestLost:
    def test_a_job_without_a_run(self, world: World) -> None:
        assert Fault(Kind.LOST, "sums 1", "it has 0 runs") in find_faults(replace(world, runs=world.runs[1:]))

    def test_a_task_that_waits_for_ever(self, world: World) -> None:
        tasks = changed(world.tasks, is_task(SUMS, 2, "n0"), status="queued", result_json=None)
        attempts = without(world.attempts, is_attempt(SUMS, 2, "n0", 1))

        assert Kind.LOST in kinds(replace(world, tasks=tasks, attempts=attempts))

    def test_a_task_that_was_never_made(self, world: World) -> None:
        tasks = without(world.tasks, is_task(SUMS, 2, "n0"))

        assert Kind.LOST in kinds(replace(world, tasks=tasks))

    def test_a_stage_that_was_never_opened(self, world: World) -> None:
        stages = without(world.stages, lambda stage: (stage.run_key, stage.number) == (TOLERANT, 3))

        assert Kind.LOST in kinds(replace(world, stages=stages))

    def test_a_result_that_was_not_used(self, world: World) -> None:
        load = Load(values=[0], marks=[])
        tasks = changed(world.tasks, is_task(SUMS, 2, "n0"), parameters_json=load.model_dump_json())

        assert kinds(replace(world, tasks=tasks)) == {Kind.LOST}

    def test_an_attempt_that_is_missing(self, world: World) -> None:
        attempts = without(world.attempts, is_attempt(SUMS, 1, "n1", 1))

        assert Kind.LOST in kinds(replace(world, attempts=attempts))

    def test_a_task_that_ended_without_an_attempt_that_ended_it(self, world: World) -> None:
        attempts = changed(world.attempts, is_attempt(SUMS, 1, "n0", 1), outcome="retry")

        assert kinds(replace(world, attempts=attempts)) == {Kind.LOST}

    @pytest.mark.parametrize("kind", ["stage_started", "stage_ended"])
    def test_a_moment_that_the_timeline_does_not_tell(self, world: World, kind: str) -> None:
        events = without(world.events, is_event(SUMS, kind, 2))

        assert kinds(replace(world, events=events)) == {Kind.LOST}


class TestDuplicated:
    def test_a_second_run(self, world: World) -> None:
        runs = [*world.runs, world.runs[0]._replace(run_key=9, run=2)]

        assert Kind.DUPLICATED in kinds(replace(world, runs=runs))

    def test_a_result_that_was_used_twice(self, world: World) -> None:
        (task,) = filter(is_task(SUMS, 3, "sum"), world.tasks)
        load = Load.model_validate_json(task.parameters_json)
        doubled = Load(values=load.values, marks=[*load.marks, load.marks[0]])
        tasks = changed(world.tasks, is_task(SUMS, 3, "sum"), parameters_json=doubled.model_dump_json())

        assert kinds(replace(world, tasks=tasks)) == {Kind.DUPLICATED}

    def test_two_attempts_that_ended_one_task(self, world: World) -> None:
        attempts = changed(world.attempts, is_attempt(SUMS, 1, "n1", 1), outcome="completed")

        assert kinds(replace(world, attempts=attempts)) == {Kind.DUPLICATED}

    @pytest.mark.parametrize("kind", ["stage_started", "stage_ended"])
    def test_a_stage_that_began_or_ended_twice(self, world: World, kind: str) -> None:
        assert kinds(replace(world, events=twice(world.events, is_event(SUMS, kind, 2)))) == {Kind.DUPLICATED}

    def test_a_run_that_ended_twice(self, world: World) -> None:
        assert kinds(replace(world, events=twice(world.events, is_event(SUMS, "job_ended")))) == {Kind.DUPLICATED}

    def test_an_attempt_that_ran_twice(self, world: World) -> None:
        effects = twice(world.effects, is_effect(Act.BEGAN, SUMS, 2, "n0"))

        assert kinds(replace(world, effects=effects)) == {Kind.DUPLICATED}

    def test_a_task_that_nobody_asked_for(self, world: World) -> None:
        tasks = [*world.tasks, world.tasks[0]._replace(name="n99")]

        assert Kind.DUPLICATED in kinds(replace(world, tasks=tasks))


class TestZombie:
    def test_the_result_of_an_attempt_that_was_over(self, world: World) -> None:
        old = product_of(world, SUMS, 3, "sum").model_copy(update={"attempt": 0})
        tasks = changed(world.tasks, is_task(SUMS, 3, "sum"), result_json=old.model_dump_json())

        assert kinds(replace(world, tasks=tasks)) == {Kind.ZOMBIE}

    def test_a_result_that_was_replaced_after_it_was_used(self, world: World) -> None:
        new = product_of(world, SUMS, 1, "n0").model_copy(update={"mark": "new"})
        tasks = changed(world.tasks, is_task(SUMS, 1, "n0"), result_json=new.model_dump_json())

        assert Kind.ZOMBIE in kinds(replace(world, tasks=tasks))

    def test_an_attempt_that_ended_a_task_of_which_another_one_ran(self, world: World) -> None:
        attempts = changed(world.attempts, is_attempt(SUMS, 1, "n1", 1), outcome="completed")
        attempts = changed(attempts, is_attempt(SUMS, 1, "n1", 2), outcome="lease_expired")

        assert kinds(replace(world, attempts=attempts)) == {Kind.ZOMBIE}

    def test_an_attempt_that_ended_after_the_next_began(self, world: World) -> None:
        (second,) = filter(is_attempt(SUMS, 1, "n1", 2), world.attempts)
        attempts = changed(world.attempts, is_attempt(SUMS, 1, "n1", 1), ended=second.token + 1)

        assert kinds(replace(world, attempts=attempts)) == {Kind.ZOMBIE}

    def test_a_token_that_did_not_grow(self, world: World) -> None:
        (first,) = filter(is_attempt(SUMS, 1, "n1", 1), world.attempts)
        attempts = changed(world.attempts, is_attempt(SUMS, 1, "n1", 2), token=first.token)

        assert kinds(replace(world, attempts=attempts)) == {Kind.ZOMBIE}

    def test_an_attempt_that_ended_after_its_stage(self, world: World) -> None:
        (end,) = filter(is_event(SUMS, "stage_ended", 1), world.events)
        attempts = changed(world.attempts, is_attempt(SUMS, 1, "n0", 1), ended=end.number + 1)

        assert kinds(replace(world, attempts=attempts)) == {Kind.ZOMBIE}


class TestRepeated:
    def test_a_phase_that_an_earlier_attempt_had_saved(self, world: World) -> None:
        again = Effect(Act.PHASE_BEGAN, task_id(SUMS, 2, "n1"), 3, "late", PHASES[0])

        assert kinds(replace(world, effects=[*world.effects, again])) == {Kind.REPEATED}

    def test_a_phase_that_the_attempt_before_began_and_did_not_save_is_none(self, world: World) -> None:
        first = Effect(Act.PHASE_BEGAN, task_id(SUMS, 2, "n1"), 1, "early", PHASES[0])

        assert find_faults(replace(world, effects=[*world.effects, first])) == []


class TestNotEnded:
    def test_a_run_that_still_goes_on(self, world: World) -> None:
        runs = changed(world.runs, lambda run: run.run_key == SUMS, ended=False, status="processing")

        assert kinds(replace(world, runs=runs)) == {Kind.NOT_ENDED}

    def test_a_stage_whose_countdown_is_not_at_zero(self, world: World) -> None:
        stages = changed(world.stages, lambda stage: (stage.run_key, stage.number) == (SUMS, 2), remaining=1)

        assert kinds(replace(world, stages=stages)) == {Kind.NOT_ENDED}


class TestWrong:
    def test_another_answer(self, world: World) -> None:
        runs = changed(world.runs, lambda run: run.run_key == SUMS, result_json='{"value":1}')

        assert kinds(replace(world, runs=runs)) == {Kind.WRONG}

    def test_another_end(self, world: World) -> None:
        runs = changed(world.runs, lambda run: run.run_key == TOLERANT, status="completed")

        assert kinds(replace(world, runs=runs)) == {Kind.WRONG}

    def test_another_error(self, world: World) -> None:
        assert world.runs[DOOMED - 1].error_code == Hopeless.code
        runs = changed(world.runs, lambda run: run.run_key == DOOMED, error_code="LEASE_EXPIRED")

        assert kinds(replace(world, runs=runs)) == {Kind.WRONG}

    def test_a_healthy_task_that_failed(self, world: World) -> None:
        tasks = changed(world.tasks, is_task(TOLERANT, 1, "n0"), status="failed", result_json=None)
        attempts = changed(world.attempts, is_attempt(TOLERANT, 1, "n0", 1), outcome="failed")

        assert Kind.WRONG in kinds(replace(world, tasks=tasks, attempts=attempts))

    def test_a_task_that_was_cancelled_in_a_run_that_did_not_fail(self, world: World) -> None:
        tasks = changed(world.tasks, is_task(SUMS, 3, "sum"), status="cancelled", result_json=None)
        attempts = changed(world.attempts, is_attempt(SUMS, 3, "sum", 1), outcome="cancelled")

        assert Kind.WRONG in kinds(replace(world, tasks=tasks, attempts=attempts))

    def test_a_stage_that_was_to_stay_closed(self, world: World) -> None:
        stages = [*world.stages, StageRow(DOOMED, 2, "completed", 0, 0, 0)]

        assert Kind.WRONG in kinds(replace(world, stages=stages))

    @pytest.mark.parametrize("values", [{"total": 4}, {"failed": 1}])
    def test_a_stage_that_counted_otherwise(self, world: World, values: Mapping[str, object]) -> None:
        stages = changed(world.stages, lambda stage: (stage.run_key, stage.number) == (SUMS, 2), **values)

        assert kinds(replace(world, stages=stages)) == {Kind.WRONG}

    def test_a_result_that_no_call_made(self, world: World) -> None:
        effects = without(world.effects, is_effect(Act.ENDED, SUMS, 3, "sum"))

        assert kinds(replace(world, effects=effects)) == {Kind.WRONG}

    def test_an_attempt_that_ran_and_was_never_granted(self, world: World) -> None:
        stray = Effect(Act.BEGAN, task_id(SUMS, 1, "n0"), 7, "stray")

        assert kinds(replace(world, effects=[*world.effects, stray])) == {Kind.WRONG}

    def test_stages_out_of_order(self, world: World) -> None:
        order = {event: index for index, event in enumerate(world.events)}
        first, second = (next(filter(is_event(SUMS, "stage_started", stage), world.events)) for stage in (2, 3))
        swapped = {
            order[first]: second._replace(number=first.number),
            order[second]: first._replace(number=second.number),
        }
        events = [swapped.get(index, event) for index, event in enumerate(world.events)]

        assert Kind.WRONG in kinds(replace(world, events=events))

    def test_a_run_that_nobody_submitted(self, world: World) -> None:
        runs = [*world.runs, RunRow(9, job_id(9), 1, "completed", None, None, True)]

        assert kinds(replace(world, runs=runs)) == {Kind.WRONG}

    def test_a_message_that_was_buried_for_what_it_is(self, world: World) -> None:
        assert kinds(replace(world, buried={"MESSAGE_INVALID": 1})) == {Kind.WRONG}


def test_a_run_that_changed_after_it_had_ended(world: World) -> None:
    assert kinds(replace(world, last={**world.last, SUMS: "another"})) == {Kind.CHANGED}


@pytest.mark.parametrize("name", Leftovers._fields)
def test_what_is_left_over(world: World, name: str) -> None:
    assert find_faults(replace(world, leftovers=Leftovers(0, 0, 0)._replace(**{name: 2}))) == [
        Fault(Kind.LEFT, name, "2 are left")
    ]
