"""Bounds of leases, attempts and progress, and values that do not survive being written down."""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from core.attempts import LEASE_MARGIN
from core.boundary import MAX_PROBLEMS, parse_parameters
from core.context import TaskContext
from core.errors import CoreMachineError, InvalidParameters, MessageTooLarge, TransientTaskError
from core.handlers import TaskHandler, task_handler
from core.ids import MAX_ATTEMPT, JobId, stage_complete_message_id, task_id_for, task_message_id
from core.model import LeaseExpired, OutboxRow, TaskRecord
from core.ports import Clock
from core.relay import OutboxRelay
from core.retry import RetryPolicy
from testing.clock import EPOCH, FakeClock
from testing.contracts.scenario import FOREVER, Scenario, at
from testing.factories import Registries, SingleTaskTest, setup_single_task_test
from testing.faults import SimulatedCrash
from testing.mock_bus import MockServiceBusRepository, QueueRules
from testing.mock_state import MockStateManager


class Nothing(BaseModel):
    pass


class Measure(BaseModel):
    value: float | None = None
    required: float = 0.0


def ready(handler: TaskHandler) -> tuple[SingleTaskTest, FakeClock]:
    clock = FakeClock()
    registries = Registries.of([], [handler])
    return setup_single_task_test(handler.task_type, {}, registries=registries, clock=clock), clock


def task_of(made: SingleTaskTest) -> TaskRecord:
    task = made.state.load_task(made.message.task_id)
    assert task is not None
    return task


def vanish(params: Nothing, context: TaskContext) -> Nothing:
    """The worker dies in the middle."""
    raise SimulatedCrash("here")


def test_a_lease_that_nobody_renews_outlives_the_handlers_timeout() -> None:
    made, clock = ready(task_handler("vanish", vanish, timeout=40.0))

    with pytest.raises(SimulatedCrash):
        made.machine.process_task_message(made.message)

    assert made.state.next_due() == clock.now() + timedelta(seconds=40.0 + LEASE_MARGIN)


def test_a_checkpoint_renews_the_lease_for_as_long_as_it_was_granted() -> None:
    clock = FakeClock()

    def saves(params: Nothing, context: TaskContext) -> Nothing:
        clock.advance(30.0)
        context.checkpoint.save("half")
        raise SimulatedCrash("after the checkpoint")

    handler = task_handler("saves", saves, timeout=40.0)
    made = setup_single_task_test("saves", {}, registries=Registries.of([], [handler]), clock=clock)

    with pytest.raises(SimulatedCrash):
        made.machine.process_task_message(made.message)

    assert made.state.next_due() == EPOCH + timedelta(seconds=30.0 + 40.0 + LEASE_MARGIN)


def test_saving_the_same_checkpoint_again_is_no_progress() -> None:
    def saves_and_vanishes(params: Nothing, context: TaskContext) -> Nothing:
        context.checkpoint.save("start")
        raise SimulatedCrash("again")

    made, clock = ready(task_handler("saves_and_vanishes", saves_and_vanishes, retry=RetryPolicy(max_attempts=3)))
    message = made.message
    for _ in range(10):
        if task_of(made).status != "queued":
            break
        message = message.model_copy(update={"attempt": task_of(made).attempt})
        with pytest.raises(SimulatedCrash):
            made.machine.process_task_message(message)
        clock.advance(1_000.0)
        made.machine.process_task_message(message)

    task = task_of(made)
    assert (task.status, task.error and task.error.code) == ("failed", "LEASE_EXPIRED")
    assert task.attempt == 4  # the first made progress and was free


def test_a_task_is_not_tried_more_often_than_its_message_ids_can_say() -> None:
    def later(params: Nothing, context: TaskContext) -> Nothing:
        raise TransientTaskError("again")

    retry = RetryPolicy(max_attempts=MAX_ATTEMPT * 2, base=0.0, cap=0.0)
    made, _ = ready(task_handler("later", later, retry=retry))
    for attempt in range(1, MAX_ATTEMPT + 1):
        made.machine.process_task_message(made.message.model_copy(update={"attempt": attempt}))

    task = task_of(made)
    assert (task.status, task.error and task.error.code, task.attempt) == ("failed", "ATTEMPTS_EXHAUSTED", MAX_ATTEMPT)


def test_no_task_can_have_the_message_id_of_its_stages_end() -> None:
    job_id = JobId("a" * 64)

    def task_name_in(message_id: str) -> str:
        return message_id.split(":")[3]

    assert task_message_id(task_id_for(job_id, 1, 2, "stage_complete"), 1) != stage_complete_message_id(job_id, 1, 2)
    with pytest.raises(CoreMachineError):
        task_id_for(job_id, 1, 2, task_name_in(stage_complete_message_id(job_id, 1, 2)))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_result_that_cannot_be_read_back_fails_where_it_was_made(number: float) -> None:
    def measures(params: Nothing, context: TaskContext) -> Measure:
        return Measure(required=number)

    made, _ = ready(task_handler("measures", measures))
    made.machine.process_task_message(made.message)

    task = task_of(made)
    assert (task.status, task.error and task.error.code) == ("failed", "INVALID_RESULT")
    assert task.error is not None
    assert "required" in task.error.message


