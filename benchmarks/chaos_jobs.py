"""The jobs of a chaos run, and what each of them must come to.

What a task makes carries the attempt and a mark of the very call that made it, and so do the parameters of the tasks
that use it: whose result was stored, and where it went, can be told for every one.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel

from benchmarks.chaos_effects import Act, Effect, EffectLog, new_mark
from core.context import TaskContext
from core.errors import LeaseLost, TaskError, TransientTaskError
from core.handlers import HandlerFunction, task_handler
from core.ids import JobId, TaskId
from core.jobs import JobContext, JobDefinition, Parallelism, StageDefinition, TaskSpec
from core.model import FailurePolicy, RunStatus, TaskResult, TaskStatus
from core.outcome import Interrupted, RetryLater
from core.retry import RetryPolicy
from testing.factories import Registries

PATIENT = RetryPolicy(max_attempts=1_000, base=1.0, cap=10.0)
"""No number of kills uses up the attempts."""

TIMEOUT_SECONDS = 10.0
PHASES = ("first", "second", "third")
COMPLETED, FAILED = TaskStatus.COMPLETED, TaskStatus.FAILED

FAILS_PERCENT = 6
RETRIES_LATER_PERCENT = 3
SLOW_PERCENT = 2
SLOW_SECONDS = 0.8
"""A phase of a slow task, of the wall's time: so long that somebody else holds the task when a zombie awakes."""


class Hopeless(TaskError):
    """Raised by the tasks that are to fail for good."""

    code: ClassVar[str] = "HOPELESS"


class JobParams(BaseModel):
    """``n`` tasks; ``number`` tells one job from another."""

    n: int
    number: int


class Load(BaseModel):
    """``marks`` are of the calls that made ``values``."""

    values: list[int]
    marks: list[str]


class Product(BaseModel):
    value: int
    attempt: int
    mark: str


