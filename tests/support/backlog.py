"""A job of many pieces of work, and a machine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.machine import CoreMachine
from core.model import TaskResult
from core.ports import MessageBus, StateStore
from testing.clock import FakeClock, SeededIds
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore


class Work(BaseModel):
    seconds: list[float] = []


class Piece(BaseModel):
    seconds: float


class Backlog(JobDefinition[Work]):
    job_type = "backlog"
    description = "Pieces of work of so many seconds each"
    parameters: ClassVar[type[BaseModel]] = Work
    result: ClassVar[type[BaseModel]] = Work
    stages = (StageDefinition(1, "work", "piece", Parallelism.FAN_OUT),)

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Work, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec(f"p{n:04d}", Piece(seconds=seconds)) for n, seconds in enumerate(job_params.seconds)]

    def finalize_job(self, context: JobContext[Work]) -> Work:
        return Work()


def backlog_machine(
    store: StateStore, bus: MessageBus, clock: FakeClock, piece: Callable[[Piece, TaskContext], Work], **more: Any
) -> CoreMachine:
    """``piece`` is the handler of the pieces; ``more`` is the machine's."""
    registries = Registries.of([Backlog()], [task_handler("piece", piece, long_running=True)])
    return CoreMachine(
        registries.jobs,
        registries.handlers,
        store,
        bus,
        blobs=MemoryBlobStore(),
        clock=clock,
        ids=SeededIds(1),
        **more,
    )
