"""The wire messages: small JSON objects that carry ids, never parameters or results.

``version`` is 1. A reader passes over fields that it does not know, so that a field can be added; a change
that an old reader would get wrong takes a new version, which an old reader refuses with
``MESSAGE_VERSION_UNSUPPORTED`` and dead-letters. ``tests/golden`` holds bytes of each version.
"""

from __future__ import annotations

import json
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import MessageInvalid, MessageVersionUnsupported
from core.ids import (
    MAX_ATTEMPT,
    MAX_RUN,
    MAX_STAGE,
    JobId,
    TaskId,
    job_message_id,
    stage_complete_message_id,
    task_message_id,
)

VERSION = 1

M = TypeVar("M", bound="_Message")


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    message_type: str
    version: Literal[1] = 1
    job_id: JobId = Field(pattern=r"^[0-9a-f]{64}$")
    run: int = Field(ge=1, le=MAX_RUN)
    job_type: str

    name: ClassVar[str]

    def encode(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)

    @classmethod
    def decode(cls: type[M], body: bytes) -> M:
        """Raises :class:`MessageInvalid` or :class:`MessageVersionUnsupported`."""
        try:
            return cls.__pydantic_validator__.validate_json(body)
        except ValidationError as error:
            raise _refusal(cls.name, body, error) from error


class JobQueueMessage(_Message):
    """Wakes the machine to open a run's first stage."""

    name = "job"
    message_type: Literal["job"] = "job"

    @property
    def message_id(self) -> str:
        return job_message_id(self.job_id, self.run)


class TaskQueueMessage(_Message):
    """Wakes a worker for one attempt at a task."""

    name = "task"
    message_type: Literal["task"] = "task"
    stage: int = Field(ge=1, le=MAX_STAGE)
    task_id: TaskId
    task_type: str
    attempt: int = Field(ge=1, le=MAX_ATTEMPT)

    @property
    def message_id(self) -> str:
        return task_message_id(self.task_id, self.attempt)


class StageCompleteMessage(_Message):
    """Wakes the machine to advance a run past a stage that has ended."""

    name = "stage_complete"
    message_type: Literal["stage_complete"] = "stage_complete"
    stage: int = Field(ge=1, le=MAX_STAGE)

    @property
    def message_id(self) -> str:
        return stage_complete_message_id(self.job_id, self.run, self.stage)


QueueMessage = JobQueueMessage | TaskQueueMessage | StageCompleteMessage

_BY_NAME: dict[str, type[JobQueueMessage] | type[TaskQueueMessage] | type[StageCompleteMessage]] = {
    model.name: model for model in (JobQueueMessage, TaskQueueMessage, StageCompleteMessage)
}


def decode(body: bytes) -> QueueMessage:
    """The message that ``body`` holds, of whichever type. Raises as :meth:`TaskQueueMessage.decode`."""
    kind = _peek(body).get("message_type")
    model = _BY_NAME.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise MessageInvalid("message_type is none of " + ", ".join(sorted(_BY_NAME)))
    return model.decode(body)


def _peek(body: bytes) -> dict[str, object]:
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageInvalid("the message is not JSON") from error
    if not isinstance(loaded, dict):
        raise MessageInvalid("the message is not a JSON object")
    return loaded


def _refusal(name: str, body: bytes, error: ValidationError) -> MessageInvalid | MessageVersionUnsupported:
    version = _peek(body).get("version")
    if isinstance(version, int) and version != VERSION:
        return MessageVersionUnsupported(f"version {version} of {name} messages; this reader knows {VERSION}")
    fields = sorted({".".join(map(str, problem["loc"])) or "message" for problem in error.errors()})
    return MessageInvalid(f"not a {name} message: {', '.join(fields)}")
