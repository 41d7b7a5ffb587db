"""Frozen records of what the state store knows, and the statuses that they pass through.

The records that are made once or more a task (:class:`Lease`, :class:`NewTask`, :class:`OutboundMessage`,
:class:`OutboxRow`) are named tuples: as immutable as a frozen dataclass, and made in a third of the time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from core.ids import JobId, TaskId, WorkerId
from core.outcome import ErrorInfo

ModelT = TypeVar("ModelT", bound=BaseModel)


class RunStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL_RUN = frozenset({RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS, RunStatus.FAILED, RunStatus.CANCELLED})
TERMINAL_TASK = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


class FailurePolicy(StrEnum):
    """What a finally failed task does to its job: ``fail_fast`` ends it, ``tolerate`` carries on with errors."""

    FAIL_FAST = "fail_fast"
    TOLERATE = "tolerate"


class EventKind(StrEnum):
    """What a line of a run's timeline tells.

    Those of tasks have ``stage``, ``task_id`` and ``attempt`` (``PARAMETERS_EDITED`` has no attempt), those of stages
    have ``stage``. ``detail`` is the status of a stage or job that ended, how many ``TASKS_CANCELLED``, and for
    ``TASK_FAILED`` and ``TASK_REQUEUED`` the error's code, or the cause where there is no error; otherwise empty.
    ``TASK_STARTED`` has the number that is the attempt's fencing token. A run that ends under a running stage tells
    ``TASKS_CANCELLED``, where there were any, then ``STAGE_ENDED``, then ``JOB_ENDED``; a further run begins with
    ``JOB_RESUBMITTED``, then ``STAGE_STARTED`` and each ``PARAMETERS_EDITED`` where a stage is replayed.
    """

    JOB_SUBMITTED = "job_submitted"
    STAGE_STARTED = "stage_started"
    STAGE_ENDED = "stage_ended"
    TASK_STARTED = "task_started"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_REQUEUED = "task_requeued"
    TASK_PARKED = "task_parked"
    TASKS_CANCELLED = "tasks_cancelled"
    JOB_PAUSED = "job_paused"
    JOB_RESUMED = "job_resumed"
    JOB_RESUBMITTED = "job_resubmitted"
    PARAMETERS_EDITED = "parameters_edited"
    JOB_ENDED = "job_ended"


class OutboundMessage(NamedTuple):
    """A message to be sent. ``not_before`` schedules it; ``None`` is now."""

    queue: str
    message_id: str
    message_type: str
    body: bytes
    not_before: datetime | None = None


class OutboxRow(NamedTuple):
    """A message that is committed and not known to be published. ``row_id`` grows with age."""

    row_id: int
    message: OutboundMessage


class NewTask(NamedTuple):
    """A task to be created, with the message that wakes a worker for it."""

    task_id: TaskId
    name: str
    parameters_json: str
    message: OutboundMessage


class Lease(NamedTuple):
    """The right to run one attempt of a task until ``expires_at``.

    ``token`` is the fencing token: it grows with each grant, and a write that carries an older one is refused. It is
    the sequence of the event that tells of the grant.
    """

    task_id: TaskId
    attempt: int
    token: int
    owner: WorkerId
    expires_at: datetime


class Claimed(NamedTuple):
    """A granted claim. ``charged`` counts the attempts that failed before this one and cost one."""

    lease: Lease
    task_type: str
    parameters_json: str
    checkpoint_json: str | None
    charged: int


class NotClaimed(StrEnum):
    """Why a claim was not granted. All of these are no-ops for the message that asked."""

    UNKNOWN = "unknown"
    ENDED = "ended"
    RUNNING = "running"
    STALE = "stale"
    PAUSED = "paused"


class LeaseExpired(NamedTuple):
    """The task is held by a lease that ran out. Whoever learns of it may end that attempt by its token.

    ``progressed`` says whether the attempt saved a checkpoint.
    """

    lease: Lease
    job_type: str
    task_type: str
    charged: int
    progressed: bool


ClaimResult = Claimed | NotClaimed | LeaseExpired


@dataclass(frozen=True, slots=True)
class NewJob:
    """A submission. ``parameters_json`` is the validated parameters as JSON text.

    A run that has not ended at ``deadline`` fails; ``None`` is no deadline.
    """

    job_id: JobId
    job_type: str
    tenant: str
    parameters_json: str
    idempotency_key: str | None
    retry_budget: int | None
    message: OutboundMessage
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewStage:
    """A stage to be opened with its tasks. ``on_end`` goes to the outbox when the last task ends."""

    number: int
    name: str
    task_type: str
    failure_policy: FailurePolicy
    tasks: tuple[NewTask, ...]
    on_end: OutboundMessage


@dataclass(frozen=True, slots=True)
class ReplayedStage:
    """A stage of the run before, to be done again in part: ``tasks`` are queued with these parameters, anew, and the
    others of that stage are copied as they ended.
    """

    number: int
    tasks: tuple[NewTask, ...]
    on_end: OutboundMessage


@dataclass(frozen=True, slots=True)
class NewRun:
    """Another run of a job, number ``run``: the first ``reuse_stages`` stages of the run before are copied with their
    tasks and results, then ``replayed`` is opened.

    ``message`` wakes the machine to go on from there: the job message, or the stage_complete message of the last
    stage that is reused; ``None`` where ``replayed`` has wake-ups of its own.
    """

    job_id: JobId
    run: int
    message: OutboundMessage | None
    deadline: datetime | None
    actor: str
    reuse_stages: int = 0
    replayed: ReplayedStage | None = None


@dataclass(frozen=True, slots=True)
class StageRecord:
    number: int
    name: str
    task_type: str
    status: StageStatus
    failure_policy: FailurePolicy
    total: int
    remaining: int
    failed: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a job, with the stages that were opened so far, in order.

    ``updated_at`` is when its status last changed, a stage of it was opened or ended, or it was paused or resumed.
    """

    job_id: JobId
    run: int
    job_type: str
    tenant: str
    parameters_json: str
    status: RunStatus
    stages: tuple[StageRecord, ...]
    created_at: datetime
    updated_at: datetime
    result_json: str | None = None
    error: ErrorInfo | None = None
    retries_used: int = 0
    retry_budget: int | None = None
    paused: bool = False
    deadline: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_RUN

    @property
    def current_stage(self) -> int:
        """The number of the newest stage; 0 before the first is opened."""
        return self.stages[-1].number if self.stages else 0


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """``progress_rate`` is in percent a minute."""

    task_id: TaskId
    job_id: JobId
    run: int
    stage: int
    name: str
    task_type: str
    status: TaskStatus
    attempt: int
    charged: int
    parameters_json: str
    result_json: str | None = None
    error: ErrorInfo | None = None
    checkpoint_json: str | None = None
    progress_percent: float | None = None
    progress_message: str = ""
    progress_at: datetime | None = None
    progress_rate: float | None = None


