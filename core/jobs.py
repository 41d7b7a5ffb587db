"""Job definitions: sequential stages of parallel tasks, and how each stage's tasks are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from core.errors import DefinitionError
from core.ids import JobId
from core.model import FailurePolicy, TaskResult

P = TypeVar("P", bound=BaseModel)

DEFAULT_DEADLINE_SECONDS = 7 * 86_400.0


class Parallelism(StrEnum):
    """How many tasks a stage has: ``single`` and ``fan_in`` exactly one, ``fan_out`` any number.

    ``fan_in`` says that the one task gathers the results of the stage before.
    """

    SINGLE = "single"
    FAN_OUT = "fan_out"
    FAN_IN = "fan_in"


@dataclass(frozen=True, slots=True)
class StageDefinition:
    """``number`` counts from 1 without gaps."""

    number: int
    name: str
    task_type: str
    parallelism: Parallelism = Parallelism.SINGLE
    failure_policy: FailurePolicy = FailurePolicy.FAIL_FAST

    def __post_init__(self) -> None:
        for name, kind in (("parallelism", Parallelism), ("failure_policy", FailurePolicy)):
            if not isinstance(getattr(self, name), kind):
                known = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
                raise DefinitionError(f"stage {self.name!r}: {name} is one of {known}")


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task to be made. ``name`` is unique in its stage; ``parameters`` fit the handler's model."""

    name: str
    parameters: BaseModel


@dataclass(frozen=True, slots=True)
class JobContext(Generic[P]):
    """What ``finalize_job`` sees. ``failed_tasks`` counts the tasks that failed in stages that tolerate it."""

    job_id: JobId
    run: int
    parameters: P
    failed_tasks: int
    _load: Callable[[int], Sequence[TaskResult]] = field(repr=False)

    def results(self, stage: int) -> Sequence[TaskResult]:
        """The results of a stage, in the order in which its tasks were created."""
        return self._load(stage)


class JobDefinition(ABC, Generic[P]):
    """A kind of job. Its methods are pure: same input, same tasks; they may run more than once.

    ``retry_budget`` bounds the charged retries of all its tasks together. A run that has not ended after
    ``deadline_seconds`` fails; ``None`` lets it wait without end.
    """

    job_type: ClassVar[str]
    description: ClassVar[str]
    stages: ClassVar[tuple[StageDefinition, ...]]
    parameters: ClassVar[type[BaseModel]]
    result: ClassVar[type[BaseModel]]
    retry_budget: ClassVar[int | None] = None
    deadline_seconds: ClassVar[float | None] = DEFAULT_DEADLINE_SECONDS

    @abstractmethod
    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: P, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        """The tasks of ``stage``; ``previous_results`` are of the stage before, in creation order."""

    @abstractmethod
    def finalize_job(self, context: JobContext[P]) -> BaseModel:
        """The job's result, made once all stages have ended."""

    def kept(self, job_params: P) -> P:
        """What is stored of what a caller asked for, such as a secret sealed. The job's id is made of it, so the same
        has to come of the same. What it raises refuses the job.
        """
        return job_params

    def deadline(self, now: datetime) -> datetime | None:
        """When a run that is made ``now`` fails unless it has ended."""
        return now + timedelta(seconds=self.deadline_seconds) if self.deadline_seconds is not None else None

    def schema(self) -> dict[str, object]:
        """The JSON schemas of what the job takes and gives, and its stages."""
        return {
            "job_type": self.job_type,
            "description": self.description,
            "stages": [
                {
                    "number": stage.number,
                    "name": stage.name,
                    "task_type": stage.task_type,
                    "parallelism": stage.parallelism.value,
                    "failure_policy": stage.failure_policy.value,
                }
                for stage in self.stages
            ],
            "parameters": self.parameters.model_json_schema(),
            "result": self.result.model_json_schema(mode="serialization"),
        }
