"""The wire messages: small JSON objects that carry ids, never parameters or results.

``version`` is 1. A reader passes over fields that it does not know, so that a field can be added; a change
that an old reader would get wrong takes a new version, which an old reader refuses with
``MESSAGE_VERSION_UNSUPPORTED`` and dead-letters. ``tests/golden`` holds bytes of each version.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

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
from core.jsontext import dump_json

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
        return dump_json(self).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Raises :class:`MessageInvalid` or :class:`MessageVersionUnsupported`."""
        try:
            return cls.model_validate_json(body)
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

_ANY: TypeAdapter[QueueMessage] = TypeAdapter(Annotated[QueueMessage, Field(discriminator="message_type")])


def decode(body: bytes) -> QueueMessage:
    """The message that ``body`` holds, of whichever type. Raises as :meth:`TaskQueueMessage.decode`."""
    try:
        message: QueueMessage = _ANY.validator.validate_json(body)
    except ValidationError as error:
        raise _refusal("queue", body, error) from error
    return message


def task_message_encoder(
    job_id: JobId, run: int, job_type: str, stage: int, task_type: str
) -> Callable[[TaskId], bytes]:
    """Encodes the first-attempt messages of a stage's tasks, which differ in the task id alone.

    Gives the bytes of :meth:`TaskQueueMessage.encode` in a tenth of the time, which a stage of thousands of
    tasks spends per task. A task id holds no character that JSON escapes (:func:`core.ids.task_id_for`).
    """
    pattern = TaskQueueMessage(
        job_id=job_id, run=run, job_type=job_type, stage=stage, task_id=TaskId("@"), task_type=task_type, attempt=1
    )
    head, tail = pattern.encode().split(b"@")
    return lambda task_id: head + task_id.encode("ascii") + tail


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
