from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from core.attempts import Processed
from core.consumer import AbandonMessage, dispatch, settle
from core.context import StopSignal, TaskContext
from core.errors import (
    InvalidParameters,
    StoreUnavailable,
    TaskError,
    TransientTaskError,
    UnknownJobType,
    UnknownTaskType,
)
from core.handlers import TaskHandler, task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.messages import JobQueueMessage, StageCompleteMessage, decode
from core.model import EventKind, FailurePolicy, RunRecord, RunStatus, StageStatus, TaskResult, TaskStatus
from core.outcome import Failed, Interrupted, RetryLater
from core.retry import RetryPolicy
from testing.clock import FakeClock
from testing.factories import Registries, create_test_core_machine, create_test_harness, setup_single_task_test
from testing.fault_handlers import ATTEMPTS, FOREIGN_TEXT, HANG_TIMEOUT, fault_handlers, fault_jobs
from testing.harness import Harness
from testing.mock_state import MockStateManager

FAULTS = (
    "succeeds",
    "crashes",
    "fails_transiently",
    "exhausts_memory",
    "returns_garbage",
    "returns_wrong_model",
    "interrupts",
    "retries_later",
    "hangs",
)


def fault_harness(state: Callable[[FakeClock], MockStateManager] = MockStateManager) -> Harness:
    clock = FakeClock()
    registries = Registries.of(fault_jobs(FAULTS), fault_handlers(clock.advance))
    harness, _ = create_test_harness(registries, clock=clock, state=state(clock))
    return harness


def finish(harness: Harness, job_type: str, **parameters: object) -> RunRecord:
    """Submit a job, drain, and give its run as it ended."""
    submitted = harness.submit(job_type, parameters)
    harness.drain(reraise=False, max_messages=50_000)
    run = harness.state.load_run(submitted.job_id, submitted.run)
    assert run is not None
    return run


def outcomes(harness: Harness, run: RunRecord, name: str = "task-0") -> list[str | None]:
    task_id = next(task for task in harness.state.get_state_snapshot()["tasks"] if task.endswith(f":{name}"))
    assert task_id.startswith(run.job_id)
    return [one.outcome for one in harness.state.list_attempts(task_id)]


class TestSubmit:
    def test_a_job_is_queued_and_its_message_sent(self) -> None:
        machine, state, bus = create_test_core_machine()

        submitted = machine.submit("hello_world", {"n": 2})

        assert (submitted.created, submitted.run.status) == (True, RunStatus.QUEUED)
        (sent,) = bus.get_messages_for_queue("jobs")
        assert sent["body"]["job_id"] == submitted.run.job_id
        assert state.load_run(submitted.run.job_id, 1) is not None

    def test_the_same_content_is_the_same_job_and_sends_nothing_again(self) -> None:
        machine, _, bus = create_test_core_machine()
        first = machine.submit("hello_world", {"n": 2})

        again = machine.submit("hello_world", {"n": 2, "message": "Hello!"})

        assert (again.created, again.run.job_id) == (False, first.run.job_id)
        assert len(bus.get_sent_messages()) == 1

    def test_tenants_and_keys_make_it_another_job(self) -> None:
        machine, _, _ = create_test_core_machine()

        runs = {
            machine.submit("hello_world", {}, tenant=tenant, idempotency_key=key).run.job_id
            for tenant in ("a", "b")
            for key in (None, "k", "l")
        }

        assert len(runs) == 6

    def test_an_empty_idempotency_key_is_none(self) -> None:
        machine, _, _ = create_test_core_machine()
        machine.submit("hello_world", {"n": 1}, idempotency_key="")

        assert machine.submit("hello_world", {"n": 2}, idempotency_key="").created
        assert not machine.submit("hello_world", {"n": 1}).created

    @pytest.mark.parametrize(
        ("job_type", "parameters", "error"),
        [
            ("nobody", {}, UnknownJobType),
            ("hello_world", {"n": -1}, InvalidParameters),
            ("hello_world", {"x": 1}, InvalidParameters),
            ("hello_world", {"failure_rate": float("nan")}, InvalidParameters),
            ("hello_world", {"message": "\ud800"}, InvalidParameters),
        ],
    )
    def test_a_wrong_submission_is_refused_and_nothing_is_written(
        self, job_type: str, parameters: dict[str, object], error: type[Exception]
    ) -> None:
        machine, state, bus = create_test_core_machine()

        with pytest.raises(error):
            machine.submit(job_type, parameters)

        assert state.get_state_snapshot() == {"jobs": {}, "tasks": {}, "stage_stats": {}}
        assert bus.get_sent_messages() == []


