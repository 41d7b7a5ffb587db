"""The job of a simulated day: long tasks, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import TaskResult


class Pages(BaseModel):
    """``fails_at``: a page at which the first try fails by itself; -1: none."""

    pages: int
    seconds: float
    fails_at: int = -1


class Done(BaseModel):
    pages: int


class Work(BaseModel):
    tasks: list[Pages]


class Long(JobDefinition[Work]):
    job_type: ClassVar[str] = "long"
    description: ClassVar[str] = "Long tasks, page by page"
    stages: ClassVar[tuple[StageDefinition, ...]] = (StageDefinition(1, "pages", "pages", Parallelism.FAN_OUT),)
    parameters: ClassVar[type[BaseModel]] = Work
    result: ClassVar[type[BaseModel]] = Done

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: Work, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        return [TaskSpec(f"t{number}", pages) for number, pages in enumerate(job_params.tasks)]

    def finalize_job(self, context: JobContext[Work]) -> Done:
        return Done(pages=sum(result.parse(Done).pages for result in context.results(1)))
