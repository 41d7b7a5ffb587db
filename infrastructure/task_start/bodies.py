"""The bodies of ``POST /task/start``, and of the call back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.boundary import problems
from core.messages import TaskQueueMessage
from infrastructure.task_start.errors import StartInvalid
from infrastructure.web.json_text import load_json

PATH = "/task/start"
"""What is signed as the path, wherever a proxy puts the worker's."""

MAX_BODY_BYTES = 64 * 1024
MAX_CALLBACK_URL = 2_048


OutcomeKind = Literal["succeeded", "failed", "retry_later", "interrupted"]


class TaskStart(BaseModel):
    """``message`` as it comes from the queue. ``callback_url`` is told once how the attempt ended, as far as can be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message: TaskQueueMessage
    callback_url: str | None = Field(default=None, min_length=1, max_length=MAX_CALLBACK_URL)


class StartAnswer(BaseModel):
    """``effect`` is ``begun``, or why there was nothing to begin: the attempt runs, has ended, or is not wanted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str
    attempt: int
    effect: str


class TaskEnded(BaseModel):
    """What is posted to the callback.

    ``effect`` is ``applied`` where the store has how the attempt ended, ``lease_lost`` where another one counts, and
    ``not_committed`` where the store was away to the end. ``outcome`` is the kind of the handler's outcome; ``None``
    where it was not called to its end, or the store was away at first.
    """

    model_config = ConfigDict(frozen=True)

    task_id: str
    attempt: int
    effect: str
    outcome: OutcomeKind | None
    error_code: str | None


def parse_start(body: bytes) -> TaskStart:
    """Raises :class:`StartInvalid`, which names the fields and not their values, and as
    :func:`infrastructure.web.json_text.load_json`.
    """
    try:
        return TaskStart.model_validate(load_json(body), strict=True)
    except ValidationError as error:
        raise StartInvalid("the body is not one that starts a task", problems=problems(error)) from error
