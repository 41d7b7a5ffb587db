"""The job that the simulations run: numbers are doubled (fan-out), each is raised by one (fan-out), all are
added up (fan-in). Its result tells whether each task's result was used exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import BaseModel

from core.context import TaskContext
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import TaskResult
from core.outcome import Interrupted
from core.retry import RetryPolicy
from testing.factories import Registries

PATIENT = RetryPolicy(max_attempts=500, base=1.0, cap=30.0)
"""No number of faults uses up the attempts."""

Interlude = Callable[[TaskContext], Interrupted | None]


class SumParams(BaseModel):
    n: int


class Number(BaseModel):
    value: int


class Numbers(BaseModel):
    values: list[int]


class SumJob(JobDefinition[SumParams]):
    job_type: ClassVar[str] = "sums"
    description: ClassVar[str] = "Adds up 2 i + 1 for i below n"
    stages: ClassVar[tuple[StageDefinition, ...]] = (
        StageDefinition(1, "double", "double", Parallelism.FAN_OUT),
        StageDefinition(2, "increment", "increment", Parallelism.FAN_OUT),
        StageDefinition(3, "add", "add", Parallelism.FAN_IN),
    )
    parameters: ClassVar[type[BaseModel]] = SumParams
    result: ClassVar[type[BaseModel]] = Number

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: SumParams, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if stage.number == 1:
            return [TaskSpec(f"n{number}", Number(value=number)) for number in range(job_params.n)]
        numbers = [result.parse(Number).value for result in previous_results]
        if stage.number == 2:
            return [TaskSpec(f"n{index}", Number(value=number)) for index, number in enumerate(numbers)]
        return [TaskSpec("sum", Numbers(values=numbers))]

    def finalize_job(self, context: JobContext[SumParams]) -> Number:
        (only,) = context.results(3)
        return only.parse(Number)


def expected_sum(n: int) -> int:
    return n * n


def sums(interlude: Interlude | None = None) -> Registries:
    """The registries of the job. ``interlude`` is called in the middle of ``increment``, with its context."""

    def double(params: Number, context: TaskContext) -> Number:
        return Number(value=2 * params.value)

    def increment(params: Number, context: TaskContext) -> Number | Interrupted:
        stopped = interlude(context) if interlude is not None else None
        return stopped or Number(value=params.value + 1)

    def add(params: Numbers, context: TaskContext) -> Number:
        return Number(value=sum(params.values))

    handlers = [
        task_handler("double", double, retry=PATIENT),
        task_handler("increment", increment, retry=PATIENT),
        task_handler("add", add, retry=PATIENT),
    ]
    return Registries.of([SumJob()], handlers)