class TestMessagesInAnyOrder:
    def test_every_message_again_in_any_order_changes_nothing(self) -> None:
        harness, _ = create_test_harness()
        run = finish(harness, "hello_world", n=3)
        bodies = [decode(json.dumps(sent["body"]).encode()).encode() for sent in harness.bus.get_sent_messages()]
        before = (harness.state.get_state_snapshot(), harness.bus.sent_count())
        events = harness.state.list_events(run.job_id, 1)

        random.Random(1).shuffle(bodies)
        settlements = [dispatch(harness.machine, body) for body in bodies * 2]

        assert {settlement.effect for settlement in settlements if isinstance(settlement, Processed)} == {
            "run_ended",
            "ended",
        }
        assert (harness.state.get_state_snapshot(), harness.bus.sent_count()) == before
        assert harness.state.list_events(run.job_id, 1) == events

    def test_a_stage_complete_message_before_its_stage_has_ended_is_a_no_op(self) -> None:
        machine, state, _ = create_test_core_machine()
        job_id = machine.submit("hello_world", {"n": 2}).run.job_id
        early = StageCompleteMessage(job_id=job_id, run=1, job_type="hello_world", stage=1)

        assert machine.process_stage_complete_message(early) == Processed("stage_not_opened")
        machine.process_job_message(JobQueueMessage(job_id=job_id, run=1, job_type="hello_world"))
        assert machine.process_stage_complete_message(early) == Processed("stage_running")

        run = state.load_run(job_id, 1)
        assert run is not None
        assert [stage.number for stage in run.stages] == [1]

    def test_a_job_message_twice_opens_one_stage(self) -> None:
        machine, state, _ = create_test_core_machine()
        job_id = machine.submit("hello_world", {"n": 2}).run.job_id
        message = JobQueueMessage(job_id=job_id, run=1, job_type="hello_world")

        effects = [machine.process_job_message(message).effect for _ in range(2)]

        assert effects == ["applied", "already_started"]
        assert len(state.get_state_snapshot()["tasks"]) == 2

    def test_a_task_message_twice_runs_the_handler_once(self) -> None:
        machine, state, _, message = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "Hi"})

        effects = [machine.process_task_message(message).effect for _ in range(2)]

        assert effects == ["applied", "ended"]
        assert len(state.list_attempts(message.task_id)) == 1

    def test_a_message_of_an_attempt_that_is_over_is_a_no_op(self) -> None:
        harness = fault_harness()
        run = finish(harness, "fails_transiently", times=1)
        old = next(m for m in harness.bus.get_sent_messages() if m["message_type"] == "task")

        assert dispatch(harness.machine, json.dumps(old["body"]).encode()) == Processed("ended")
        assert run.status is RunStatus.COMPLETED

    def test_a_run_that_is_not_there_is_a_no_op(self) -> None:
        machine, _, _ = create_test_core_machine()

        message = JobQueueMessage(job_id=JobId("0" * 64), run=1, job_type="hello_world")

        assert machine.process_job_message(message) == Processed("unknown_run")

    def test_a_task_type_that_is_not_known_is_refused_before_anything_is_claimed(self) -> None:
        machine, state, _, message = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "Hi"})

        with pytest.raises(UnknownTaskType):
            machine.process_task_message(message.model_copy(update={"task_type": "nobody"}))

        assert state.list_attempts(message.task_id) == []


