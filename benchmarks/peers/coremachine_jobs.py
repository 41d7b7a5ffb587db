"""The jobs that CoreMachine is measured with, and their one handler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import TaskResult
from testing.factories import Registries


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


def registries() -> Registries:
    return Registries.of([FanOutJob(), SingleJob()], [task_handler("give_back", give_back)])
