"""CoreMachine: the machine on PostgreSQL, with a bus in this process.

A job of three stages: one task that plans, as many as asked for, and one that adds up what they gave.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib.metadata import version
from typing import ClassVar

from pydantic import BaseModel

from benchmarks.peers.child import Measured, Order, answer, check_sum, read_order, repeat, wait_for_end
from benchmarks.postgres_ours import opened_store
from core.consumer import dispatch, settle
from core.context import TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.machine import CoreMachine
from core.model import TaskResult
from core.ports import MessageBus, StateStore
from core.system import RandomIds, SystemClock
from testing.clock import SkippingClock
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_bus import MockServiceBusRepository

CONNECTIONS = 2
RECEIVE_BATCH = 100


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


class Worker:
    """The machine and the one loop that takes its messages, until nothing is left to do."""

    def __init__(self, store: StateStore) -> None:
        clock = SkippingClock(SystemClock())
        registries = Registries.of([FanOutJob(), SingleJob()], [task_handler("give_back", give_back)])
        self._bus: MessageBus = MockServiceBusRepository(clock)
        self._store = store
        self._numbers = itertools.count()
        self._machine = CoreMachine(
            registries.jobs,
            registries.handlers,
            store,
            self._bus,
            blobs=MemoryBlobStore(),
            clock=clock,
            ids=RandomIds(),
        )

    def run(self, job_type: str, tasks: int) -> int:
        """Submit a job and work until it has ended; its result."""
        parameters = {"value": tasks, "number": next(self._numbers)}
        job_id = self._machine.submit(job_type, parameters, idempotency_key=RandomIds().new_id()).run.job_id
        while self._pump():
            pass
        run = self._store.load_run(job_id, 1)
        assert run is not None
        assert run.result_json is not None, run
        return Number.model_validate_json(run.result_json).value

    def _pump(self) -> bool:
        received = [
            message for queue in self._machine.queues.all() for message in self._bus.receive(queue, RECEIVE_BATCH)
        ]
        for message in received:
            settle(self._bus, message, dispatch(self._machine, message.body))
        return bool(received)


def measured(order: Order, worker: Worker) -> Measured:
    found = Measured(
        "as it is here",
        f"psycopg {version('psycopg')}, {CONNECTIONS} connections, messages one by one, bus in the process",
    )
    found.jobs["stored"] = repeat(order.jobs, lambda: check_sum(worker.run("fan_out", order.tasks), order.tasks))
    found.singles["stored"] = repeat(order.singles, lambda: worker.run("single", 1))
    return found


def main() -> None:
    order = read_order()
    with opened_store(order.url, CONNECTIONS) as store:
        answer(measured(order, Worker(store)))
        if order.idle:
            wait_for_end()