class TestHandlersThatGoWrong:
    @pytest.mark.parametrize(
        ("job_type", "code"),
        [
            ("crashes", "HANDLER_ERROR"),
            ("exhausts_memory", "OUT_OF_MEMORY"),
            ("returns_garbage", "INVALID_RESULT"),
            ("returns_wrong_model", "INVALID_RESULT"),
        ],
    )
    def test_a_failure_that_is_not_retryable_ends_the_run_at_once(self, job_type: str, code: str) -> None:
        harness = fault_harness()

        run = finish(harness, job_type)

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, code)
        assert outcomes(harness, run) == ["failed"]
        assert FOREIGN_TEXT not in repr(harness.state.get_state_snapshot())

    def test_a_transient_failure_is_tried_again_and_succeeds(self) -> None:
        harness = fault_harness()

        run = finish(harness, "fails_transiently", times=2)

        assert (run.status, run.retries_used) == (RunStatus.COMPLETED, 2)
        assert outcomes(harness, run) == ["retry", "retry", "completed"]

    def test_attempts_run_out(self) -> None:
        harness = fault_harness()

        run = finish(harness, "fails_transiently", times=ATTEMPTS)

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "TASK_FAILED_TRANSIENTLY")
        assert outcomes(harness, run) == [*["retry"] * (ATTEMPTS - 1), "failed"]

    def test_an_interruption_is_resumable_and_costs_no_attempt(self) -> None:
        harness = fault_harness()

        run = finish(harness, "interrupts", times=3 * ATTEMPTS)

        assert (run.status, run.retries_used) == (RunStatus.COMPLETED, 0)
        assert outcomes(harness, run) == [*["interrupted"] * 3 * ATTEMPTS, "completed"]
        task = next(iter(harness.state.get_state_snapshot()["tasks"]))
        record = harness.state.load_task(task)
        assert record is not None
        assert record.charged == 0
        assert len(json.loads(record.checkpoint_json or "")["phases"]) == 3 * ATTEMPTS

    def test_retry_later_is_called_again_after_its_delay(self) -> None:
        harness = fault_harness()

        run = finish(harness, "retries_later", times=2, delay=3_600.0)

        assert run.status is RunStatus.COMPLETED
        assert outcomes(harness, run) == ["retry_later", "retry_later", "completed"]
        assert (run.updated_at - run.created_at).total_seconds() == 7_200

    def test_retry_later_does_not_go_on_for_ever(self) -> None:
        run = finish(fault_harness(), "retries_later", times=1_000)

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "RETRY_LATER")

    def test_a_handler_that_hangs_is_told_to_stop_at_its_deadline_and_pays_for_it(self) -> None:
        harness = fault_harness()

        run = finish(harness, "hangs")

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "DEADLINE_EXCEEDED")
        assert len(outcomes(harness, run)) == ATTEMPTS
        elapsed = (run.updated_at - run.created_at).total_seconds()
        assert elapsed >= ATTEMPTS * HANG_TIMEOUT

    def test_a_handler_that_saves_what_it_did_before_its_deadline_pays_nothing(self) -> None:
        clock = FakeClock()

        def slow(params: Nothing, context: TaskContext) -> Nothing | Interrupted:
            for page in range(10):
                if not context.checkpoint.should_skip(f"page-{page}"):
                    clock.advance(20)
                    if context.checkpoint.save_and_stop_if_requested(f"page-{page}"):
                        return Interrupted(context.stop_reason or "")
            return Nothing()

        run, state = run_one(task_handler("work", slow, timeout=50, retry=RetryPolicy(max_attempts=1)), clock)

        assert (run.status, run.retries_used) == (RunStatus.COMPLETED, 0)
        assert [one.outcome for one in state.list_attempts(task_of(run))] == [*["interrupted"] * 3, "completed"]

    def test_a_handler_that_is_told_to_stop_by_the_worker_pays_nothing(self) -> None:
        clock = FakeClock()
        stop = StopSignal()
        stop.set("deploy")
        registries = Registries.of((), fault_handlers(clock.advance))
        machine, state, bus, message = setup_single_task_test("hangs", {}, registries=registries, clock=clock)

        processed = machine.process_task_message(message, stop)

        assert processed.outcome == Interrupted("deploy")
        task = state.load_task(message.task_id)
        assert task is not None
        assert (task.status, task.attempt, task.charged) == (TaskStatus.QUEUED, 2, 0)
        assert [sent["message_id"] for sent in bus.get_sent_messages()] == [f"{message.task_id}:2"]

    def test_a_handler_that_ignores_a_lost_lease_changes_nothing(self) -> None:
        clock = FakeClock()

        def careless(params: Nothing, context: TaskContext) -> Nothing:
            if context.attempt == 1:
                clock.advance(1_000)
                take_over()
            return Nothing()

        registries = Registries.of((), [task_handler("work", careless)])
        machine, state, _, message = setup_single_task_test("work", {}, registries=registries, clock=clock)

        def take_over() -> None:
            assert machine.process_task_message(message).effect == "applied"
            machine.process_task_message(message.model_copy(update={"attempt": 2}))

        assert machine.process_task_message(message).effect == "lease_lost"
        assert [one.outcome for one in state.list_attempts(message.task_id)] == ["lease_expired", "completed"]

    def test_a_handler_s_checkpoint_after_its_lease_was_lost_ends_the_call(self) -> None:
        clock = FakeClock()
        reached: list[str] = []

        def zombie(params: Nothing, context: TaskContext) -> Nothing:
            if context.attempt == 1:
                clock.advance(1_000)
                machine.process_task_message(message)
                context.checkpoint.save("phase")
                reached.append("never")
            return Nothing()

        registries = Registries.of((), [task_handler("work", zombie)])
        machine, state, _, message = setup_single_task_test("work", {}, registries=registries, clock=clock)

        processed = machine.process_task_message(message)

        assert (processed.effect, reached) == ("lease_lost", [])
        task = state.load_task(message.task_id)
        assert task is not None
        assert task.checkpoint_json is None


