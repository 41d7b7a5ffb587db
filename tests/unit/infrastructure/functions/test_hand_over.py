from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from core.errors import CoreMachineError, MessageInvalid, UnknownTaskType
from core.handlers import TaskHandler
from core.machine import CoreMachine
from core.messages import JobQueueMessage, TaskQueueMessage
from core.model import RunStatus, TaskStatus
from core.ports import ReceivedMessage
from core.queues import QueueNames
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from infrastructure.backend import queue_names
from infrastructure.functions.hand_over import HandOver, for_worker, unwanted
from infrastructure.functions.queue_trigger import QueueTrigger
from infrastructure.settings import Settings
from infrastructure.task_start.bodies import StartAnswer
from infrastructure.task_start.errors import StartRefused, WorkerBusy, WorkerUnavailable
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries, create_single_task
from testing.fault_handlers import fault_handlers
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

TASKS = "tasks"


def long(handler: TaskHandler) -> TaskHandler:
    return TaskHandler(
        handler.task_type, handler.function, handler.params_model, handler.result_model, long_running=True
    )


@dataclass
class Worker:
    """Answers with what it is given, one after the other, and the last for ever."""

    answers: list[CoreMachineError | str]
    asked: list[TaskQueueMessage] = field(default_factory=list)

    def start(self, message: TaskQueueMessage) -> StartAnswer:
        self.asked.append(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CoreMachineError):
            raise answer
        return StartAnswer(task_id=message.task_id, attempt=message.attempt, effect=answer)


class Scene:
    """The trigger of the tasks queue in the mode http_trigger, and a long task that waits."""

    def __init__(self) -> None:
        clock = FakeClock()
        handlers = [long(one) for one in fault_handlers(clock.advance)]
        registries = Registries.of(hello_world_jobs(), [*hello_world_handlers(), *handlers])
        self.state, self.bus = MockStateManager(clock), MockServiceBusRepository(clock)
        self.machine = CoreMachine(
            registries.jobs,
            registries.handlers,
            self.state,
            self.bus,
            blobs=MemoryBlobStore(),
            clock=clock,
            ids=SeededIds(),
            queues=QueueNames("jobs", TASKS, TASKS),
        )
        self.worker = Worker(["begun"])
        hand_over = HandOver(self.machine, lambda: self.worker)  # type: ignore[arg-type, return-value]
        self.trigger = QueueTrigger(TASKS, self.machine, self.bus, lambda body: body, hand_over)
        self.message = self.queued("succeeds")

    def queued(self, task_type: str) -> TaskQueueMessage:
        return create_single_task(self.machine, self.state, task_type, {}, "hello_world")

    def wake(self, body: bytes | None = None, message_id: str = "m") -> None:
        self.trigger(Message(body or self.message.encode(), message_id))

    def letters(self) -> list[str]:
        return [record.letter.reason for record in self.state.list_dead_letters(0, 10)]

    def copies(self) -> Sequence[ReceivedMessage]:
        found = self.bus.receive(TASKS, 10)
        for one in found:
            self.bus.complete(one)
        return found


@dataclass
class Message:
    body: bytes
    message_id: str | None
    label: str | None = "task"

    def get_body(self) -> bytes:
        return self.body


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("effect", ["begun", "running", "ended"])
def test_a_long_task_is_given_to_the_worker_and_its_message_is_done(scene: Scene, effect: str) -> None:
    scene.worker.answers = [effect]

    scene.wake()

    assert scene.worker.asked == [scene.message]
    assert (scene.bus.get_sent_messages(), scene.letters()) == ([], [])
    task = scene.state.load_task(scene.message.task_id)
    assert task is not None
    assert task.status is TaskStatus.QUEUED


def test_a_short_task_and_a_job_are_worked_on_here(scene: Scene) -> None:
    scene.machine.submit("hello_world", {"n": 1})
    (job,) = scene.bus.receive("jobs", 1)
    scene.wake(job.body)
    (task,) = scene.bus.receive(TASKS, 1)
    scene.wake(task.body)

    assert scene.worker.asked == []
    message = TaskQueueMessage.decode(task.body)
    record = scene.state.load_task(message.task_id)
    assert record is not None
    assert record.status is TaskStatus.COMPLETED


