"""Handlers that go wrong in one named way each, and a job for each of them.

They keep no state: what happens depends on the parameters and on the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, cast

from pydantic import BaseModel

from core.context import TaskContext
from core.errors import TransientTaskError
from core.handlers import TaskHandler, task_handler
from core.ids import JobId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import FailurePolicy, TaskResult
from core.outcome import Interrupted, RetryLater
from core.retry import RetryPolicy

FOREIGN_TEXT = "the password is swordfish"
"""What :func:`crashes` says, and nobody outside may read."""

ATTEMPTS = 4
HANG_TIMEOUT = 20.0


class FaultParams(BaseModel):
    """``times``: how many attempts go wrong before one succeeds. ``delay`` is in seconds."""

    times: int = 1_000_000
    delay: float = 1.0


class FaultResult(BaseModel):
    attempt: int


class WrongResult(BaseModel):
    unexpected: str = "wrong"


def succeeds(params: FaultParams, context: TaskContext) -> FaultResult:
    """Nothing goes wrong."""
    return FaultResult(attempt=context.attempt)


def crashes(params: FaultParams, context: TaskContext) -> FaultResult:
    """Raises an exception that is not of our tree, with a text that must not be shown."""
    raise RuntimeError(FOREIGN_TEXT)


def fails_transiently(params: FaultParams, context: TaskContext) -> FaultResult:
    """Raises a retryable error for the first ``times`` attempts."""
    if context.attempt <= params.times:
        raise TransientTaskError(f"attempt {context.attempt} failed")
    return succeeds(params, context)


def exhausts_memory(params: FaultParams, context: TaskContext) -> FaultResult:
    """Raises MemoryError, as an allocation that was refused does."""
    raise MemoryError


def returns_garbage(params: FaultParams, context: TaskContext) -> FaultResult:
    """Returns what is not a model at all."""
    return cast(FaultResult, {"attempt": "not a model"})


def returns_wrong_model(params: FaultParams, context: TaskContext) -> FaultResult:
    """Returns a model of another class."""
    return cast(FaultResult, WrongResult())


def interrupts(params: FaultParams, context: TaskContext) -> FaultResult | Interrupted:
    """Saves a checkpoint and stops, for the first ``times`` attempts."""
    if context.attempt <= params.times:
        context.checkpoint.save(f"phase-{context.attempt}", {"last": context.attempt})
        return Interrupted("asked to")
    return succeeds(params, context)


def retries_later(params: FaultParams, context: TaskContext) -> FaultResult | RetryLater:
    """Asks to be called again after ``delay`` seconds, for the first ``times`` attempts."""
    if context.attempt <= params.times:
        return RetryLater(params.delay, "not ready")
    return succeeds(params, context)


def hangs(wait: Callable[[float], None]) -> Callable[[FaultParams, TaskContext], FaultResult | Interrupted]:
    """A handler that waits until it is told to stop. ``wait`` passes the time, in seconds."""

    def hang(params: FaultParams, context: TaskContext) -> FaultResult | Interrupted:
        """Waits until it is told to stop."""
        if context.attempt > params.times:
            return succeeds(params, context)
        while not context.should_stop:
            wait(1.0)
        return Interrupted(context.stop_reason or "")

    return hang


def fault_handlers(wait: Callable[[float], None]) -> tuple[TaskHandler, ...]:
    """All of them. ``wait`` is what :func:`hangs` takes: a fake clock's ``advance``."""
    retry = RetryPolicy(max_attempts=ATTEMPTS)
    plain: Sequence[Callable[..., BaseModel | RetryLater | Interrupted]] = (
        succeeds,
        crashes,
        fails_transiently,
        exhausts_memory,
        returns_garbage,
        returns_wrong_model,
        interrupts,
        retries_later,
    )
    handlers = [task_handler(function.__name__, function, retry=retry) for function in plain]
    return (*handlers, task_handler("hangs", hangs(wait), retry=retry, timeout=HANG_TIMEOUT))


class FaultJobParams(BaseModel):
    n: int = 1
    times: int = 1_000_000
    delay: float = 1.0


class FaultJobResult(BaseModel):
    succeeded: int
    failed: int


class FaultJob(JobDefinition[FaultJobParams]):
    """``n`` tasks of one fault handler. Subclasses name it."""

    description: ClassVar[str] = "Calls a fault handler n times"
    parameters: ClassVar[type[BaseModel]] = FaultJobParams
    result: ClassVar[type[BaseModel]] = FaultJobResult

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: FaultJobParams, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        params = FaultParams(times=job_params.times, delay=job_params.delay)
        return [TaskSpec(f"task-{number}", params) for number in range(job_params.n)]

    def finalize_job(self, context: JobContext[FaultJobParams]) -> FaultJobResult:
        succeeded = sum(result.succeeded for result in context.results(1))
        return FaultJobResult(succeeded=succeeded, failed=context.failed_tasks)


def fault_jobs(task_types: Sequence[str]) -> tuple[FaultJob, ...]:
    """For each task type a job of its name, and a ``tolerant_`` one that carries on with errors."""
    named = [(name, name, FailurePolicy.FAIL_FAST) for name in task_types]
    named += [(f"tolerant_{name}", name, FailurePolicy.TOLERATE) for name in task_types]
    return tuple(_fault_job(job_type, task_type, policy) for job_type, task_type, policy in named)


def _fault_job(job_type: str, task_type: str, policy: FailurePolicy) -> FaultJob:
    stages = (StageDefinition(1, "faults", task_type, Parallelism.FAN_OUT, policy),)
    made = type(f"FaultJob_{job_type}", (FaultJob,), {"job_type": job_type, "stages": stages})
    return cast(FaultJob, made())
