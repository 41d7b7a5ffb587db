"""The jobs of the simulation. They add up numbers, and each result carries the number of the call that made it.

So the sum says whether each task counted once, and the calls say whose results were used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar

from pydantic import BaseModel

from core.attempts import LEASE_MARGIN
from core.handlers import task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import FailurePolicy, TaskResult
from core.registry import HandlerRegistry, JobRegistry
from core.retry import RetryPolicy
from testing.factories import Registries
from testing.simulation.handlers import Number, Numbers, add, double, increment

TIMEOUT = 30.0
LEASE_SECONDS = TIMEOUT + LEASE_MARGIN
"""A minute."""

PATIENT = RetryPolicy(max_attempts=500, base=1.0, cap=30.0)
"""No number of faults uses up the attempts."""

HASTY = RetryPolicy(max_attempts=2, base=1.0, cap=30.0)


class SumParams(BaseModel):
    n: int


def _stage(number: int, task_type: str, *, tolerate: bool = False, gather: bool = False) -> StageDefinition:
    parallelism = Parallelism.FAN_IN if gather else Parallelism.FAN_OUT
    policy = FailurePolicy.TOLERATE if tolerate else FailurePolicy.FAIL_FAST
    return StageDefinition(number, task_type, task_type, parallelism, policy)


class SumJob(JobDefinition[SumParams]):
    """Doubles the numbers below ``n``, adds one to each, and adds them up: ``n * n`` where no task failed.

    ``may_fail`` says whether one of its tasks may end as failed.
    """

    job_type: ClassVar[str] = "steady"
    description: ClassVar[str] = "Adds up 2 i + 1 for i below n"
    stages: ClassVar[tuple[StageDefinition, ...]] = (_stage(1, "double"), _stage(2, "increment"))
    parameters: ClassVar[type[BaseModel]] = SumParams
    result: ClassVar[type[BaseModel]] = Numbers
    may_fail: ClassVar[bool] = False

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: SumParams, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if stage.number == 1:
            return [TaskSpec(f"n{number}", Number(value=number)) for number in range(job_params.n)]
        succeeded = [(found.name, found.parse(Number)) for found in previous_results if found.succeeded]
        if stage.parallelism is Parallelism.FAN_IN:
            return [TaskSpec("sum", _gather([number for _, number in succeeded]))]
        return [TaskSpec(name, number) for name, number in succeeded]

    def finalize_job(self, context: JobContext[SumParams]) -> Numbers:
        results = context.results(len(self.stages))
        return _gather([found.parse(Number) for found in results if found.succeeded])


def _gather(numbers: Sequence[Number]) -> Numbers:
    return Numbers(values=[number.value for number in numbers], calls=[number.call for number in numbers])


class Gathering(SumJob):
    job_type = "gathering"
    stages = (_stage(1, "double"), _stage(2, "increment"), _stage(3, "add", gather=True))


class Fragile(SumJob):
    job_type = "fragile"
    may_fail = True


class Tolerant(SumJob):
    job_type = "tolerant"
    stages = (_stage(1, "double", tolerate=True), _stage(2, "increment", tolerate=True))
    may_fail = True


class Mixed(SumJob):
    job_type = "mixed"
    stages = (_stage(1, "double", tolerate=True), _stage(2, "increment"))
    may_fail = True


class Hasty(SumJob):
    """Tries a task of its second stage twice."""

    job_type = "hasty"
    stages = (_stage(1, "double", tolerate=True), _stage(2, "hasty_increment", tolerate=True))
    may_fail = True


class Timely(SumJob):
    """Fails where it has not ended after some minutes."""

    job_type = "timely"
    deadline_seconds = 240.0


class Thrifty(SumJob):
    """Pays for two retries in all."""

    job_type = "thrifty"
    may_fail = True
    retry_budget = 2


JOBS: Mapping[str, SumJob] = {
    job.job_type: job for job in (SumJob(), Gathering(), Fragile(), Tolerant(), Mixed(), Hasty(), Thrifty(), Timely())
}


@cache
def registries() -> Registries:
    """The jobs and their handlers, the same for every world of a process."""
    handlers = HandlerRegistry(
        [
            task_handler("double", double, retry=PATIENT, timeout=TIMEOUT),
            task_handler("increment", increment, retry=PATIENT, timeout=TIMEOUT),
            task_handler("hasty_increment", increment, retry=HASTY, timeout=TIMEOUT),
            task_handler("add", add, retry=PATIENT, timeout=TIMEOUT),
        ]
    )
    return Registries(JobRegistry(JOBS.values(), handlers), handlers)