class TestFailurePolicies:
    def test_fail_fast_cancels_the_siblings_and_keeps_the_first_error(self) -> None:
        harness = fault_harness()

        run = finish(harness, "crashes", n=5)

        snapshot = harness.state.get_state_snapshot()
        statuses = sorted(task["status"] for task in snapshot["tasks"].values())
        assert run.status is RunStatus.FAILED
        assert statuses == ["cancelled"] * 4 + ["failed"]
        assert run.stages[0].status is StageStatus.FAILED
        assert harness.bus.get_stage_complete_signals() == []

    def test_tolerate_carries_on_and_completes_with_errors(self) -> None:
        run = finish(fault_harness(), "tolerant_crashes", n=5)

        assert run.status is RunStatus.COMPLETED_WITH_ERRORS
        assert json.loads(run.result_json or "") == {"succeeded": 0, "failed": 5}
        assert run.stages[0].failed == 5

    def test_an_empty_fan_out_completes(self) -> None:
        run = finish(fault_harness(), "crashes", n=0)

        assert (run.status, json.loads(run.result_json or "")) == (
            RunStatus.COMPLETED,
            {"succeeded": 0, "failed": 0},
        )

    def test_a_retry_budget_bounds_the_retries_of_a_run(self) -> None:
        clock = FakeClock()
        (job,) = [job for job in fault_jobs(["fails_transiently"]) if job.job_type == "fails_transiently"]
        type(job).retry_budget = 3
        registries = Registries.of([job], fault_handlers(clock.advance))
        harness, _ = create_test_harness(registries, clock=clock)

        run = finish(harness, "fails_transiently", n=5, times=1)

        assert (run.status, run.retries_used) == (RunStatus.FAILED, 3)

    def test_a_stage_of_ten_thousand_tasks(self) -> None:
        run = finish(fault_harness(), "succeeds", n=10_000)

        assert (run.status, run.stages[0].total) == (RunStatus.COMPLETED, 10_000)
        assert json.loads(run.result_json or "") == {"succeeded": 10_000, "failed": 0}