@dataclass(frozen=True, slots=True)
class RunningTask:
    """An attempt that runs, with the newest progress: its own, or that of an earlier one which left a checkpoint.

    ``percent``, ``message``, ``reported_at`` and ``rate``, in percent a minute, are as they were reported.
    """

    name: str
    attempt: int
    started_at: datetime
    percent: float | None = None
    message: str = ""
    reported_at: datetime | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class StageActivity:
    """What goes on in a stage. ``ended`` counts the attempts that ended their tasks in this run, but for one that ended
    the run too, and ``began_at`` is when the first of them began; ``running`` are those that run, by name.
    """

    began_at: datetime | None
    ended: int
    running: tuple[RunningTask, ...]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a task of an earlier stage came to, as the next stage and ``finalize_job`` see it."""

    name: str
    status: TaskStatus
    result_json: str | None
    error: ErrorInfo | None

    @property
    def succeeded(self) -> bool:
        return self.status is TaskStatus.COMPLETED

    @property
    def result(self) -> Mapping[str, object]:
        """The result as plain JSON values. Raises :class:`ValueError` for a task that has none."""
        loaded = json.loads(self._json())
        assert isinstance(loaded, dict)
        return loaded

    def parse(self, model: type[ModelT]) -> ModelT:
        """The result as ``model``. Raises :class:`ValueError` for a task that has none."""
        return model.model_validate_json(self._json())

    def _json(self) -> str:
        if self.result_json is None:
            raise ValueError(f"task {self.name} is {self.status} and has no result")
        return self.result_json


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try at a task. ``outcome`` is ``None`` while it runs; ``token`` is 0 for one that was parked."""

    task_id: TaskId
    attempt: int
    owner: WorkerId
    token: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    error: ErrorInfo | None


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a job's append-only timeline. ``sequence`` orders the events of one store.

    ``actor`` is who asked for it, where somebody did.
    """

    sequence: int
    at: datetime
    kind: EventKind
    job_id: JobId
    run: int
    stage: int | None = None
    task_id: TaskId | None = None
    attempt: int | None = None
    detail: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """``created`` is false where the same content was submitted before."""

    run: RunRecord
    created: bool
    outbox: tuple[OutboxRow, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """``opened`` is false where the stage was opened before, or the run has ended."""

    opened: bool
    outbox: tuple[OutboxRow, ...]


class Finished(NamedTuple):
    """What ending an attempt came to: the task's status now, the messages it caused, the run's status now."""

    task_status: TaskStatus
    run_status: RunStatus
    outbox: tuple[OutboxRow, ...]