def test_a_result_with_an_empty_field_is_a_result() -> None:
    def measures(params: Nothing, context: TaskContext) -> Measure:
        return Measure()

    made, _ = ready(task_handler("measures", measures))
    made.machine.process_task_message(made.message)

    assert task_of(made).result_json == '{"value":null,"required":0.0}'


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    size: tuple[int, int]
    tags: ClassVar[str] = "none"


def test_parameters_are_read_as_the_json_that_they_are() -> None:
    assert parse_parameters(Strict, {"size": [1, 2]}, "x") == Strict(size=(1, 2))


def test_only_so_many_problems_are_told() -> None:
    with pytest.raises(InvalidParameters) as caught:
        parse_parameters(Strict, {"size": [1, 2], **{f"{n}" * 300: n for n in range(1_000, 3_000)}}, "x")

    told = caught.value.details["problems"]
    assert isinstance(told, list)
    assert len(told) == MAX_PROBLEMS + 1
    assert told[-1]["problem"] == f"{2_000 - MAX_PROBLEMS} more problems"
    assert max(len(problem["field"]) for problem in told) <= 100


def test_a_crash_in_a_handler_is_logged_with_its_lines_and_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(params: Nothing, context: TaskContext) -> Nothing:
        raise KeyError("what the document said")

    made, _ = ready(task_handler("breaks", breaks))
    with caplog.at_level(logging.ERROR):
        made.machine.process_task_message(made.message)

    assert "KeyError" in caplog.text
    assert "in breaks" in caplog.text
    assert "what the document said\n" not in caplog.text.replace('raise KeyError("what the document said")\n', "")


class Poison(MockServiceBusRepository):
    """A bus that can never take the messages of one task."""

    def __init__(self, clock: Clock, name: str) -> None:
        super().__init__(FakeClock(clock.now()))
        self._name = name

    def send(self, messages: object) -> None:
        listed = list(messages)  # type: ignore[call-overload]
        if any(f":{self._name}:" in message.message_id for message in listed):
            raise MessageTooLarge("too large")
        super().send(listed)


def test_a_message_that_the_bus_can_never_take_does_not_hold_up_the_others() -> None:
    store = MockStateManager(FakeClock())
    Scenario.started(store, "x", "poison", "z")
    clock = FakeClock(at(10))
    bus = Poison(clock, "poison")

    OutboxRelay(store, bus, clock).publish_unpublished(at(FOREVER))

    sent = {message["message_id"].split(":")[3] for message in bus.get_messages_for_queue("tasks")}
    left: list[OutboxRow] = list(store.unpublished(10, at(FOREVER)))
    assert {"x", "z"} <= sent
    assert [row.message.message_id.split(":")[3] for row in left] == ["poison"]


def test_a_batch_of_which_the_bus_takes_nothing_does_not_hold_up_those_behind_it() -> None:
    store, clock = MockStateManager(FakeClock()), FakeClock(at(10))
    scenario = Scenario.submitted(store)
    scenario.publish_all()
    for number in (1, 2):
        scenario = Scenario.started(store, "poison", content=f"p{number}")
    Scenario.started(store, "x", content="x")
    bus = Poison(clock, "poison")
    refused = [row.row_id for row in store.unpublished(10, at(FOREVER)) if ":poison:" in row.message.message_id]
    jobs = [row.row_id for row in store.unpublished(10, at(FOREVER)) if row.row_id not in refused]
    store.mark_published(jobs[:2], at(5))

    published = OutboxRelay(store, bus, clock, batch=2).publish_unpublished(at(FOREVER))

    assert published == 2
    assert [row.row_id for row in store.unpublished(10, at(FOREVER))] == refused


def test_submitting_to_a_bus_that_refuses_leaves_a_job_that_is_there() -> None:
    clock = FakeClock()
    machine, state, bus, _ = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "x"}, clock=clock)
    bus._rules = QueueRules(max_message_bytes=100)

    submitted = machine.submit("hello_world", {"n": 1})

    assert submitted.created
    assert state.load_run(submitted.run.job_id, 1) is not None
    assert len(state.unpublished(10, at(FOREVER))) == 1


def test_an_expired_lease_is_told_with_whether_the_attempt_progressed() -> None:
    made, clock = ready(task_handler("vanish", vanish, timeout=1.0))
    with pytest.raises(SimulatedCrash):
        made.machine.process_task_message(made.message)
    clock.advance(100.0)

    (expired,) = made.state.expired_leases(clock.now(), 10, {"vanish"})

    assert isinstance(expired, LeaseExpired)
    assert not expired.progressed
