"""A day of one queue worker under a clock that is moved: what goes wrong in it, and what must hold at its end.

The worker's own classes run: loop, slot, watch, heartbeat, token cache. Time passes where they wait and where handlers
work; whatever is due then happens in between, in the same thread. A worker that is killed ends as a process does, in
the middle of whatever it does: nothing of it goes on but what is in the store and on the bus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from random import Random
from threading import Event
from typing import Any, cast

from azure.core.credentials import TokenCredential

from core.consumer import dispatch, settle
from core.context import TaskContext
from core.errors import BusUnavailable, StoreUnavailable, TransientError, TransientTaskError
from core.handlers import task_handler
from core.heartbeat import Heartbeat
from core.ids import JobId
from core.listing import TaskFilter
from core.machine import CoreMachine
from core.model import RunRecord, TaskRecord, TaskStatus
from core.outcome import Interrupted
from core.ports import MessageBus, StateStore
from core.reconciler import Reconciler
from core.retry import RetryPolicy
from docker_worker.lease_watch import LeaseWatch
from docker_worker.patience import PatientRunner
from docker_worker.queue_worker import BackgroundQueueWorker
from docker_worker.status import WorkerStatus
from docker_worker.task_slot import TaskSlot
from infrastructure.tokens import TokenCache
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.faults import FaultInjector, FaultyStore, SimulatedCrash
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from tests.support.day_surroundings import (
    CALLS,
    DAY,
    GRACE,
    HOUR,
    LEASE,
    TICK,
    Away,
    Book,
    Connection,
    Grants,
    Identity,
    LocalRunner,
    Reached,
    Timeline,
    WaitingBus,
)
from tests.support.day_work import Done, Long, Pages, Work


class Process:
    """One process of the worker, from its start to its end."""

    def __init__(self, day: Day, number: int) -> None:
        self._day = day
        self.ids = SeededIds(day.seed * 1_000 + number)
        self.runner = LocalRunner()
        self._idle = Event()
        self.tokens = TokenCache(day.clock, lambda: cast(TokenCredential, day.identity), lambda *_: self._idle.wait())
        granting = cast(StateStore, Grants(day.state, day.book))
        connection = Connection(granting, day.clock, day.database, self.tokens, day.random)
        self.tokens.on_renewal("database", connection.reset)
        self.store = FaultyStore.wrap(cast(StateStore, connection), day.injector)
        self.heartbeat = Heartbeat(self.store, day.clock, LEASE, lambda *_: self._idle.wait())
        self.bus = WaitingBus(day.reached_bus, day.timeline)
        self.patient = PatientRunner(self.runner, jitter=self.ids.jitter, wait=day.timeline.pass_)
        self.machine = day.machine(self.store, cast(MessageBus, self.bus), self.ids, self.heartbeat, self.patient)
        self.watch = LeaseWatch(self.machine, LEASE, jitter=self.ids.jitter)
        slot = TaskSlot(self.machine, WorkerStatus(day.clock))
        self.worker = BackgroundQueueWorker(
            slot,
            cast(MessageBus, self.bus),
            self.machine.queues.long_running,
            self.patient,
            jitter=self.ids.jitter,
            end_waits=self.bus.end_waits,
            grace_seconds=GRACE,
            wait=self._wait,
        )

    def live(self) -> None:
        """Until it is told to stop. Raises :class:`SimulatedCrash` where it is killed."""
        self._again(self.heartbeat.beat)
        self._again(self.watch.step)
        self._again(lambda: max(1.0, self.tokens.renew_due() or 0.0))
        self.worker.run()

    def end(self) -> None:
        """The process is gone, with all that only it knew."""
        self._idle.set()
        self.heartbeat.close()
        self.tokens.close()

    def _wait(self, event: Event, seconds: float) -> bool:
        until = self._day.clock.now() + timedelta(seconds=seconds)
        while not event.is_set() and self._day.clock.now() < until:
            self._day.timeline.to_next(until)
        return event.is_set()

    def _again(self, act: Callable[[], float]) -> None:
        """Do what a thread of the process does, which gives the seconds until the next time."""

        def once() -> None:
            if self._day.process is self:
                self._day.timeline.after(act(), once)

        self._day.timeline.after(0.0, once)


Plant = Callable[[Process], None]


class Day:
    """Drawn from ``seed``. ``plant`` changes each process of the worker before it begins."""

    def __init__(self, seed: int, plant: Plant = lambda process: None) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.clock = FakeClock()
        self.timeline = Timeline(self.clock)
        self.book = Book()
        self.state = MockStateManager(self.clock)
        self.bus = MockServiceBusRepository(self.clock)
        self.injector = FaultInjector(CALLS, seed)
        self.database, self.queue_service, self.identity_service = (Away(self.clock) for _ in range(3))
        self.identity = Identity(self.clock, self.identity_service)
        self.reached_bus = cast(MessageBus, Reached(self.bus, self.queue_service, BusUnavailable))
        self.process: Process | None = None
        self.lives: list[tuple[datetime, datetime]] = []
        self._plant = plant
        self._jobs: list[JobId] = []
        self._numbers = count(1)
        self._begin = self.clock.now()
        handler = task_handler(
            "pages", self._work, retry=RetryPolicy(max_attempts=10), timeout=6 * HOUR, long_running=True
        )
        self._known = Registries.of([Long()], [handler])
        store = cast(StateStore, Reached(self.state, self.database, StoreUnavailable))
        self._host = self.machine(store, self.reached_bus, SeededIds(seed), None, None)
        self._reconciler = Reconciler(self._host, self.reached_bus)

    def machine(
        self, store: StateStore, bus: MessageBus, ids: SeededIds, heartbeat: Heartbeat | None, runner: Any
    ) -> CoreMachine:
        jobs, handlers = self._known.jobs, self._known.handlers
        blobs = MemoryBlobStore()
        return CoreMachine(
            jobs, handlers, store, bus, blobs=blobs, clock=self.clock, ids=ids, heartbeat=heartbeat, runner=runner
        )

    def run(self) -> Book:
        """The whole day, and then as long as it takes until all jobs have ended; what must hold then is
        checked by :func:`tests.support.day_rules.check`.
        """
        self._draw()
        while not self._over():
            self._one_process()
        return self.book

    # --- what is drawn ---

    def _draw(self) -> None:
        """Times are spread over the day, in which about half of the time is work."""
        self._at_random(14, DAY * 0.8, self._submit)
        self._at_random(24, DAY, lambda: self.database.go(self._long_tail(2, 600)))
        self._at_random(12, DAY, lambda: self.queue_service.go(self._long_tail(2, 600)))
        self._at_random(6, DAY, lambda: self.identity_service.go(self._long_tail(10, 240)))
        self._at_random(30, DAY, self._lose_lock)
        self._at_random(8, DAY, self._kill)
        self._at_random(6, DAY, self._deploy)
        self.timeline.every(10.0, self._host_works)
        self.timeline.every(30.0, self._host_reconciles)

    def _at_random(self, times: int, within: float, act: Callable[[], None]) -> None:
        for _ in range(times):
            self.timeline.after(self.random.uniform(0, within), act)

    def _long_tail(self, shortest: float, longest: float) -> float:
        return float(shortest * (longest / shortest) ** self.random.random())

    def _submit(self) -> None:
        tasks = [self._task() for _ in range(self.random.randint(1, 3))]
        number = next(self._numbers)
        submitted = self.machine(cast(StateStore, self.state), self.reached_bus, SeededIds(number), None, None).submit(
            "long", Work(tasks=tasks).model_dump(), idempotency_key=str(number)
        )
        self._jobs.append(submitted.run.job_id)

    def _task(self) -> Pages:
        """A minute to three hours, mostly short ones."""
        seconds = self._long_tail(10, 20)
        pages = max(1, round(self._long_tail(60, 3 * HOUR) / seconds))
        fails_at = self.random.randrange(pages) if self.random.random() < 0.1 else -1
        return Pages(pages=pages, seconds=round(seconds, 1), fails_at=fails_at)

    # --- what happens to the worker ---

    def _kill(self) -> None:
        if self.process is not None:
            self.book.faults["killed"] += 1
            raise SimulatedCrash("SIGKILL")

    def _deploy(self) -> None:
        """SIGTERM, and SIGKILL for a process that has not ended by then."""
        told = self.process
        if told is None:
            return

        def cut_off() -> None:
            if self.process is told:
                self.book.faults["cut off"] += 1
                raise SimulatedCrash("SIGKILL after the grace period")

        self.book.faults["deployed"] += 1
        told.worker.stop()
        self.timeline.after(GRACE + 5.0, cut_off)

    def _lose_lock(self) -> None:
        held = self.process.bus.held if self.process is not None else None
        locked = self.bus._queue(held.queue).locked.get(held.lock_token) if held is not None else None
        if locked is not None:
            self.book.faults["lock lost"] += 1
            locked.locked_until = self.clock.now()

    def _one_process(self) -> None:
        """From its start to its end, and the time until the next one."""
        process = self.process = Process(self, next(self._numbers))
        self._plant(process)
        started = self.clock.now()
        try:
            process.live()
        except SimulatedCrash:
            self.book.faults["crashed"] += 1
        finally:
            self.process = None
            process.end()
        self.lives.append((started, self.clock.now()))
        self._note_vanished()
        self.timeline.pass_(self.random.uniform(2, 80))

    def _note_vanished(self) -> None:
        """What runs now runs nowhere."""
        for task in self.tasks():
            if task.status is TaskStatus.RUNNING:
                self.book.vanished.setdefault((task.task_id, task.attempt), self.clock.now())

    # --- the functions beside it ---

    def _host_works(self) -> None:
        """Job messages and ends of stages; of an app that does not begin what it cannot end."""
        if self.database.now or self.queue_service.now:
            return
        for message in self.bus.receive(self._host.queues.jobs, 10):
            settle(self.bus, message, dispatch(self._host, message.body))

    def _host_reconciles(self) -> None:
        with suppress(TransientError):
            self._reconciler.run_once()

    # --- the work ---

    def _work(self, params: Pages, context: TaskContext) -> Done | Interrupted:
        attempt = (context.task_id, context.attempt)
        self.book.began.add(attempt)
        begin = context.checkpoint.get_data("pages", 0)
        assert isinstance(begin, int)
        for page in range(begin, params.pages):
            if page == params.fails_at and not any(task == context.task_id for task, _ in self.book.failed):
                self.book.failed.add(attempt)
                raise TransientTaskError("this page fails once")
            self._busy(params.seconds)
            self.book.pages[context.task_id, page] += 1
            self._save(context, page + 1)
            context.report_progress(100 * (page + 1) / params.pages)
            if context.should_stop:
                return Interrupted(str(context.stop_reason))
        return Done(pages=params.pages)

    def _busy(self, seconds: float) -> None:
        process = self.process
        assert process is not None
        while seconds > 0:
            process.runner.while_waiting()
            self.timeline.pass_(min(TICK, seconds))
            seconds -= TICK

    def _save(self, context: TaskContext, pages: int) -> None:
        try:
            context.checkpoint.save("page", {"pages": pages})
        except StoreUnavailable:
            self.book.unsaved[context.task_id] += 1
            raise

    # --- the end ---

    def tasks(self) -> Iterator[TaskRecord]:
        for job_id in self._jobs:
            yield from self.state.list_tasks(job_id, 1, TaskFilter(), None, 100)

    def runs(self) -> list[RunRecord]:
        return [run for job_id in self._jobs if (run := self.state.load_run(job_id, 1)) is not None]

    def _over(self) -> bool:
        """A day is over, and all that was submitted in it has ended, or never will."""
        since = self.clock.now() - self._begin
        if since < timedelta(days=1):
            return False
        return since > timedelta(days=2) or all(run.ended for run in self.runs())
