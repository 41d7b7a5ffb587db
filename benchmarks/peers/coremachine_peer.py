"""CoreMachine on PostgreSQL, as it is deployed but for the bus: a thread submits, the worker's loop and its committer
run in theirs.

A job of three stages: one task that plans, as many as asked for, and one that adds up what they gave. Who submitted is
told of a job's end once that is committed, and then reads its result from the store. The others here are told by the
last task, which has committed its result while the queue's own record of it may be still to come.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.metadata import version
from threading import Event, Thread
from typing import Any, cast

from benchmarks.peers.child import Measured, Order, answer, check_sum, read_order, repeat, wait_for_end
from benchmarks.peers.coremachine_bus import Connect, Wakeup, bus_inside, bus_outside
from benchmarks.peers.coremachine_jobs import Number, registries
from benchmarks.postgres_ours import opened_store
from core.context import StopSignal
from core.ids import JobId
from core.machine import CoreMachine
from core.model import RunRecord, RunStatus
from core.ports import MessageBus, StateStore
from core.reconciler import Reconciler
from core.system import RandomIds, SystemClock
from core.worker import Worker
from testing.memory_blobs import MemoryBlobStore

CONNECTIONS = 3
"""One for each thread that uses the store: who submits, the worker's loop, its committer."""

MAX_BATCH = 100
RECONCILE_SECONDS = 10.0
"""Between two passes of the reconciler."""

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""A job that has not ended by then never will."""

OPEN = (RunStatus.QUEUED, RunStatus.PROCESSING)

OpenBus = Callable[[Event], AbstractContextManager[Connect]]

BUSES: Mapping[str, OpenBus] = (
    {"bus_inside": bus_inside} if sys.platform == "win32" else {"bus_inside": bus_inside, "bus_outside": bus_outside}
)
"""By the way in which a job is done with it; Windows lacks the sockets of the other one."""


class JobNotDone(RuntimeError):
    """A job failed, or did not end in time; the message says what is known of it."""


class TellingStore:
    """A :class:`core.ports.StateStore` in front of another one, that sets ``ended`` when a run's end is committed."""

    def __init__(self, store: StateStore, ended: Event) -> None:
        self._store = store
        self._ended = ended

    @classmethod
    def wrap(cls, store: StateStore, ended: Event) -> StateStore:
        return cast(StateStore, cls(store, ended))

    def finish_run(self, *arguments: Any, **named: Any) -> bool:
        finished = self._store.finish_run(*arguments, **named)
        self._ended.set()
        return finished

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Process:
    """Submits jobs and waits for them, while ``working`` works on them."""

    def __init__(self, machine: CoreMachine, bus: MessageBus, ended: Event, working: Future[None]) -> None:
        self._machine = machine
        self._bus = bus
        self._ended = ended
        self._working = working
        self._numbers = itertools.count()
        self._ids = RandomIds()

    def run(self, job_type: str, tasks: int) -> int:
        """Submit a job and wait until it has ended; its result. Raises :class:`JobNotDone`."""
        self._ended.clear()
        parameters = {"value": tasks, "number": next(self._numbers)}
        job_id = self._machine.submit(job_type, parameters, idempotency_key=self._ids.new_id()).run.job_id
        run = self._ended_run(job_id)
        if run.result_json is None:
            raise JobNotDone(self._state_of(run))
        return Number.model_validate_json(run.result_json).value

    def idle(self, ended: Event) -> None:
        """Look for what needs repair until ``ended`` is set; the worker looks for messages."""
        reconciler = Reconciler(self._machine, self._bus)
        while True:
            reconciler.run_once()
            if ended.wait(RECONCILE_SECONDS):
                return

    def _ended_run(self, job_id: JobId) -> RunRecord:
        """The run, once it has ended. It is looked at after each second too, in which nobody told of its end."""
        for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS)):
            self._ended.wait(LOOK_SECONDS)
            if self._working.done():
                self._working.result()
            run = self._load(job_id)
            if run.status not in OPEN:
                return run
        raise JobNotDone(self._state_of(self._load(job_id)))

    def _load(self, job_id: JobId) -> RunRecord:
        run = self._machine.store.load_run(job_id, 1)
        assert run is not None
        return run

    def _state_of(self, run: RunRecord) -> str:
        stages = ", ".join(f"{stage.name} {stage.remaining} of {stage.total} left" for stage in run.stages)
        letters = [letter.reason for queue in self._machine.queues.all() for letter in self._bus.dead_letters(queue, 3)]
        return f"{run.job_type} is {run.status.value}; error: {run.error}; stages: {stages}; dead letters: {letters}"


@contextmanager
def working(store: StateStore, open_bus: OpenBus) -> Iterator[Process]:
    """A worker in a thread of its own. Leaving the block ends it, and raises what it raised."""
    wakeup, ended, stop = Wakeup(), Event(), StopSignal()
    with open_bus(wakeup.sent) as connect, ThreadPoolExecutor(1) as threads:
        bus = connect()
        work = threads.submit(_work, TellingStore.wrap(store, ended), connect(), wakeup, stop)
        try:
            yield Process(_machine(store, bus), bus, ended, work)
        finally:
            stop.set("done")
            wakeup.sent.set()
        work.result()


def _work(store: StateStore, bus: MessageBus, wakeup: Wakeup, stop: StopSignal) -> None:
    machine = _machine(store, bus)
    with Worker(machine, bus, machine.queues.all(), wakeup.wait, MAX_BATCH) as worker:
        worker.run(stop)


def _machine(store: StateStore, bus: MessageBus) -> CoreMachine:
    found = registries()
    return CoreMachine(
        found.jobs, found.handlers, store, bus, blobs=MemoryBlobStore(), clock=SystemClock(), ids=RandomIds()
    )


def measured(order: Order, store: StateStore) -> Measured:
    settings = (
        f"psycopg {version('psycopg')}, {CONNECTIONS} connections, batches up to {MAX_BATCH}, "
        "a bus in memory that wakes the worker: inside this process, or outside in one of its own"
    )
    found = Measured("as it is here", settings)
    for way, open_bus in BUSES.items():
        with working(store, open_bus) as process:
            found.jobs[way] = repeat(order.jobs, partial(_fan_out, process, order.tasks))
            found.singles[way] = repeat(order.singles, partial(process.run, "single", 1))
    return found


def _fan_out(process: Process, tasks: int) -> None:
    check_sum(process.run("fan_out", tasks), tasks)


def _idle(store: StateStore) -> None:
    ended = Event()
    Thread(target=_set_at_end, args=[ended], daemon=True).start()
    with working(store, bus_inside) as process:
        process.idle(ended)


def _set_at_end(ended: Event) -> None:
    wait_for_end()
    ended.set()


def main() -> None:
    log = logging.StreamHandler()
    log.setFormatter(logging.Formatter("%(name)s %(message)s %(code)s", defaults={"code": ""}))
    logging.basicConfig(level=logging.WARNING, handlers=[log])
    order = read_order()
    with opened_store(order.url, CONNECTIONS) as store:
        answer(measured(order, store))
        if order.idle:
            _idle(store)
