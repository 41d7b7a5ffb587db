"""The witness's books on runs and tasks, and the rules that they are held to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from core.ids import JobId
from core.jobs import JobContext, StageDefinition
from core.jsontext import dump_json
from core.model import (
    TERMINAL_RUN,
    TERMINAL_TASK,
    Claimed,
    FailurePolicy,
    Finished,
    Lease,
    LeaseExpired,
    NewStage,
    NewTask,
    NotClaimed,
    RunStatus,
    TaskResult,
    TaskStatus,
)
from testing.simulation.jobs import SumJob, SumParams, registries


class Violation(BaseException):
    """A promise of the engine, ``rule``, was broken. No handler's boundary catches it."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f"{rule}: {found}")
        self.rule = rule


class Ending(StrEnum):
    """What an attempt comes to. ``CHARGED`` and ``FREE`` are tried again, if there are attempts left."""

    COMPLETED = "completed"
    FAILED = "failed"
    CHARGED = "charged"
    FREE = "free"


class TaskBook:
    """A task as the store's answers have it."""

    __slots__ = (
        "_found_checkpoint",
        "attempt",
        "charged",
        "checkpoint",
        "lease",
        "max_attempts",
        "name",
        "progressed",
        "result_json",
        "run",
        "stage",
        "status",
        "task_id",
        "token",
    )

    def __init__(self, run: RunBook, stage: StageDefinition, new: NewTask, max_attempts: int) -> None:
        self.run = run
        self.stage = stage
        self.task_id = new.task_id
        self.name = new.name
        self.max_attempts = max_attempts
        self.status = TaskStatus.QUEUED
        self.attempt = 1
        self.charged = 0
        self.token = 0
        self.lease: Lease | None = None
        self.checkpoint: str | None = None
        self._found_checkpoint: str | None = None
        self.progressed = False
        self.result_json: str | None = None

    @property
    def waiting(self) -> bool:
        return self.status is TaskStatus.QUEUED

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_TASK

    def outcome(self) -> TaskResult:
        return TaskResult(self.name, self.status, self.result_json, None)

    # --- what may be answered ---

    def claim(self, claimed: Claimed, attempt: int) -> None:
        lease = claimed.lease
        if not self.waiting or attempt != self.attempt or lease.attempt != self.attempt:
            raise Violation("a task is claimed once an attempt", f"{self}: attempt {attempt}")
        if lease.token <= self.token:
            raise Violation("fencing tokens grow", f"{self}: {lease.token}")
        if claimed.charged != self.charged:
            raise Violation("an attempt costs what it must", f"{self}: charged {claimed.charged}, not {self.charged}")
        if claimed.checkpoint_json != self.checkpoint:
            raise Violation("a checkpoint is resumed from", f"{self}: {claimed.checkpoint_json}")
        self.status = TaskStatus.RUNNING
        self.lease, self.token = lease, lease.token
        self.progressed, self._found_checkpoint = False, self.checkpoint

    def check_expired(self, expired: LeaseExpired, now: datetime) -> None:
        if self.lease is None or self.lease.token != expired.lease.token:
            raise Violation("only a lease that is held runs out", f"{self}: {expired.lease.token}")
        self.check_ran_out(now)

    def check_refusal(self, refused: NotClaimed, attempt: int) -> None:
        if self.waiting and self.attempt == attempt:
            raise Violation("a task that waits is given to who asks", f"{self}: {refused}")

    def check_ran_out(self, now: datetime) -> None:
        if self.lease is not None and self.lease.expires_at > now:
            raise Violation("a live lease is not taken away", f"{self}: it ends at {self.lease.expires_at}")

    def check_holder(self, lease: Lease) -> None:
        if self.lease is None or self.lease.token != lease.token:
            raise Violation("a zombie writes nothing", f"{self}: token {lease.token}")

    def renew(self, lease: Lease, renewed: Lease) -> None:
        self.check_holder(lease)
        self.lease = renewed

    def save(self, lease: Lease, checkpoint_json: str, renewed: Lease) -> None:
        self.renew(lease, renewed)
        self.progressed = self.progressed or checkpoint_json != self._found_checkpoint
        self.checkpoint = checkpoint_json

    def end(self, ending: Ending | None, finished: Finished, result_json: str | None) -> None:
        """End the attempt as ``ending`` asks; the store has made it ``finished``."""
        if ending is None:
            raise Violation("an attempt ends after its handler", str(self))
        status = self._expected(ending)
        if finished.task_status is not status:
            raise Violation("an attempt ends as its handler did", f"{self}: {finished.task_status}, not {status}")
        self.lease = None
        self.status = status
        if status is TaskStatus.QUEUED:
            self.attempt += 1
            self.charged += ending is Ending.CHARGED
            self.run.retries_used += ending is Ending.CHARGED
        elif status is TaskStatus.COMPLETED:
            self.result_json = result_json
        self.run.task_ended(self, finished.run_status)

    def _expected(self, ending: Ending) -> TaskStatus:
        if ending is Ending.COMPLETED:
            return TaskStatus.COMPLETED
        if ending is Ending.FREE:
            return TaskStatus.QUEUED
        budget = self.run.job.retry_budget
        spent = budget is not None and self.run.retries_used >= budget
        if ending is Ending.FAILED or self.charged + 1 >= self.max_attempts or spent:
            return TaskStatus.FAILED
        return TaskStatus.QUEUED

    def __str__(self) -> str:
        return f"task {self.stage.number}:{self.name} ({self.status}, attempt {self.attempt}, token {self.token})"


