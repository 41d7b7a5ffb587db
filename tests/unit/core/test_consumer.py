from __future__ import annotations

import json
import logging

import pytest

from core.attempts import Processed
from core.consumer import AbandonMessage, DeadLetterMessage, Settlement, dispatch, settle
from core.errors import BusUnavailable, DefinitionError, MessageInvalid, StoreUnavailable
from core.ids import JobId, TaskId
from core.messages import JobQueueMessage, StageCompleteMessage, TaskQueueMessage
from core.model import OutboundMessage, RunRecord
from core.ports import ReceivedMessage
from testing.clock import FakeClock
from testing.factories import create_test_core_machine, setup_single_task_test
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

JOB = JobId("a" * 64)


def test_each_kind_of_message_reaches_its_method() -> None:
    machine, _, _ = create_test_core_machine()
    messages = [
        JobQueueMessage(job_id=JOB, run=1, job_type="hello_world"),
        StageCompleteMessage(job_id=JOB, run=1, job_type="hello_world", stage=1),
    ]

    assert [dispatch(machine, message.encode()) for message in messages] == [Processed("unknown_run")] * 2


def test_a_task_message_runs_its_task() -> None:
    machine, state, _, message = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "Hi"})

    settlement = dispatch(machine, message.encode())

    assert isinstance(settlement, Processed)
    assert settlement.effect == "applied"
    task = state.load_task(message.task_id)
    assert task is not None
    assert task.status == "completed"


def test_a_task_that_is_not_there_is_completed_and_done_with() -> None:
    machine, _, _, message = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "Hi"})
    stranger = message.model_copy(update={"task_id": f"{message.job_id}:1:1:nobody"})

    assert dispatch(machine, stranger.encode()) == Processed("unknown")


@pytest.mark.parametrize("change", [{"job_id": "f" * 64}, {"run": 2}, {"stage": 7}, {"task_id": f"{JOB}:1:1:0"}])
def test_a_message_that_contradicts_itself_is_dead_lettered_and_runs_nothing(change: dict[str, object]) -> None:
    machine, state, _, message = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "Hi"})

    settlement = dispatch(machine, message.model_copy(update=change).encode())

    assert isinstance(settlement, DeadLetterMessage)
    assert settlement.error.code == "MESSAGE_INVALID"
    task = state.load_task(message.task_id)
    assert task is not None
    assert task.status == "queued"


def test_the_store_says_which_handler_runs_and_not_the_message() -> None:
    machine, state, _, message = setup_single_task_test("hello_world_greeting", {"index": 0, "message": "Hi"})

    dispatch(machine, message.model_copy(update={"task_type": "hello_world_reply"}).encode())

    task = state.load_task(message.task_id)
    assert task is not None
    assert json.loads(task.result_json or "{}") == {"index": 0, "greeting": "Hi (from task 0)"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"not json", "MESSAGE_INVALID"),
        (b"{}", "MESSAGE_INVALID"),
        (b'{"message_type": "job", "version": 2}', "MESSAGE_VERSION_UNSUPPORTED"),
    ],
)
def test_what_is_not_our_message_is_dead_lettered(body: bytes, code: str) -> None:
    settlement = dispatch(create_test_core_machine().machine, body)

    assert isinstance(settlement, DeadLetterMessage)
    assert settlement.error.code == code


def test_types_that_are_not_known_here_are_dead_lettered() -> None:
    machine, _, _ = create_test_core_machine()
    task = TaskQueueMessage(
        job_id=JOB, run=1, job_type="a", stage=1, task_id=TaskId(f"{JOB}:1:1:x"), task_type="nobody", attempt=1
    )
    stage = StageCompleteMessage(job_id=JOB, run=1, job_type="nobody", stage=1)

    codes = []
    for message in (task, stage):
        settlement = dispatch(machine, message.encode())
        assert isinstance(settlement, DeadLetterMessage)
        codes.append(settlement.error.code)

    assert codes == ["UNKNOWN_TASK_TYPE", "UNKNOWN_JOB_TYPE"]


def test_while_the_store_is_away_the_message_is_abandoned() -> None:
    class Away(MockStateManager):
        def load_run(self, job_id: JobId, run: int) -> RunRecord | None:
            raise StoreUnavailable("away")

    machine, _, _ = create_test_core_machine(state=Away())

    settlement = dispatch(machine, JobQueueMessage(job_id=JOB, run=1, job_type="hello_world").encode())

    assert isinstance(settlement, AbandonMessage)
    assert settlement.error.code == "STORE_UNAVAILABLE"


class TestSettle:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def bus(self, clock: FakeClock) -> MockServiceBusRepository:
        bus = MockServiceBusRepository(clock)
        bus.send([OutboundMessage("jobs", "1", "job", b"{}")])
        return bus

    def receive(self, bus: MockServiceBusRepository) -> ReceivedMessage:
        (only,) = bus.receive("jobs", 1)
        return only

    def test_a_processed_message_is_completed(self, clock: FakeClock, bus: MockServiceBusRepository) -> None:
        settle(bus, self.receive(bus), Processed("already_started"))

        clock.advance(1_000)
        assert bus.receive("jobs", 1) == []

    def test_an_abandoned_message_comes_again(self, bus: MockServiceBusRepository) -> None:
        settle(bus, self.receive(bus), AbandonMessage(StoreUnavailable("away")))

        assert self.receive(bus).delivery_count == 2

    def test_a_dead_letter_says_why(self, bus: MockServiceBusRepository, caplog: pytest.LogCaptureFixture) -> None:
        settle(bus, self.receive(bus), DeadLetterMessage(MessageInvalid("not ours")))

        (line,) = [one for one in caplog.records if one.levelno == logging.ERROR]
        told = {name: getattr(line, name) for name in ("message", "queue", "message_id", "code")}
        assert told == {
            "message": "message_dead_lettered",
            "queue": "jobs",
            "message_id": "1",
            "code": "MESSAGE_INVALID",
        }

        (dead,) = bus.dead_letters("jobs", 10)
        assert (dead.reason, dead.description) == ("MESSAGE_INVALID", "not ours")

    @pytest.mark.parametrize(
        "settlement",
        [
            Processed("applied"),
            AbandonMessage(StoreUnavailable("away")),
            DeadLetterMessage(DefinitionError("wrong")),
        ],
    )
    def test_a_lost_lock_is_left_to_the_next_delivery(
        self, clock: FakeClock, bus: MockServiceBusRepository, settlement: Settlement
    ) -> None:
        received = self.receive(bus)
        clock.advance(61)

        settle(bus, received, settlement)

        assert self.receive(bus).delivery_count == 2

    def test_a_bus_that_is_away_is_left_to_the_next_delivery(self) -> None:
        class Away(MockServiceBusRepository):
            def complete(self, message: ReceivedMessage) -> None:
                raise BusUnavailable("away")

        bus = Away()
        bus.send([OutboundMessage("jobs", "1", "job", b"{}")])

        settle(bus, self.receive(bus), Processed("applied"))
