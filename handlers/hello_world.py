"""The reference job: n greetings in parallel, then n replies to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from core.context import TaskContext
from core.errors import TaskError
from core.handlers import TaskHandler, task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import FailurePolicy, TaskResult


class GreetingFailed(TaskError):
    """The failure that ``failure_rate`` asks for."""

    code = "GREETING_FAILED"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GreetingParams(_Strict):
    index: int = Field(ge=0)
    message: str = Field(min_length=1, max_length=1_000)
    failure_rate: float = Field(default=0.0, ge=0.0, le=1.0)


class Greeting(_Strict):
    index: int
    greeting: str


class ReplyParams(_Strict):
    index: int = Field(ge=0)
    greeting: str


class Reply(_Strict):
    index: int
    reply: str


class HelloWorldParams(_Strict):
    n: int = Field(default=3, ge=0, le=100_000, description="How many greetings")
    message: str = Field(default="Hello!", min_length=1, max_length=1_000)
    failure_rate: float = Field(default=0.0, ge=0.0, le=1.0, description="The share of greetings that fail")


class HelloWorldResult(_Strict):
    greetings: int
    replies: int
    failed: int


def hello_world_greeting(params: GreetingParams, context: TaskContext) -> Greeting:
    """Greet, or fail for the share of indexes that failure_rate asks for."""
    if _share(f"{context.job_id}:{params.index}") < params.failure_rate:
        raise GreetingFailed(f"greeting {params.index} was asked to fail")
    return Greeting(index=params.index, greeting=f"{params.message} (from task {params.index})")


def hello_world_reply(params: ReplyParams, context: TaskContext) -> Reply:
    """Reply to a greeting."""
    return Reply(index=params.index, reply=f"Replying to: {params.greeting}")


class HelloWorldJob(JobDefinition[HelloWorldParams]):
    job_type: ClassVar[str] = "hello_world"
    description: ClassVar[str] = "Greets n times in parallel, then replies to each greeting"
    stages: ClassVar[tuple[StageDefinition, ...]] = (
        StageDefinition(1, "greeting", "hello_world_greeting", Parallelism.FAN_OUT, FailurePolicy.TOLERATE),
        StageDefinition(2, "reply", "hello_world_reply", Parallelism.FAN_OUT),
    )
    parameters: ClassVar[type[BaseModel]] = HelloWorldParams
    result: ClassVar[type[BaseModel]] = HelloWorldResult

    def create_tasks_for_stage(
        self,
        stage: StageDefinition,
        job_params: HelloWorldParams,
        job_id: JobId,
        previous_results: Sequence[TaskResult],
    ) -> Sequence[TaskSpec]:
        if stage.number == 1:
            return [_greeting_task(index, job_params) for index in range(job_params.n)]
        greetings = [result.parse(Greeting) for result in previous_results if result.succeeded]
        return [
            TaskSpec(f"reply-{found.index}", ReplyParams(index=found.index, greeting=found.greeting))
            for found in greetings
        ]

    def finalize_job(self, context: JobContext[HelloWorldParams]) -> HelloWorldResult:
        greeted = sum(result.succeeded for result in context.results(1))
        replied = sum(result.succeeded for result in context.results(2))
        return HelloWorldResult(greetings=greeted, replies=replied, failed=context.failed_tasks)


def _greeting_task(index: int, params: HelloWorldParams) -> TaskSpec:
    greeting = GreetingParams(index=index, message=params.message, failure_rate=params.failure_rate)
    return TaskSpec(f"greeting-{index}", greeting)


def _share(key: str) -> float:
    """A number in [0, 1) that is always the same for ``key``, so that a run can be repeated."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def hello_world_handlers() -> tuple[TaskHandler, ...]:
    return (
        task_handler("hello_world_greeting", hello_world_greeting),
        task_handler("hello_world_reply", hello_world_reply),
    )


def hello_world_jobs() -> tuple[HelloWorldJob, ...]:
    return (HelloWorldJob(),)
