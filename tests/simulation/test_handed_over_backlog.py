"""A thousand long tasks wait half a day for a worker that functions call: what that costs is bounded, none is lost."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from types import SimpleNamespace

from core.attempts import Ended, Started
from core.context import StopSignal, TaskContext
from core.listing import TaskFilter
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import RunStatus, TaskStatus
from core.queues import QueueNames
from core.reconciler import Reconciler
from infrastructure.functions.hand_over import HandOver
from infrastructure.functions.queue_trigger import BUSY_SECONDS, QueueTrigger
from infrastructure.task_start.bodies import StartAnswer
from infrastructure.task_start.errors import WorkerBusy
from testing.clock import FakeClock
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from tests.support.backlog import Piece, Work, backlog_machine

TASKS = 1_000
BUSY_HOURS = 12
SECONDS_EACH = 5.0


class Worker:
    """Busy with something else until ``free_at``, and from then on with one of the tasks at a time."""

    def __init__(self, machine: CoreMachine, free_at: datetime) -> None:
        self._machine = machine
        self._free_at = free_at
        self._holds: Started | None = None
        self.idle = timedelta(0)
        self.asked: Counter[datetime] = Counter()
        """Calls, by the hour in which they came."""

    def start(self, message: TaskQueueMessage) -> StartAnswer:
        now = self._machine.clock.now()
        self.asked[now.replace(minute=0, second=0, microsecond=0)] += 1
        if now < self._free_at:
            raise WorkerBusy("another task runs")
        started = self._machine.attempts.claim(message)
        if isinstance(started, Started):
            self.idle += now - self._free_at
            self._holds, self._free_at = started, now + timedelta(seconds=SECONDS_EACH)
        return StartAnswer(task_id=message.task_id, attempt=1, effect="begun")

    def work(self) -> None:
        if self._holds is not None and self._machine.clock.now() >= self._free_at:
            ended = self._machine.attempts.run(self._holds, StopSignal())
            assert isinstance(ended, Ended)
            self._machine.attempts.commit(ended)
            self._holds = None


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store, self.bus = MockStateManager(self.clock), MockServiceBusRepository(self.clock)
        self.done: Counter[float] = Counter()
        self.machine = backlog_machine(
            self.store, self.bus, self.clock, self.piece, queues=QueueNames("jobs", "tasks", "tasks")
        )
        self.reconciler = Reconciler(self.machine, self.bus)
        self.resent = 0
        self.worker = Worker(self.machine, self.clock.now() + timedelta(hours=BUSY_HOURS))
        hand_over = HandOver(self.machine, lambda: self.worker)  # type: ignore[arg-type, return-value]
        self._triggers = {
            queue: QueueTrigger(queue, self.machine, self.bus, lambda body: body, hand_over)
            for queue in ("jobs", "tasks")
        }

    def piece(self, params: Piece, context: TaskContext) -> Work:
        """A piece of work."""
        self.done[params.seconds] += 1
        return Work()

    def pass_time(self, seconds: int) -> None:
        """Copies are due at whole seconds; the reconciler passes once a minute."""
        for second in range(seconds):
            self.clock.advance(1)
            self.worker.work()
            if second % 60 == 0:
                self.resent += self.reconciler.run_once().wakeups_resent
            self.deliver("tasks")

    def deliver(self, queue: str) -> int:
        found = self.bus.receive(queue, 10_000)
        for one in found:
            self.bus.complete(one)
            message = SimpleNamespace(
                message_id=one.message_id, label=one.message_type, get_body=lambda one=one: one.body
            )
            self._triggers[queue](message)
        return len(found)


def test_half_a_day_behind_a_busy_worker_costs_eight_calls_a_second_and_loses_nothing() -> None:
    world = World()
    job_id = world.machine.submit("backlog", {"seconds": list(range(TASKS))}).run.job_id
    world.deliver("jobs")

    world.pass_time(3_600 * BUSY_HOURS - 1)

    # A wake-up that was sent again asks once for each step of its pause, and is then one with the copy of before.
    assert world.resent >= 4 * TASKS
    usual = TASKS * 3_600 / BUSY_SECONDS
    assert max(world.worker.asked.values()) < usual + 3 * 9 * TASKS
    assert 0.99 < world.worker.asked[max(world.worker.asked)] / usual < 1.01
    assert world.bus.sent_count() < BUSY_HOURS * usual + 9 * (world.resent + TASKS)

    world.pass_time(round(TASKS * SECONDS_EACH) + 1_800)

    assert world.done == dict.fromkeys(range(TASKS), 1)
    assert world.worker.idle < timedelta(seconds=1_500)
    tasks = world.store.list_tasks(job_id, 1, TaskFilter(), None, TASKS + 1)
    assert {(task.status, task.attempt, task.charged) for task in tasks} == {(TaskStatus.COMPLETED, 1, 0)}
    assert world.store.list_dead_letters(0, 1) == []
    world.deliver("jobs")
    run = world.store.load_run(job_id, 1)
    assert run is not None
    assert run.status is RunStatus.COMPLETED
    sent = world.bus.sent_count()
    world.pass_time(3_600)
    assert world.bus.sent_count() == sent