class RunBook:
    """A run as the store's answers have it. ``ended`` is its terminal status."""

    def __init__(self, job_id: JobId, job: SumJob, parameters_json: str) -> None:
        self.job_id = job_id
        self.job = job
        self.parameters = SumParams.model_validate_json(parameters_json)
        self.stages: list[list[TaskBook]] = []
        self.ended: RunStatus | None = None
        self.result_json: str | None = None
        self.retries_used = 0

    @property
    def stage_ended(self) -> bool:
        """Whether the newest stage has ended."""
        return all(task.ended for task in self.stages[-1])

    @property
    def failed_tasks(self) -> int:
        return sum([task.status is TaskStatus.FAILED for stage in self.stages for task in stage])

    def open_stage(self, new: NewStage) -> Sequence[TaskBook]:
        if self.ended is not None:
            raise Violation("terminal states absorb", f"stage {new.number} opened after {self.ended}")
        if new.number != len(self.stages) + 1:
            raise Violation("a stage is opened once", f"stage {new.number} after {len(self.stages)}")
        if self.stages and not self.stage_ended:
            raise Violation("a stage follows the end of the one before", f"stage {new.number}")
        definition = self.job.stages[new.number - 1]
        self._check_tasks(definition, new)
        max_attempts = registries().handlers.find(definition.task_type).retry.max_attempts
        self.stages.append([TaskBook(self, definition, task, max_attempts) for task in new.tasks])
        return self.stages[-1]

    def task_ended(self, task: TaskBook, status: RunStatus) -> None:
        fails = task.status is TaskStatus.FAILED and task.stage.failure_policy is FailurePolicy.FAIL_FAST
        if fails != (status in TERMINAL_RUN):
            raise Violation("a failed task ends its run where it must, and no other does", f"{task}: run {status}")
        if fails:
            self._close(status)

    def finish(self, status: RunStatus, result_json: str | None) -> None:
        if self.ended is not None:
            raise Violation("terminal states absorb", f"{status} after {self.ended}")
        expected = RunStatus.COMPLETED_WITH_ERRORS if self.failed_tasks else RunStatus.COMPLETED
        if status is not expected:
            raise Violation("a run ends as its tasks did", f"{status}, not {expected}")
        if len(self.stages) != len(self.job.stages) or not self.stage_ended:
            raise Violation("a run ends after its last stage", f"{status} in stage {len(self.stages)}")
        if result_json != self._result():
            raise Violation("a job's result is made of its tasks' results", f"{result_json}, not {self._result()}")
        self.result_json = result_json
        self._close(status)

    def _close(self, status: RunStatus) -> None:
        self.ended = status
        for task in [task for stage in self.stages for task in stage if not task.ended]:
            task.status, task.lease = TaskStatus.CANCELLED, None

    def _check_tasks(self, definition: StageDefinition, new: NewStage) -> None:
        previous = [task.outcome() for task in self.stages[-1]] if self.stages else []
        specs = self.job.create_tasks_for_stage(definition, self.parameters, self.job_id, previous)
        wanted = [(spec.name, dump_json(spec.parameters)) for spec in specs]
        if wanted != [(task.name, task.parameters_json) for task in new.tasks]:
            raise Violation("a stage works on the results of the one before", f"stage {new.number}")

    def _result(self) -> str:
        context = JobContext(
            job_id=self.job_id,
            run=1,
            parameters=self.parameters,
            failed_tasks=self.failed_tasks,
            _load=lambda stage: [task.outcome() for task in self.stages[stage - 1]],
        )
        return dump_json(self.job.finalize_job(context))