# --- definitions that go wrong ---


class Nothing(BaseModel):
    pass


class Other(BaseModel):
    pass


class Long(BaseModel):
    text: str = "x" * 10_000


def nothing(params: Nothing, context: TaskContext) -> Nothing:
    return Nothing()


class OneTask(JobDefinition[Nothing]):
    job_type: ClassVar[str] = "one_task"
    description: ClassVar[str] = "One task"
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "only", "work"),)
    parameters: ClassVar[type[BaseModel]] = Nothing
    result: ClassVar[type[BaseModel]] = Nothing

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Nothing, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec("x", Nothing())]

    def finalize_job(self, context: JobContext[Nothing]) -> BaseModel:
        return Nothing()


def run_definition(
    job: JobDefinition[Any], handler: TaskHandler | None = None, state: MockStateManager | None = None
) -> tuple[RunRecord, Harness]:
    registries = Registries.of([job], [handler or task_handler("work", nothing)])
    harness, _ = create_test_harness(registries, state=state, clock=FakeClock())
    return finish(harness, job.job_type), harness


def run_one(handler: TaskHandler, clock: FakeClock) -> tuple[RunRecord, MockStateManager]:
    harness, _ = create_test_harness(Registries.of([OneTask()], [handler]), clock=clock)
    return finish(harness, "one_task"), harness.state


def task_of(run: RunRecord) -> Any:
    return f"{run.job_id}:1:1:x"


class CreatesBadly(OneTask):
    """``tasks`` are what create_tasks_for_stage gives; an exception is raised."""

    tasks: Any = None
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "only", "work", Parallelism.FAN_OUT),)

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Nothing, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if isinstance(self.tasks, BaseException):
            raise self.tasks
        return self.tasks  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("tasks", "code", "words"),
    [
        (RuntimeError(FOREIGN_TEXT), "DEFINITION_ERROR", ["RuntimeError"]),
        (MemoryError(), "OUT_OF_MEMORY", []),
        (TaskError("no pages"), "TASK_FAILED", ["no pages"]),
        (TransientTaskError("later"), "TASK_FAILED_TRANSIENTLY", ["later"]),
        (None, "DEFINITION_ERROR", ["TypeError"]),
        (["x"], "DEFINITION_ERROR", ["AttributeError"]),
        ([TaskSpec("x", Other())], "DEFINITION_ERROR", ["one_task", "only", "'x'", "Other", "Nothing"]),
        ([TaskSpec("x y", Nothing())], "INVALID_IDENTIFIER", ["'x y'"]),
        ([TaskSpec("x", Nothing())] * 2, "DEFINITION_ERROR", ["only", "same name"]),
        ([TaskSpec("x", Nothing())] * 100_001, "DEFINITION_ERROR", ["only", "100001 tasks, at most 100000"]),
    ],
)
def test_a_definition_that_cannot_make_its_tasks_fails_its_run(tasks: Any, code: str, words: list[str]) -> None:
    job = CreatesBadly()
    job.tasks = tasks

    run, harness = run_definition(job)

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, code)
    assert run.error is not None
    assert all(word in run.error.message for word in words), run.error
    assert FOREIGN_TEXT not in repr(run)
    assert harness.state.get_state_snapshot()["tasks"] == {}