class Total(BaseModel):
    value: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What a job must come to: the status of each task of each stage by name, then of the run.

    The tasks that a failed run leaves may be cancelled as well.
    """

    status: RunStatus
    total: int | None
    stages: Mapping[int, Mapping[str, TaskStatus]]
    error_code: str | None = None


class ChaosJob(JobDefinition[JobParams]):
    """Numbers are doubled, raised by one in each of three phases, and added up."""

    parameters: ClassVar[type[BaseModel]] = JobParams
    result: ClassVar[type[BaseModel]] = Total

    def create_tasks_for_stage(
        self, stage: StageDefinition, job_params: JobParams, job_id: JobId, previous_results: Sequence[TaskResult]
    ) -> Sequence[TaskSpec]:
        if stage.number == 1:
            return [TaskSpec(_name(number), Load(values=[number], marks=[])) for number in range(job_params.n)]
        made = [(one.name, one.parse(Product)) for one in previous_results if one.succeeded]
        if stage.parallelism is Parallelism.FAN_OUT:
            return [TaskSpec(name, Load(values=[product.value], marks=[product.mark])) for name, product in made]
        products = [product for _, product in made]
        load = Load(values=[product.value for product in products], marks=[product.mark for product in products])
        return [TaskSpec("sum", load)]

    def finalize_job(self, context: JobContext[JobParams]) -> Total:
        (only,) = context.results(len(self.stages))
        return Total(value=only.parse(Product).value)

    def expected(self, params: JobParams) -> Expected:
        """What a job of these parameters must come to."""
        numbers = range(params.n)
        good = [number for number in numbers if not _hopeless(self.stages[0].task_type, number)]
        first = {_name(number): COMPLETED if number in good else FAILED for number in numbers}
        if len(good) < params.n and self.stages[0].failure_policy is FailurePolicy.FAIL_FAST:
            return Expected(RunStatus.FAILED, None, {1: first}, Hopeless.code)
        status = RunStatus.COMPLETED if len(good) == params.n else RunStatus.COMPLETED_WITH_ERRORS
        total = sum(2 * number + len(PHASES) for number in good)
        return Expected(
            status, total, {1: first, 2: {_name(number): COMPLETED for number in good}, 3: {"sum": COMPLETED}}
        )


def _stages(first: str, policy: FailurePolicy = FailurePolicy.FAIL_FAST) -> tuple[StageDefinition, ...]:
    return (
        StageDefinition(1, "first", first, Parallelism.FAN_OUT, policy),
        StageDefinition(2, "phased", "phased", Parallelism.FAN_OUT),
        StageDefinition(3, "add", "add", Parallelism.FAN_IN),
    )


class Sums(ChaosJob):
    job_type: ClassVar[str] = "sums"
    description: ClassVar[str] = "All numbers count"
    stages: ClassVar[tuple[StageDefinition, ...]] = _stages("double")


class TolerantSums(ChaosJob):
    job_type: ClassVar[str] = "tolerant_sums"
    description: ClassVar[str] = "Every fourth number fails for good, and the others count"
    stages: ClassVar[tuple[StageDefinition, ...]] = _stages("double_but_some", FailurePolicy.TOLERATE)


class DoomedSums(ChaosJob):
    job_type: ClassVar[str] = "doomed_sums"
    description: ClassVar[str] = "One number fails for good, and the job with it"
    stages: ClassVar[tuple[StageDefinition, ...]] = _stages("double_but_one")


JOBS: Mapping[str, ChaosJob] = {job.job_type: job for job in (Sums(), TolerantSums(), DoomedSums())}


def _name(number: int) -> str:
    return f"n{number}"


def _hopeless(task_type: str, number: int) -> bool:
    """Whether the task of ``number`` is to fail for good."""
    return (task_type == "double_but_some" and number % 4 == 3) or (task_type == "double_but_one" and number == 5)


def is_slow(seed: int, task_id: TaskId) -> bool:
    """Whether each phase of a task takes :data:`SLOW_SECONDS`."""
    return _drawn(seed, task_id) < SLOW_PERCENT


def _drawn(seed: int, subject: str) -> int:
    """0 to 99, always the same for the same."""
    return zlib.crc32(f"{seed}:{subject}".encode()) % 100


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers of one process. ``seconds`` is how long a phase takes, of the wall's time and on average."""

    log: EffectLog
    seed: int
    pause: Callable[[float], None] = time.sleep
    seconds: float = 0.01

    def double(self, load: Load, context: TaskContext) -> Product | RetryLater:
        """The double; now and then it fails, or asks for later."""
        mark = self._begin(context)
        (number,) = load.values
        luck = self._luck(context)
        if luck < FAILS_PERCENT:
            raise TransientTaskError("it happens")
        if luck < FAILS_PERCENT + RETRIES_LATER_PERCENT:
            return RetryLater(2.0, "not yet")
        return self._product(2 * number, context, mark)

    def double_but_some(self, load: Load, context: TaskContext) -> Product | RetryLater:
        """The double, but every fourth fails for good."""
        return self._double_with_hope(load, context)

    def double_but_one(self, load: Load, context: TaskContext) -> Product | RetryLater:
        """The double, but one fails for good."""
        return self._double_with_hope(load, context)

    def _double_with_hope(self, load: Load, context: TaskContext) -> Product | RetryLater:
        if _hopeless(context.task_type, load.values[0]):
            self._begin(context)
            raise Hopeless("it was to fail")
        return self.double(load, context)

    def phased(self, load: Load, context: TaskContext) -> Product | Interrupted:
        """One more in each phase, each saved."""
        mark = self._begin(context)
        for phase in PHASES:
            if context.checkpoint.should_skip(phase):
                continue
            self._write(Act.PHASE_BEGAN, context, mark, phase)
            self.pause(self._phase_seconds(context, phase))
            value = int(str(context.checkpoint.get_data("value", load.values[0])))
            self._save(phase, value + 1, context, mark)
            if context.should_stop:
                return Interrupted("asked to")
        return self._product(int(str(context.checkpoint.get_data("value"))), context, mark)

    def add(self, load: Load, context: TaskContext) -> Product:
        """The sum."""
        mark = self._begin(context)
        self.pause(self.seconds)
        return self._product(sum(load.values), context, mark)

    def _save(self, phase: str, value: int, context: TaskContext, mark: str) -> None:
        try:
            context.checkpoint.save(phase, {"value": value})
        except LeaseLost:
            self._write(Act.REFUSED, context, mark, phase)
            raise
        self._write(Act.PHASE_SAVED, context, mark, phase)

    def _begin(self, context: TaskContext) -> str:
        mark = new_mark()
        self._write(Act.BEGAN, context, mark)
        return mark

    def _product(self, value: int, context: TaskContext, mark: str) -> Product:
        self._write(Act.ENDED, context, mark)
        return Product(value=value, attempt=context.attempt, mark=mark)

    def _write(self, act: Act, context: TaskContext, mark: str, detail: str = "") -> None:
        self.log.write(Effect(act, context.task_id, context.attempt, mark, detail))

    def _phase_seconds(self, context: TaskContext, phase: str) -> float:
        if is_slow(self.seed, context.task_id):
            return SLOW_SECONDS
        return self.seconds * 2 * self._luck(context, phase) / 100

    def _luck(self, context: TaskContext, salt: str = "") -> int:
        """0 to 99, another for each attempt."""
        return _drawn(self.seed, f"{context.task_id}:{context.attempt}:{salt}")


def registries(handlers: Handlers) -> Registries:
    functions: Mapping[str, HandlerFunction] = {
        "double": handlers.double,
        "double_but_some": handlers.double_but_some,
        "double_but_one": handlers.double_but_one,
        "phased": handlers.phased,
        "add": handlers.add,
    }
    made = [
        task_handler(task_type, function, retry=PATIENT, timeout=TIMEOUT_SECONDS)
        for task_type, function in functions.items()
    ]
    return Registries.of(JOBS.values(), made)
