"""What the API takes and gives, as models. The contract, ``openapi.json``, is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.ids import MAX_RUN, MAX_TASK_NAME
from core.limits import MAX_ACTOR
from core.model import EventKind, RunStatus, TaskStatus
from core.paging import MAX_NUMBER

T = TypeVar("T")

MAX_LETTERS = 100
"""Dead letters that one call sends again."""

State = Literal["queued", "processing", "paused", "completed", "completed_with_errors", "failed", "cancelled"]
StageState = Literal["waiting", "running", "completed", "completed_with_errors", "failed", "cancelled"]
JsonObject = dict[str, JsonValue]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoBody(Request):
    pass


class SubmitRequest(Request):
    params: JsonObject = Field(default={}, description="The job's parameters, as its definition has them")
    tenant: str = Field(default="default", min_length=1, max_length=200)


Actor = Annotated[
    str, Field(min_length=1, max_length=MAX_ACTOR, pattern=r"\S", description="Who asks; the timeline keeps it")
]


class ActorRequest(Request):
    actor: Actor = "api"


class RunRequest(ActorRequest):
    run: int | None = Field(default=None, ge=1, le=MAX_RUN, description="The run; the latest where it is not given")


class ResubmitRequest(ActorRequest):
    reuse_finished_stages: bool = Field(
        default=False, description="Take over the stages, from the first, that completed without an error"
    )


class ReplayRequest(ActorRequest):
    tasks: dict[Annotated[str, Field(min_length=1, max_length=MAX_TASK_NAME)], JsonObject | None] | None = Field(
        default=None, description="Failed tasks by name, each with other parameters or null for its own; null is all"
    )


class ReplayLettersRequest(ActorRequest):
    ids: list[Annotated[int, Field(ge=1, le=MAX_NUMBER)]] = Field(min_length=1, max_length=MAX_LETTERS)


class Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class ErrorBody(Reply):
    code: str
    message: str
    request_id: str
    details: JsonObject


class ErrorEnvelope(Reply):
    error: ErrorBody


class ErrorReply(Reply):
    """The error of a run, a task or a dead letter."""

    code: str
    message: str
    retryable: bool


class RunningReply(Reply):
    """A task that runs: its name, how far it says it is, 0 to 100, since when its attempt runs, and the seconds that it
    will still take; ``null`` where that is not known.
    """

    task: str
    percent: float | None
    message: str
    remaining_seconds: int | None
    since: datetime


class StageReply(Reply):
    """``done`` counts the tasks that ended, ``failed`` those of them that failed; ``percent``, 0 to 100, counts what
    running tasks have done, too.

    ``rate_per_minute`` is in tasks, parts of them counted, since the first one began, and ``remaining_seconds`` what
    the stage will still take at that; ``null`` where it is not known. ``running`` has the first 20 that run, by name.
    """

    number: int
    name: str
    task_type: str
    status: StageState
    total: int
    done: int
    failed: int
    percent: float
    rate_per_minute: float | None
    remaining_seconds: int | None
    running: list[RunningReply]


class Links(Reply):
    """Paths on this server."""

    self: str
    events: str
    tasks: str
    result: str


class StatusReply(Reply):
    """A run and how far it is; ``percent`` counts each stage alike, 0 to 100."""

    job_id: str
    run: int
    job_type: str
    tenant: str
    status: State
    percent: float
    created_at: datetime
    updated_at: datetime
    deadline: datetime | None
    stages: list[StageReply]
    error: ErrorReply | None
    links: Links


class RunReply(Reply):
    """A line of a list of runs."""

    job_id: str
    run: int
    job_type: str
    tenant: str
    status: State
    created_at: datetime
    updated_at: datetime
    error: ErrorReply | None
    links: Links


class EventReply(Reply):
    sequence: int
    at: datetime
    kind: EventKind
    stage: int | None
    task_id: str | None
    attempt: int | None
    detail: str
    actor: str


class TaskReply(Reply):
    """``omitted`` names those of ``parameters`` and ``result`` that the page had no room for: the first task of a page
    always has both.
    """

    task_id: str
    name: str
    stage: int
    task_type: str
    status: TaskStatus
    attempt: int
    parameters: JsonObject | None
    result: JsonObject | None
    omitted: list[Literal["parameters", "result"]]
    error: ErrorReply | None
    progress_percent: float | None
    progress_message: str
    progress_at: datetime | None


class ResultReply(Reply):
    job_id: str
    run: int
    status: RunStatus
    result: JsonObject | None
    error: ErrorReply | None


class LetterReply(Reply):
    """``body`` is the message as text, cut where it is long."""

    id: int
    queue: str
    message_id: str
    message_type: str
    reason: str
    description: str
    recorded_at: datetime
    replays: int
    replayed_at: datetime | None
    replayed_by: str
    body: str


class PageReply(Reply, Generic[T]):
    """``next`` asks for the next page, as ``cursor`` or ``after``; ``null`` at the end."""

    items: list[T]
    next: str | None


class NotReplayed(Reply):
    id: int
    error: ErrorReply


class ReplayedReply(Reply):
    """The letters that were sent again as they are now, and those that could not be, with why."""

    items: list[LetterReply]
    failed: list[NotReplayed]


class AliveReply(Reply):
    status: Literal["alive"] = "alive"


class ReadyReply(Reply):
    status: Literal["ready"] = "ready"
    checks: list[str]


class CheckReply(Reply):
    """``code`` is that of the error, ``null`` where the check passed."""

    name: str
    ok: bool
    code: str | None
    message: str
    milliseconds: float


class HealthReply(Reply):
    status: Literal["healthy", "unhealthy"]
    time: datetime
    checks: list[CheckReply]
    versions: dict[str, str]
    statistics: JsonObject


class ProvidersReply(Reply):
    providers: dict[str, JsonObject]
