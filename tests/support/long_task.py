"""A store, a bus and a machine in memory, with one long task that a test says what happens in."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.heartbeat import Heartbeat
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import TaskRecord
from core.outcome import Interrupted
from core.queues import QueueNames
from docker_worker.status import WorkerStatus
from docker_worker.task_slot import TaskSlot
from handlers.hello_world import hello_world_handlers, hello_world_jobs
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries, create_single_task
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager

LONG = QueueNames().long_running
LEASE = 60.0


class Params(BaseModel):
    how: str = "succeeds"


class Result(BaseModel):
    attempt: int


class World:
    """A store, a bus and a machine, and one long task; ``during`` is called by its handler."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.during: Callable[[TaskContext], None] = lambda _context: None
        self.calls = 0
        handlers = [task_handler("long_task", self.handle, timeout=3_600.0, long_running=True)]
        self.registries = Registries.of(hello_world_jobs(), [*hello_world_handlers(), *handlers])
        self.state, self.bus = MockStateManager(self.clock), MockServiceBusRepository(self.clock)
        self.machine = self.new_machine()
        self.status = WorkerStatus(self.clock)
        self.slot = TaskSlot(self.machine, self.status)
        self.message = create_single_task(self.machine, self.state, "long_task", {}, "hello_world")

    def new_machine(self) -> CoreMachine:
        return CoreMachine(
            self.registries.jobs,
            self.registries.handlers,
            self.state,
            self.bus,
            blobs=MemoryBlobStore(),
            clock=self.clock,
            ids=SeededIds(),
            heartbeat=Heartbeat(self.state, self.clock, LEASE, lambda closed, _seconds: closed.wait()),
        )

    def handle(self, params: Params, context: TaskContext) -> Result | Interrupted:
        self.calls += 1
        self.during(context)
        if context.should_stop:
            return Interrupted(str(context.stop_reason))
        return Result(attempt=context.attempt)

    @property
    def task(self) -> TaskRecord:
        found = self.state.load_task(self.message.task_id)
        assert found is not None
        return found

    def outcomes(self) -> list[str | None]:
        return [attempt.outcome for attempt in self.state.list_attempts(self.message.task_id)]

    def woken_again(self) -> list[TaskQueueMessage]:
        """What the engine has sent, or has yet to send, for this task."""
        sent = [str(one["message_id"]) for one in self.bus.get_messages_for_queue(LONG)]
        return [
            self.message.model_copy(update={"attempt": int(one.rpartition(":")[2])})
            for one in sent
            if one.startswith(self.message.task_id)
        ]
