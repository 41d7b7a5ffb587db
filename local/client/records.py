"""The service's answers, as far as a client reads them. What else they hold is passed over."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

ENDED = frozenset({"completed", "completed_with_errors", "failed", "cancelled"})

T = TypeVar("T")

Count = Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class JobError(_Answer):
    code: str
    message: str = ""
    retryable: bool = False

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class StageStatus(_Answer):
    number: int
    name: str
    task_type: str = ""
    status: str
    total: Count = 0
    done: Count = 0
    failed: Count = 0
    percent: float | None = None
    rate_per_minute: float | None = None
    remaining_seconds: float | None = None


class JobStatus(_Answer):
    """The status of a run. ``percent`` is 0 to 100."""

    job_id: str
    run: int
    job_type: str
    tenant: str = ""
    status: str
    percent: float = 0.0
    created_at: str = ""
    updated_at: str = ""
    deadline: str | None = None
    stages: tuple[StageStatus, ...] = ()
    error: JobError | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def stage(self) -> StageStatus | None:
        """The stage that runs, or else the last that did; ``None`` before the first."""
        opened = [stage for stage in self.stages if stage.status != "waiting"]
        return next((stage for stage in opened if stage.status == "running"), opened[-1] if opened else None)


class JobLine(_Answer):
    """A line of a list of jobs."""

    job_id: str
    run: int
    job_type: str
    tenant: str = ""
    status: str
    created_at: str = ""
    updated_at: str = ""
    error: JobError | None = None


class TaskLine(_Answer):
    name: str
    task_id: str = ""
    stage: int = 0
    status: str
    attempt: int = 0
    error: JobError | None = None


class EventLine(_Answer):
    sequence: int
    at: str
    kind: str
    stage: int | None = None
    task_id: str | None = None
    attempt: int | None = None
    detail: str = ""
    actor: str = ""


class Letter(_Answer):
    id: int
    queue: str
    message_id: str
    message_type: str = ""
    reason: str = ""
    description: str = ""
    recorded_at: str = ""
    replays: int = 0
    replayed_at: str | None = None
    replayed_by: str | None = None


class RunResult(_Answer):
    job_id: str
    run: int
    status: str
    result: dict[str, Any] | None = None
    error: JobError | None = None


class Artifact(_Answer):
    """A file that a job made. ``page`` is set where it is of one page."""

    kind: str
    name: str
    content_type: str = ""
    bytes: int | None = None
    page: int | None = None


class Page(_Answer, Generic[T]):
    """``next`` is what to ask on with; ``None`` at the end."""

    items: tuple[T, ...]
    next: str | int | None = None