@pytest.mark.parametrize("parallelism", [Parallelism.SINGLE, Parallelism.FAN_IN])
@pytest.mark.parametrize("count", [0, 2])
def test_a_stage_of_one_task_with_another_count_fails_the_run(parallelism: Parallelism, count: int) -> None:
    class WrongCount(CreatesBadly):
        stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "only", "work", parallelism),)

    job = WrongCount()
    job.tasks = [TaskSpec(f"t{number}", Nothing()) for number in range(count)]

    run, _ = run_definition(job)

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert f"exactly one task, not {count}" in run.error.message


class FinalizesBadly(OneTask):
    result_or_error: Any = None

    def finalize_job(self, context: JobContext[Nothing]) -> BaseModel:
        if isinstance(self.result_or_error, BaseException):
            raise self.result_or_error
        return self.result_or_error  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (RuntimeError(FOREIGN_TEXT), "DEFINITION_ERROR"),
        (TaskError("no text"), "TASK_FAILED"),
        (TransientTaskError("later"), "TASK_FAILED_TRANSIENTLY"),
        (Other(), "DEFINITION_ERROR"),
        (None, "DEFINITION_ERROR"),
    ],
)
def test_a_definition_that_cannot_be_finalized_fails_its_run_and_keeps_its_tasks(given: Any, code: str) -> None:
    job = FinalizesBadly()
    job.result_or_error = given

    run, harness = run_definition(job)

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, code)
    assert run.stages[0].status is StageStatus.COMPLETED
    assert [task["status"] for task in harness.state.get_state_snapshot()["tasks"].values()] == ["completed"]
    assert FOREIGN_TEXT not in repr(run)


def test_a_store_that_is_away_while_a_run_is_finalized_does_not_fail_it() -> None:
    class AwayOnce(MockStateManager):
        away = 3

        def stage_results(self, job_id: JobId, run: int, stage: int) -> Sequence[TaskResult]:
            self.away -= 1
            if self.away >= 0:
                raise StoreUnavailable("away")
            return super().stage_results(job_id, run, stage)

    class LooksBack(OneTask):
        def finalize_job(self, context: JobContext[Nothing]) -> BaseModel:
            assert len(context.results(1)) == 1
            return Nothing()

    run, _ = run_definition(LooksBack(), state=AwayOnce())

    assert run.status is RunStatus.COMPLETED


def test_the_message_of_a_store_that_is_away_is_abandoned() -> None:
    class Away(MockStateManager):
        def open_stage(self, *arguments: Any) -> Any:
            raise StoreUnavailable("away")

    machine, _, bus = create_test_core_machine(state=Away())
    machine.submit("hello_world", {})
    (message,) = bus.receive("jobs", 1)

    settlement = dispatch(machine, message.body)
    settle(bus, message, settlement)

    assert isinstance(settlement, AbandonMessage)
    assert len(bus.receive("jobs", 1)) == 1


class TestBoundsOfTheStore:
    def test_a_stage_that_does_not_fit_fails_its_run(self) -> None:
        run = finish(fault_harness(lambda clock: MockStateManager(clock, max_tasks=10)), "succeeds", n=11)

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "CAPACITY_EXCEEDED")

    def test_a_result_that_does_not_fit_fails_its_task(self) -> None:
        def long(params: Nothing, context: TaskContext) -> Long:
            return Long()

        run, _ = run_definition(OneTask(), task_handler("work", long), MockStateManager(max_bytes=1_000))

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "CAPACITY_EXCEEDED")

    def test_a_job_s_result_that_does_not_fit_fails_its_run(self) -> None:
        class LongResult(OneTask):
            result: ClassVar[type[BaseModel]] = Long

            def finalize_job(self, context: JobContext[Nothing]) -> BaseModel:
                return Long()

        run, _ = run_definition(LongResult(), state=MockStateManager(max_bytes=1_000))

        assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "CAPACITY_EXCEEDED")


