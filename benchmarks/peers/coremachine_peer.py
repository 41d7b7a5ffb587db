"""CoreMachine: the machine on PostgreSQL, with a bus in this process.

A job of three stages: one task that plans, as many as asked for, and one that adds up what they gave.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from types import TracebackType
from typing import ClassVar, Self

from pydantic import BaseModel

from benchmarks.peers.child import Measured, Order, answer, check_sum, read_order, repeat, wait_for_end
from benchmarks.postgres_ours import opened_store
from core.context import StopSignal, TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.machine import CoreMachine
from core.model import TaskResult
from core.ports import StateStore
from core.reconciler import Reconciler
from core.system import RandomIds, SystemClock
from core.worker import IDLE_SECONDS, Worker
from testing.clock import SkippingClock
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository

CONNECTIONS = 2
MAX_BATCH = 100
RECONCILE_SECONDS = 10.0
"""Between two passes of the reconciler."""


class Number(BaseModel):
    value: int


class Submission(Number):
    """``value`` tasks; ``number`` tells one job of them from another."""

    number: int


def give_back(params: Number, context: TaskContext) -> Number:
    return params


class FanOutJob(JobDefinition[Submission]):
    job_type: ClassVar[str] = "fan_out"
    description: ClassVar[str] = "One task, then as many as the parameter says, then one with their sum"
    stages: ClassVar[tuple[StageDefinition, ...]] = (
        StageDefinition(1, "plan", "give_back"),
        StageDefinition(2, "work", "give_back", Parallelism.FAN_OUT),
        StageDefinition(3, "gather", "give_back", Parallelism.FAN_IN),
    )
    parameters: ClassVar[type[BaseModel]] = Submission
    result: ClassVar[type[BaseModel]] = Number

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Submission, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if stage.number == 2:
            return [TaskSpec(str(index), Number(value=index)) for index in range(job_params.value)]
        return [TaskSpec("only", Number(value=sum(task.parse(Number).value for task in previous_results)))]

    def finalize_job(self, context: JobContext[Submission]) -> Number:
        return context.results(3)[0].parse(Number)


class SingleJob(FanOutJob):
    job_type: ClassVar[str] = "single"
    description: ClassVar[str] = "One task"
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "only", "give_back"),)

    def finalize_job(self, context: JobContext[Submission]) -> Number:
        return context.results(1)[0].parse(Number)


class Process:
    """A worker process as it is deployed, but for its bus: the machine, the worker's loop and the reconciler."""

    def __init__(self, store: StateStore) -> None:
        clock = SkippingClock(SystemClock())
        bus = MockServiceBusRepository(clock)
        registries = Registries.of([FanOutJob(), SingleJob()], [task_handler("give_back", give_back)])
        self._store = store
        self._numbers = itertools.count()
        self._ids = RandomIds()
        self._machine = CoreMachine(
            registries.jobs, registries.handlers, store, bus, blobs=MemoryBlobStore(), clock=clock, ids=self._ids
        )
        self._stop = StopSignal()
        self._ended = threading.Event()
        self._worker = Worker(self._machine, bus, self._machine.queues.all(), self._ended.wait, MAX_BATCH)
        self._reconciler = Reconciler(self._machine, bus)

    def __enter__(self) -> Self:
        self._worker.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._worker.__exit__(kind, error, at)

    def run(self, job_type: str, tasks: int) -> int:
        """Submit a job and work until it has ended; its result."""
        parameters = {"value": tasks, "number": next(self._numbers)}
        job_id = self._machine.submit(job_type, parameters, idempotency_key=self._ids.new_id()).run.job_id
        while self._worker.step(self._stop):
            pass
        run = self._store.load_run(job_id, 1)
        assert run is not None
        assert run.result_json is not None, run
        return Number.model_validate_json(run.result_json).value

    def idle(self) -> None:
        """Look for messages and for what needs repair until the end is near."""
        threading.Thread(target=self._wait_for_end, daemon=True).start()
        next_pass = time.monotonic()
        while not self._ended.is_set():
            self._worker.step(self._stop)
            if time.monotonic() >= next_pass:
                self._reconciler.run_once()
                next_pass += RECONCILE_SECONDS
            self._ended.wait(IDLE_SECONDS)

    def _wait_for_end(self) -> None:
        wait_for_end()
        self._ended.set()


def measured(order: Order, process: Process) -> Measured:
    settings = f"psycopg {version('psycopg')}, {CONNECTIONS} connections, batches up to {MAX_BATCH}, bus in the process"
    found = Measured("as it is here", settings)
    found.jobs["stored"] = repeat(order.jobs, lambda: check_sum(process.run("fan_out", order.tasks), order.tasks))
    found.singles["stored"] = repeat(order.singles, lambda: process.run("single", 1))
    return found


def main() -> None:
    order = read_order()
    with opened_store(order.url, CONNECTIONS) as store, Process(store) as process:
        answer(measured(order, process))
        if order.idle:
            process.idle()
