"""A thousand tasks wait for hours behind one worker: none is taken for lost, and the status foretells the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from random import Random
from threading import Event
from typing import Any, NamedTuple

import pytest

from core.consumer import dispatch, settle
from core.context import TaskContext
from core.heartbeat import Heartbeat
from core.ids import JobId
from core.listing import TaskFilter
from core.model import TaskStatus
from core.operations import JobOperations
from core.ports import StateStore
from core.progress import StagePace
from core.reconciler import Reconciler, Repairs
from infrastructure.postgres.store import PostgresStateStore
from testing.clock import FakeClock
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from tests.support.backlog import Piece, Work, backlog_machine
from tests.support.postgres_store import pool_to

TASKS = 1_000
STEPS = 4
BEAT = 15.0
"""Seconds between two heartbeats, and a quarter of a lease."""
IDLE_HOURS = 2


class Look(NamedTuple):
    """What was told when so many pieces were done, in so many seconds, and others were left to do."""

    done: float
    worked: float
    left: float
    pace: StagePace


@dataclass
class Desk:
    """One worker, whose handler lets the clock go on, and a reconciler that passes once a minute of it.

    ``speaks`` is whether the handler reports progress.
    """

    store: StateStore
    clock: FakeClock
    speaks: bool
    repairs: list[Repairs] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = MockServiceBusRepository(self.clock)
        self.heartbeat = Heartbeat(self.store, self.clock, 4 * BEAT, wait=_closes)
        self.machine = backlog_machine(self.store, self.bus, self.clock, self.work, heartbeat=self.heartbeat)
        self.operations = JobOperations(self.machine)
        self.reconciler = Reconciler(self.machine, self.bus)
        self.worked = 0.0
        self.done = 0.0
        self._since_pass = 0.0
        self._look: Callable[[], None] = lambda: None

    def work(self, params: Piece, context: TaskContext) -> Work:
        """A piece of work."""
        for step in range(1, STEPS + 1):
            self.pass_time(params.seconds / STEPS)
            self.worked += params.seconds / STEPS
            self.done += 1 / STEPS
            if self.speaks and step < STEPS:
                context.report_progress(100 * step / STEPS, f"step {step} of {STEPS}")
            if step == 2:
                self._look()
        return Work()

    def pass_time(self, seconds: float) -> None:
        while seconds > 0:
            some = min(seconds, BEAT)
            self.clock.advance(some)
            self.heartbeat.beat()
            seconds -= some
            self._since_pass += some
            if self._since_pass >= 60.0:
                self._since_pass = 0.0
                self.repairs.append(self.reconciler.run_once())

    def submit(self, seconds: Sequence[float]) -> JobId:
        job_id = self.machine.submit("backlog", {"seconds": list(seconds)}).run.job_id
        self.take("jobs")
        return job_id

    def take(self, queue: str) -> bool:
        """One message, processed and settled; whether there was one."""
        for message in self.bus.receive(queue, 1):
            settle(self.bus, message, dispatch(self.machine, message.body))
            return True
        return False

    def look_at(self, job_id: JobId, every: int, in_all: float) -> None:
        """At the middle of every so many pieces."""
        worked, done = self.worked, self.done

        def look() -> None:
            pieces = round(self.done - done - 0.5)
            if pieces % every == 0:
                progress = self.operations.status(job_id).progress
                assert progress is not None
                seconds = self.worked - worked
                self.looks.append(Look(self.done - done, seconds, in_all - seconds, progress.pace))

        self._look = look


def _closes(closed: Event, seconds: float) -> bool:
    return closed.wait()


@pytest.fixture
def stores(request: pytest.FixtureRequest) -> Iterator[Callable[[str, FakeClock], StateStore]]:
    with ExitStack() as stack:

        def made(kind: str, clock: FakeClock) -> StateStore:
            if kind == "memory":
                return MockStateManager(clock)
            database: Any = request.getfixturevalue("postgres_database")
            return PostgresStateStore(stack.enter_context(pool_to(database.url)))

        yield made


@pytest.mark.parametrize(("kind", "speaks"), [("memory", True), ("memory", False), ("postgres", True)])
def test_a_backlog_behind_one_worker_is_healthy_and_its_end_is_foretold(
    stores: Callable[[str, FakeClock], StateStore], kind: str, speaks: bool
) -> None:
    clock, random = FakeClock(), Random(7)
    desk = Desk(stores(kind, clock), clock, speaks)
    seconds = [random.uniform(20.0, 40.0) for _ in range(TASKS)]
    with closing(desk.heartbeat):
        job_id = desk.submit(seconds)
        desk.pass_time(IDLE_HOURS * 3_600.0)
        waiting = desk.operations.status(job_id)
        desk.look_at(job_id, 25, sum(seconds))
        while desk.take("long-running-tasks"):
            pass

    assert waiting.progress is not None
    assert waiting.progress.pace == StagePace(0.0, None, None)
    status = desk.operations.status(job_id)
    assert status.run.stages[0].remaining == 0
    _nothing_was_lost(desk, job_id)
    _the_end_was_foretold(desk.looks)


def _nothing_was_lost(desk: Desk, job_id: JobId) -> None:
    hours = len(desk.repairs) / 60
    assert hours > 9
    assert {(found.leases_ended, found.runs_expired, found.failed) for found in desk.repairs} == {(0, 0, 0)}
    # Each time a wake-up is sent again it is waited for twice as long: a handful a task in half a day.
    assert sum(found.wakeups_resent for found in desk.repairs) <= 5 * TASKS
    tasks = desk.store.list_tasks(job_id, 1, TaskFilter(), None, TASKS + 1)
    assert len(tasks) == TASKS
    assert {(task.status, task.attempt, task.charged) for task in tasks} == {(TaskStatus.COMPLETED, 1, 0)}
    assert desk.done == TASKS


def _the_end_was_foretold(looks: Sequence[Look]) -> None:
    """The luck of the draw makes what is left differ from what was done: by 2 % in 100 pieces, 30 seconds in 25."""
    assert len(looks) == TASKS / 25
    for done, worked, left, pace in looks:
        assert pace.percent == pytest.approx(100 * done / TASKS, abs=0.1)
        if done > 50:
            assert pace.rate_per_minute == pytest.approx(60 * done / worked, rel=0.01)
            assert pace.remaining_seconds == pytest.approx(left, rel=0.05, abs=90.0)
