"""What comes in: JSON that every reader understands in the same way, or a refusal."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from core.boundary import problems
from core.context import StopSignal
from core.errors import TextNotStorable, TransientError
from handlers.portal.errors import PayloadInvalid, PayloadMissing
from infrastructure.web.errors import MalformedJson
from infrastructure.web.json_text import load_json

MAX_BYTES = 64 * 1024 * 1024
PIECE = 1024 * 1024
LOOK_SECONDS = 0.2
"""How often whoever waits for input looks whether to stop."""


class OnceInterrupted(TransientError):
    """The process was told to end before the task had."""

    code = "INTERRUPTED"


class Payload(BaseModel):
    """``job_type`` is by default the first job that has such tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task_type: str = Field(min_length=1, max_length=64)
    params: dict[str, JsonValue] = Field(default_factory=dict)
    job_type: str | None = Field(default=None, min_length=1, max_length=64)


def read_payload(descriptor: int, stop: StopSignal, limit: int = MAX_BYTES) -> bytes:
    """All of the input, which must not be more than ``limit`` bytes; of more, no more is read than shows it.

    Raises :class:`PayloadMissing`, :class:`PayloadInvalid` and :class:`OnceInterrupted`.
    """
    content = bytearray()
    try:
        while piece := _piece(descriptor, stop, limit + 1 - len(content)):
            content += piece
            if len(content) > limit:
                raise PayloadInvalid(f"the input has more than {limit} bytes", limit=limit)
    except OSError as error:
        raise PayloadMissing(f"the input cannot be read: {os.strerror(error.errno or 0)}") from error
    return bytes(content)


def _piece(descriptor: int, stop: StopSignal, room: int) -> bytes:
    while not select.select([descriptor], [], [], LOOK_SECONDS)[0]:
        if stop.reason is not None:
            raise OnceInterrupted("told to end while it waited for its input")
    return os.read(descriptor, min(PIECE, room))


@dataclass(frozen=True, slots=True)
class DocumentPayload:
    """An object that names no task: what ``process_document`` takes, as JSON values that nobody has looked at."""

    value: dict[str, object]


def parse_payload(content: bytes) -> Payload | DocumentPayload:
    """Raises :class:`PayloadMissing`, and :class:`PayloadInvalid`, which quotes nothing of the input."""
    if not content.strip(b" \t\r\n"):
        raise PayloadMissing("the input is empty")
    try:
        value = load_json(content)
        if isinstance(value, dict) and value and "task_type" not in value:
            return DocumentPayload(value)
        return Payload.model_validate(value)
    except (MalformedJson, TextNotStorable) as error:
        raise PayloadInvalid(error.message, **error.details) from error
    except ValidationError as error:
        raise PayloadInvalid("the input does not fit", problems=problems(error)) from error