@pytest.mark.parametrize(("error", "longest"), [(WorkerBusy("b"), 128), (WorkerUnavailable("u"), 64)])
def test_a_wait_of_days_behind_a_busy_worker_buries_nothing(
    scene: Scene, error: CoreMachineError, longest: float
) -> None:
    scene.worker.answers = [error]
    scene.wake()
    began = scene.bus.clock.now()
    ids: list[str] = []
    while (scene.bus.clock.now() - began).days < 2:
        scene.bus.clock.advance(1.5 * min(longest, 2 ** len(ids)))
        (copy,) = scene.copies()
        assert copy.body == scene.message.encode()
        ids.append(copy.message_id)
        scene.wake(copy.body, copy.message_id)
    scene.worker.answers = ["begun"]
    scene.bus.clock.advance(1.5 * longest)
    (copy,) = scene.copies()
    scene.wake(copy.body, copy.message_id)

    assert len(set(ids)) == len(ids)
    assert len(ids) > 900
    assert scene.letters() == []
    assert (scene.copies(), len(scene.worker.asked)) == ([], len(ids) + 2)


@pytest.mark.parametrize(("error", "level"), [(WorkerBusy("b"), "INFO"), (WorkerUnavailable("u"), "WARNING")])
def test_waiting_for_ones_turn_is_nothing_to_warn_of(
    scene: Scene, caplog: pytest.LogCaptureFixture, error: CoreMachineError, level: str
) -> None:
    scene.worker.answers = [error]
    with caplog.at_level("INFO"):
        scene.wake()

    assert [one.levelname for one in caplog.records if one.getMessage() == "message_postponed"] == [level]


def test_what_the_worker_refuses_is_written_down_with_its_reason_and_its_task_stays_queued(scene: Scene) -> None:
    scene.worker.answers = [StartRefused("no", status=422, worker_code="MESSAGE_INVALID")]

    scene.wake()

    assert scene.letters() == ["START_REFUSED"]
    task = scene.state.load_task(scene.message.task_id)
    assert task is not None
    assert task.status is TaskStatus.QUEUED


def test_a_task_that_nobody_here_knows_is_poison(scene: Scene) -> None:
    scene.wake(scene.message.model_copy(update={"task_type": "unheard_of"}).encode())

    assert (scene.letters(), scene.worker.asked) == (["UNKNOWN_TASK_TYPE"], [])


@pytest.mark.parametrize("change", [{"run": 2}, {"stage": 2}, {"job_id": "b" * 64}])
def test_a_message_that_contradicts_itself_is_poison(scene: Scene, change: dict[str, object]) -> None:
    scene.wake(scene.message.model_copy(update=change).encode())

    assert (scene.letters(), scene.worker.asked) == (["MESSAGE_INVALID"], [])


def test_what_is_no_message_is_poison(scene: Scene) -> None:
    scene.wake(b"not json")

    assert (scene.letters(), scene.worker.asked) == (["MESSAGE_INVALID"], [])


def test_a_task_that_is_not_wanted_is_not_asked_for(scene: Scene) -> None:
    message = scene.message
    scene.wake(message.model_copy(update={"attempt": 2}).encode())
    scene.machine.attempts.claim(message)
    scene.wake()
    now = scene.bus.clock.now()
    scene.state.finish_run(message.job_id, message.run, RunStatus.CANCELLED, None, None, now)
    scene.wake()
    scene.wake(message.model_copy(update={"task_id": message.task_id + "x"}).encode())

    assert (scene.worker.asked, scene.letters(), scene.bus.get_sent_messages()) == ([], [], [])


def test_the_decision_is_by_what_the_message_wakes() -> None:
    scene = Scene()
    handlers, message = scene.machine.handlers, scene.message
    job = JobQueueMessage(job_id=message.job_id, run=1, job_type="hello_world")
    short = message.model_copy(update={"task_type": "hello_world_reply"})

    assert for_worker(message, handlers) is message
    assert for_worker(short, handlers) is None
    assert for_worker(job, handlers) is None
    with pytest.raises(UnknownTaskType):
        for_worker(message.model_copy(update={"task_type": "nothing"}), handlers)


def test_what_the_store_says_of_a_task_decides_whether_it_is_wanted(scene: Scene) -> None:
    message, task = scene.message, scene.state.load_task(scene.message.task_id)

    assert unwanted(task, message) is None
    assert unwanted(None, message) == "unknown"
    assert unwanted(task, message.model_copy(update={"attempt": 7})) == "stale"
    with pytest.raises(MessageInvalid):
        unwanted(task, message.model_copy(update={"stage": 7}))


@pytest.mark.parametrize(
    ("mode", "queues"),
    [("service_bus", ("jobs", "tasks", "long-running-tasks")), ("http_trigger", ("jobs", "tasks"))],
)
def test_where_functions_call_the_worker_long_tasks_wake_functions(mode: str, queues: tuple[str, ...]) -> None:
    names = queue_names(Settings.from_environment({"DOCKER_ORCHESTRATION_MODE": mode}))

    assert names.all() == queues
