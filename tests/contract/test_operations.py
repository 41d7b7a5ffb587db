"""Operations on jobs, on both stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from core.consumer import dispatch, settle
from core.context import TaskContext
from core.errors import (
    InvalidCursor,
    InvalidIdentifier,
    InvalidParameters,
    JobNotFound,
    LeaseLost,
    NothingToReplay,
    RunEnded,
    RunNotEnded,
    RunNotFound,
    TaskError,
)
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.listing import RunFilter, TaskFilter
from core.machine import CoreMachine
from core.model import Event, EventKind, FailurePolicy, RunStatus, TaskResult, TaskStatus
from core.operations import JobOperations
from core.ports import StateStore
from infrastructure.postgres.store import PostgresStateStore
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from tests.support.postgres_store import pool_to

ALICE = "alice@example.org"
NOBODY = "0" * 64


class Values(BaseModel):
    values: list[int]


class Value(BaseModel):
    value: int


CALLS: list[str] = []


def double(params: Value, context: TaskContext) -> Value:
    CALLS.append(f"double {params.value}")
    return Value(value=2 * params.value)


def positive(params: Value, context: TaskContext) -> Value:
    CALLS.append(f"positive {params.value}")
    if params.value < 0:
        raise TaskError(f"{params.value} is less than 0")
    return params


def total(params: Values, context: TaskContext) -> Value:
    return Value(value=sum(params.values))


class Sums(JobDefinition[Values]):
    """Doubles, refuses what is negative, and adds up."""

    job_type = "sums"
    description = "Doubles, refuses what is negative, and adds up"
    parameters: ClassVar[type[BaseModel]] = Values
    result: ClassVar[type[BaseModel]] = Value
    stages = (
        StageDefinition(1, "double", "double", Parallelism.FAN_OUT),
        StageDefinition(2, "check", "positive", Parallelism.FAN_OUT),
        StageDefinition(3, "add", "total", Parallelism.FAN_IN),
    )

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Values, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if stage.number == 1:
            return [TaskSpec(f"n{index}", Value(value=value)) for index, value in enumerate(job_params.values)]
        values = [one.parse(Value).value for one in previous_results if one.succeeded]
        if stage.number == 2:
            return [TaskSpec(f"n{index}", Value(value=value)) for index, value in enumerate(values)]
        return [TaskSpec("sum", Values(values=values))]

    def finalize_job(self, context: JobContext[Values]) -> Value:
        return context.results(3)[0].parse(Value)


class TolerantSums(Sums):
    job_type = "tolerant_sums"
    stages = (
        Sums.stages[0],
        StageDefinition(2, "check", "positive", Parallelism.FAN_OUT, FailurePolicy.TOLERATE),
        Sums.stages[2],
    )


class Desk:
    """A machine over a store, and the operations on its jobs."""

    def __init__(self, store: StateStore, clock: FakeClock) -> None:
        handlers = [task_handler("double", double), task_handler("positive", positive), task_handler("total", total)]
        registries = Registries.of([Sums(), TolerantSums()], handlers)
        self.clock = clock
        self.bus = MockServiceBusRepository(clock)
        self.machine = CoreMachine(
            registries.jobs,
            registries.handlers,
            store,
            self.bus,
            blobs=MemoryBlobStore(),
            clock=clock,
            ids=SeededIds(1),
        )
        self.operations = JobOperations(self.machine)
        CALLS.clear()

    def submit(self, *values: int, job_type: str = "sums") -> JobId:
        return self.machine.submit(job_type, {"values": list(values)}).run.job_id

    def step(self, queue: str) -> int:
        """Process what waits in a queue now; how many messages that were."""
        messages = self.bus.receive(queue, 1_000)
        for message in messages:
            settle(self.bus, message, dispatch(self.machine, message.body))
        return len(messages)

    def drain(self) -> None:
        while self.step("jobs") + self.step("tasks"):
            pass

    def done(self, *values: int, job_type: str = "sums") -> JobId:
        """A job that has ended."""
        job_id = self.submit(*values, job_type=job_type)
        self.drain()
        return job_id

    def told(self, job_id: str, run: int | None = None) -> list[tuple[EventKind, str]]:
        return [(event.kind, event.actor) for event in self.operations.events(job_id, run, limit=1_000).items]


@pytest.fixture(params=["memory", "postgres"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    clock = FakeClock()
    with ExitStack() as stack:
        if request.param == "memory":
            yield Desk(MockStateManager(clock), clock)
        else:
            database: Any = request.getfixturevalue("postgres_database")
            yield Desk(PostgresStateStore(stack.enter_context(pool_to(database.url))), clock)


class TestLooking:
    def test_the_status_tells_how_far_each_stage_is(self, desk: Desk) -> None:
        job_id = desk.submit(1, 2, 3, 4)
        before = desk.operations.status(job_id)
        desk.step("jobs")
        for message in desk.bus.receive("tasks", 2):
            settle(desk.bus, message, dispatch(desk.machine, message.body))
        half = desk.operations.status(job_id)
        desk.drain()
        after = desk.operations.status(job_id)

        assert (before.state, before.percent, before.stage_count) == ("queued", 0.0, 3)
        assert (half.state, half.percent) == ("processing", 16.7)
        assert [(one.total, one.remaining) for one in half.run.stages] == [(4, 2)]
        assert (after.state, after.percent) == ("completed", 100.0)

    def test_the_result_is_there_once_the_run_has_ended(self, desk: Desk) -> None:
        job_id = desk.submit(1, 2)
        with pytest.raises(RunNotEnded):
            desk.operations.result(job_id)
        desk.drain()

        assert desk.operations.result(job_id).result_json == '{"value":6}'

    def test_a_job_or_run_that_is_not_there_is_told(self, desk: Desk) -> None:
        job_id = desk.done(1)

        with pytest.raises(JobNotFound):
            desk.operations.status(NOBODY)
        with pytest.raises(InvalidIdentifier):
            desk.operations.status("nonsense")
        for run in (0, 2, -1, 2**40):
            with pytest.raises(RunNotFound, match="the latest is 1"):
                desk.operations.status(job_id, run)

    def test_runs_are_listed_newest_first_in_pages_that_do_not_shift(self, desk: Desk) -> None:
        jobs = []
        for number in range(5):
            jobs.append(desk.submit(number))
            desk.clock.advance(1)
        first = desk.operations.list_runs(limit=2)
        desk.submit(99)
        second = desk.operations.list_runs(cursor=first.next, limit=2)
        third = desk.operations.list_runs(cursor=second.next, limit=2)

        pages = [[run.job_id for run in page.items] for page in (first, second, third)]
        assert pages == [[jobs[4], jobs[3]], [jobs[2], jobs[1]], [jobs[0]]]
        assert third.next is None

    def test_runs_are_filtered(self, desk: Desk) -> None:
        bad, good = desk.done(-1), desk.done(1)
        desk.submit(5)

        failed = desk.operations.list_runs(RunFilter(statuses=frozenset({RunStatus.FAILED})))
        ended = desk.operations.list_runs(RunFilter(statuses=frozenset({RunStatus.FAILED, RunStatus.COMPLETED})))

        assert [run.job_id for run in failed.items] == [bad]
        assert {run.job_id for run in ended.items} == {bad, good}
        assert failed.items[0].error is not None
        assert desk.operations.list_runs(RunFilter(job_type="tolerant_sums")).items == []

    def test_tasks_are_listed_in_pages(self, desk: Desk) -> None:
        job_id = desk.done(3, 1, 2)
        pages: list[list[str]] = []
        cursor: str | None = None
        while not pages or cursor is not None:
            page = desk.operations.tasks(job_id, cursor=cursor, limit=3)
            pages.append([f"{task.stage}:{task.name}" for task in page.items])
            cursor = page.next

        assert pages == [["1:n0", "1:n1", "1:n2"], ["2:n0", "2:n1", "2:n2"], ["3:sum"]]
        only = desk.operations.tasks(job_id, filters=TaskFilter(stage=2, statuses=frozenset({TaskStatus.COMPLETED})))
        assert len(only.items) == 3

    def test_the_timeline_comes_in_pages(self, desk: Desk) -> None:
        job_id = desk.done(1)
        whole = desk.operations.events(job_id, limit=1_000).items
        pages: list[Event] = []
        after = 0
        while True:
            page = desk.operations.events(job_id, after=after, limit=4)
            pages += page.items
            if page.next is None:
                break
            after = int(page.next)

        assert pages == list(whole)
        assert [whole[0].kind, whole[-1].kind] == [EventKind.JOB_SUBMITTED, EventKind.JOB_ENDED]

    @pytest.mark.parametrize("cursor", ["", "!", "bm9uc2Vuc2U", "WzFd", "é", "W10=" * 100])
    def test_a_cursor_that_is_none_is_refused(self, desk: Desk, cursor: str) -> None:
        job_id = desk.submit(1)
        with pytest.raises(InvalidCursor):
            desk.operations.list_runs(cursor=cursor)
        with pytest.raises(InvalidCursor):
            desk.operations.tasks(job_id, cursor=cursor)

    @pytest.mark.parametrize("limit", [0, -1, 1_001])
    def test_a_limit_out_of_bounds_is_refused(self, desk: Desk, limit: int) -> None:
        with pytest.raises(InvalidParameters):
            desk.operations.list_runs(limit=limit)


class TestCancelling:
    def test_queued_work_stops_and_running_work_is_told(self, desk: Desk) -> None:
        job_id = desk.submit(1, 2)
        desk.step("jobs")
        (task, *_) = desk.operations.tasks(job_id).items
        claim = desk.machine.store.claim_task(task.task_id, 1, desk.machine.attempts._worker, 60, desk.clock.now())

        status = desk.operations.cancel(job_id, ALICE)
        desk.drain()

        assert (status.state, CALLS) == ("cancelled", [])
        assert desk.told(job_id)[-1] == (EventKind.JOB_ENDED, ALICE)
        with pytest.raises(LeaseLost):
            desk.machine.store.renew_lease(claim.lease, 60, desk.clock.now())  # type: ignore[union-attr]

    def test_cancelling_again_changes_nothing(self, desk: Desk) -> None:
        job_id = desk.submit(1)
        first = desk.operations.cancel(job_id, ALICE)

        assert desk.operations.cancel(job_id, "bob") == first
        assert desk.told(job_id).count((EventKind.JOB_ENDED, ALICE)) == 1

    def test_what_has_ended_otherwise_cannot_be_cancelled(self, desk: Desk) -> None:
        with pytest.raises(RunEnded, match="completed"):
            desk.operations.cancel(desk.done(1), ALICE)

    def test_who_asks_has_to_be_said(self, desk: Desk) -> None:
        job_id = desk.submit(1)
        for actor in ("", "  ", "x" * 201):
            with pytest.raises(InvalidParameters, match="actor"):
                desk.operations.cancel(job_id, actor)


class TestPausing:
    def test_a_paused_job_starts_nothing_and_goes_on_when_it_is_resumed(self, desk: Desk) -> None:
        job_id = desk.submit(1, 2)
        desk.step("jobs")
        paused = desk.operations.pause(job_id, ALICE)
        desk.drain()
        before = list(CALLS)

        resumed = desk.operations.resume(job_id, "bob")
        desk.drain()

        assert (paused.state, before, resumed.state) == ("paused", [], "processing")
        assert desk.operations.result(job_id).result_json == '{"value":6}'
        actors = [actor for kind, actor in desk.told(job_id) if kind in (EventKind.JOB_PAUSED, EventKind.JOB_RESUMED)]
        assert actors == [ALICE, "bob"]

    def test_a_job_that_is_paused_before_it_starts_opens_its_stage_and_waits(self, desk: Desk) -> None:
        job_id = desk.submit(1)
        desk.operations.pause(job_id, ALICE)
        desk.drain()

        assert [stage.remaining for stage in desk.operations.status(job_id).run.stages] == [1]
        desk.operations.resume(job_id, ALICE)
        desk.drain()
        assert desk.operations.status(job_id).state == "completed"

    def test_pausing_and_resuming_again_change_nothing(self, desk: Desk) -> None:
        job_id = desk.submit(1)
        desk.operations.pause(job_id, ALICE)
        desk.operations.pause(job_id, ALICE)
        desk.operations.resume(job_id, ALICE)
        desk.operations.resume(job_id, ALICE)

        kinds = [kind for kind, _ in desk.told(job_id)]
        assert kinds == [EventKind.JOB_SUBMITTED, EventKind.JOB_PAUSED, EventKind.JOB_RESUMED]

    def test_what_has_ended_is_neither_paused_nor_resumed(self, desk: Desk) -> None:
        job_id = desk.done(1)
        for change in (desk.operations.pause, desk.operations.resume):
            with pytest.raises(RunEnded):
                change(job_id, ALICE)

    def test_a_paused_job_can_be_cancelled(self, desk: Desk) -> None:
        job_id = desk.submit(1)
        desk.operations.pause(job_id, ALICE)

        assert desk.operations.cancel(job_id, ALICE).state == "cancelled"

    def test_paused_jobs_can_be_listed(self, desk: Desk) -> None:
        job_id = desk.submit(1)
        desk.submit(2)
        desk.operations.pause(job_id, ALICE)

        assert [run.job_id for run in desk.operations.list_runs(RunFilter(paused=True)).items] == [job_id]


class TestResubmitting:
    def test_it_is_a_new_run_and_the_history_of_the_old_one_stays(self, desk: Desk) -> None:
        job_id = desk.done(1, 2)
        before = desk.told(job_id, 1)

        status = desk.operations.resubmit(job_id, ALICE)
        desk.drain()

        assert (status.run.run, status.state) == (2, "queued")
        assert desk.operations.result(job_id).result_json == '{"value":6}'
        assert desk.told(job_id, 1) == before
        assert desk.told(job_id, 2)[0] == (EventKind.JOB_RESUBMITTED, ALICE)
        assert CALLS == ["double 1", "double 2", "positive 2", "positive 4"] * 2

    def test_finished_stages_are_reused_on_request(self, desk: Desk) -> None:
        job_id = desk.done(1, -2)
        assert desk.operations.status(job_id).state == "failed"
        CALLS.clear()

        desk.operations.resubmit(job_id, ALICE, reuse_finished_stages=True)
        desk.drain()

        assert desk.operations.status(job_id).run.run == 2
        assert CALLS[0].startswith("positive")
        assert not any(call.startswith("double") for call in CALLS)

    def test_a_run_whose_stages_are_all_reused_comes_to_the_same_result(self, desk: Desk) -> None:
        job_id = desk.done(1, 2)
        CALLS.clear()

        desk.operations.resubmit(job_id, ALICE, reuse_finished_stages=True)
        desk.drain()

        assert (CALLS, desk.operations.result(job_id).result_json) == ([], '{"value":6}')

    def test_a_job_that_goes_on_is_not_resubmitted(self, desk: Desk) -> None:
        with pytest.raises(RunNotEnded):
            desk.operations.resubmit(desk.submit(1), ALICE)

    def test_submitting_the_content_again_gives_the_latest_run(self, desk: Desk) -> None:
        job_id = desk.done(1)
        desk.operations.resubmit(job_id, ALICE)

        again = desk.machine.submit("sums", {"values": [1]})

        assert (again.created, again.run.run) == (False, 2)


class TestReplaying:
    def test_failed_tasks_are_shown_with_parameters_and_error(self, desk: Desk) -> None:
        job_id = desk.done(1, -2, -3, job_type="tolerant_sums")

        failed = desk.operations.failed_tasks(job_id).items

        assert [(task.name, task.parameters_json) for task in failed] == [
            ("n1", '{"value":-4}'),
            ("n2", '{"value":-6}'),
        ]
        assert [task.error and task.error.message for task in failed] == ["-4 is less than 0", "-6 is less than 0"]

    def test_one_failed_task_is_replayed_with_edited_parameters_and_the_job_goes_on(self, desk: Desk) -> None:
        job_id = desk.done(1, -2)
        CALLS.clear()

        status = desk.operations.replay(job_id, ALICE, {"n1": {"value": 40}})
        desk.drain()

        assert (status.run.run, status.state) == (2, "processing")
        assert desk.operations.result(job_id).result_json == '{"value":42}'
        assert set(CALLS) <= {"positive 40", "positive 2"}
        assert "positive 40" in CALLS
        told = desk.told(job_id, 2)
        assert (EventKind.JOB_RESUBMITTED, ALICE) in told
        assert (EventKind.PARAMETERS_EDITED, ALICE) in told
        before = desk.operations.failed_tasks(job_id, run=1).items
        assert [task.parameters_json for task in before] == ['{"value":-4}']

    def test_under_tolerate_the_chosen_are_replayed_and_the_others_stay_failed(self, desk: Desk) -> None:
        job_id = desk.done(1, -2, -3, job_type="tolerant_sums")
        CALLS.clear()

        desk.operations.replay(job_id, ALICE, {"n2": {"value": 10}})
        desk.drain()

        assert CALLS == ["positive 10"]
        run = desk.operations.result(job_id)
        assert (run.status, run.result_json) == (RunStatus.COMPLETED_WITH_ERRORS, '{"value":12}')
        assert [(stage.total, stage.failed) for stage in run.stages] == [(3, 0), (3, 1), (1, 0)]

    def test_all_are_replayed_unless_some_are_chosen(self, desk: Desk) -> None:
        job_id = desk.done(1, -2, -3, job_type="tolerant_sums")
        CALLS.clear()

        desk.operations.replay(job_id, ALICE)
        desk.drain()

        assert sorted(CALLS) == ["positive -4", "positive -6"]

    def test_a_cancelled_run_is_taken_up_again(self, desk: Desk) -> None:
        job_id = desk.submit(1, 2)
        desk.step("jobs")
        (first, *_) = desk.bus.receive("tasks", 1)
        settle(desk.bus, first, dispatch(desk.machine, first.body))
        desk.operations.cancel(job_id, ALICE)
        desk.drain()

        desk.operations.replay(job_id, ALICE)
        desk.drain()

        assert desk.operations.result(job_id).result_json == '{"value":6}'
        assert sorted(CALLS) == ["double 1", "double 2", "positive 2", "positive 4"]

    def test_parameters_that_do_not_fit_are_refused_and_nothing_is_written(self, desk: Desk) -> None:
        job_id = desk.done(-1)

        with pytest.raises(InvalidParameters):
            desk.operations.replay(job_id, ALICE, {"n0": {"value": "many"}})
        with pytest.raises(InvalidParameters, match="'other'"):
            desk.operations.replay(job_id, ALICE, {"other": None})

        assert desk.operations.status(job_id).run.run == 1

    def test_a_run_without_failed_tasks_has_nothing_to_replay(self, desk: Desk) -> None:
        with pytest.raises(NothingToReplay):
            desk.operations.replay(desk.done(1), ALICE)

    def test_a_replay_can_be_replayed(self, desk: Desk) -> None:
        job_id = desk.done(-1)
        for value in (-5, -6, 7):
            desk.operations.replay(job_id, ALICE, {"n0": {"value": value}})
            desk.drain()

        assert desk.operations.status(job_id).run.run == 4
        assert desk.operations.result(job_id).result_json == '{"value":7}'
