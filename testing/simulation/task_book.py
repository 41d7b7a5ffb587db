"""The witness's book on a task, and the rules that it is held to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from core.ids import TaskId
from core.jobs import StageDefinition
from core.model import (
    TERMINAL_TASK,
    Claimed,
    Finished,
    Lease,
    LeaseExpired,
    NotClaimed,
    TaskResult,
    TaskStatus,
)
from testing.simulation.jobs import registries
from testing.simulation.rules import Violation

if TYPE_CHECKING:
    from testing.simulation.run_book import RunBook


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
        "copied",
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

    def __init__(self, run: RunBook, stage: StageDefinition, task_id: TaskId, name: str) -> None:
        self.run = run
        self.stage = stage
        self.task_id = task_id
        self.name = name
        self.max_attempts = registries().handlers.find(stage.task_type).retry.max_attempts
        self.status = TaskStatus.QUEUED
        self.copied = False
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

    def copy_for(self, run: RunBook, task_id: TaskId) -> TaskBook:
        """The task as it ended, in another run."""
        copy = TaskBook(run, self.stage, task_id, self.name)
        copy.status, copy.result_json, copy.copied = self.status, self.result_json, True
        return copy

    def outcome(self) -> TaskResult:
        return TaskResult(self.name, self.status, self.result_json, None)

    # --- what may be answered ---

    def claim(self, claimed: Claimed, attempt: int) -> None:
        lease = claimed.lease
        if self.run.paused:
            raise Violation("a paused run starts nothing", str(self))
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
        held_back = refused is NotClaimed.PAUSED and self.run.paused
        if self.waiting and self.attempt == attempt and not held_back:
            raise Violation("a task that waits is given to who asks", f"{self}: {refused}")

    def park(self, attempt: int) -> None:
        """An attempt that a pause held back; the next waits in its place."""
        if not (self.run.paused and self.waiting and self.attempt == attempt):
            raise Violation("only a pause holds a task back", f"{self}: attempt {attempt}")
        self.attempt += 1

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