def test_a_crash_between_commit_and_publish_is_driven_on_later() -> None:
    class Killed(BaseException):
        pass

    harness, _ = create_test_harness()
    publish = harness.machine.relay.publish

    def die(rows: Sequence[object], late: bool = False) -> int:
        raise Killed

    harness.machine.relay.publish = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        harness.machine.submit("hello_world", {"n": 2})
    assert harness.bus.sent_count() == 0

    harness.machine.relay.publish = publish  # type: ignore[method-assign]
    drained = harness.drain()

    assert drained.repaired == 1
    assert [job["status"] for job in harness.state.get_state_snapshot()["jobs"].values()] == ["completed"]


def test_a_duplicate_whose_work_goes_wrong_does_not_fail_a_run_that_has_moved_on() -> None:
    class RunsOutOfMemory(CreatesBadly):
        overtake: Callable[[], object] | None = None

        def create_tasks_for_stage(
            self, stage: StageDefinition, job_params: Nothing, job_id: JobId, previous_results: Sequence[TaskResult]
        ) -> Sequence[TaskSpec]:
            overtake, self.overtake = self.overtake, None
            if overtake is not None:
                overtake()
                raise MemoryError
            return [TaskSpec("x", Nothing())]

    job = RunsOutOfMemory()
    harness, _ = create_test_harness(Registries.of([job], [task_handler("work", nothing)]), clock=FakeClock())
    run = harness.submit("one_task", {})
    message = JobQueueMessage(job_id=run.job_id, run=1, job_type="one_task")
    job.overtake = lambda: harness.machine.process_job_message(message)

    late = harness.machine.process_job_message(message)

    harness.drain(reraise=False)
    ended = harness.state.load_run(run.job_id, 1)
    assert late.effect == "already_advanced"
    assert ended is not None
    assert ended.status is RunStatus.COMPLETED


def test_a_long_running_task_goes_to_its_own_queue_and_stays_there_when_it_is_tried_again() -> None:
    attempts: list[int] = []

    def work(params: Nothing, context: TaskContext) -> Nothing | RetryLater:
        attempts.append(context.attempt)
        return RetryLater(1) if context.attempt == 1 else Nothing()

    run, harness = run_definition(OneTask(), task_handler("work", work, long_running=True))

    assert run.status is RunStatus.COMPLETED
    assert [m["body"]["attempt"] for m in harness.bus.get_messages_for_queue("long-running-tasks")] == [1, 2]
    assert harness.bus.get_messages_for_queue("tasks") == []


def test_results_of_the_stage_before_arrive_in_the_order_of_creation() -> None:
    seen: list[str] = []

    class TwoStages(CreatesBadly):
        stages: ClassVar[tuple[StageDefinition, ...]] = (
            StageDefinition(1, "first", "work", Parallelism.FAN_OUT, FailurePolicy.TOLERATE),
            StageDefinition(2, "second", "work"),
        )

        def create_tasks_for_stage(
            self, stage: StageDefinition, job_params: Nothing, job_id: JobId, previous_results: Sequence[TaskResult]
        ) -> Sequence[TaskSpec]:
            if stage.number == 1:
                return [TaskSpec(name, Nothing()) for name in "zaq"]
            seen.extend(result.name for result in previous_results)
            return [TaskSpec("only", Nothing())]

    run, harness = run_definition(TwoStages())

    assert seen == ["z", "a", "q"]
    kinds = [event.kind for event in harness.state.list_events(run.job_id, 1)]
    assert kinds.count(EventKind.STAGE_ENDED) == 2


def test_a_failed_attempt_keeps_its_exception_for_the_harness_alone() -> None:
    harness = fault_harness()
    submitted = harness.submit("crashes", {})
    with pytest.raises(RuntimeError, match=FOREIGN_TEXT):
        harness.drain()

    run = harness.state.load_run(submitted.job_id, 1)
    assert run is not None
    assert FOREIGN_TEXT not in repr(run)
    assert not isinstance(run.error, Failed)
