"""What worker and child tell each other, as JSON. Never pickle: a child reads hostile files, and what it says is data.

A call has a number. What is said with the number of a call that is over is about that one, and changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import CoreMachineError
from core.messages import TaskQueueMessage
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, RetryLater, Succeeded, storable
from docker_worker.child.channel import FrameInvalid

T = TypeVar("T")


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    def encode(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)


# --- what the worker says ---


class Bounds(_Frame):
    """The first frame. Bytes, numbers; ``None`` is no bound."""

    kind: Literal["bounds"] = "bounds"
    data_bytes: int | None = Field(default=None, gt=0)
    file_bytes: int | None = Field(default=None, gt=0)
    open_files: int | None = Field(default=None, gt=0)
    threads: int | None = Field(default=None, gt=0)


class Call(_Frame):
    kind: Literal["call"] = "call"
    number: int
    message: TaskQueueMessage
    parameters_json: str
    checkpoint_json: str | None
    scratch: str


class Stop(_Frame):
    kind: Literal["stop"] = "stop"
    number: int
    reason: str


class Done(_Frame):
    """What was asked for was done."""

    kind: Literal["done"] = "done"


class Refused(_Frame):
    """What was asked for raised an error. ``codes`` are its class's and those of the classes above it."""

    kind: Literal["refused"] = "refused"
    codes: list[str]
    message: str
    details: dict[str, object]


ToChild = Bounds | Call | Stop | Done | Refused


# --- what the child says ---


class Ready(_Frame):
    """It waits for calls."""

    kind: Literal["ready"] = "ready"


class Began(_Frame):
    """The handler is about to be called."""

    kind: Literal["began"] = "began"
    number: int


class SaveCheckpoint(_Frame):
    kind: Literal["save_checkpoint"] = "save_checkpoint"
    number: int
    checkpoint_json: str


class ReportProgress(_Frame):
    kind: Literal["report_progress"] = "report_progress"
    number: int
    percent: float = Field(ge=0, le=100, allow_inf_nan=False)
    message: str


class HasSucceeded(_Frame):
    kind: Literal["has_succeeded"] = "has_succeeded"
    number: int
    result_json: str


class HasFailed(_Frame):
    kind: Literal["has_failed"] = "has_failed"
    number: int
    code: str
    message: str
    retryable: bool


class AsksForRetry(_Frame):
    kind: Literal["asks_for_retry"] = "asks_for_retry"
    number: int
    delay: float = Field(ge=0, le=7 * 86_400, allow_inf_nan=False)
    reason: str


class WasInterrupted(_Frame):
    kind: Literal["was_interrupted"] = "was_interrupted"
    number: int
    reason: str


class FoundLeaseLost(_Frame):
    """The refusal of a write left the handler."""

    kind: Literal["found_lease_lost"] = "found_lease_lost"
    number: int


Asked = SaveCheckpoint | ReportProgress
Ended = HasSucceeded | HasFailed | AsksForRetry | WasInterrupted | FoundLeaseLost
FromChild = Ready | Began | Asked | Ended

_TO_CHILD: TypeAdapter[ToChild] = TypeAdapter(Annotated[ToChild, Field(discriminator="kind")])
_FROM_CHILD: TypeAdapter[FromChild] = TypeAdapter(Annotated[FromChild, Field(discriminator="kind")])


def to_child(body: bytes) -> ToChild:
    """Raises :class:`FrameInvalid`."""
    return _decoded(_TO_CHILD, body)


def from_child(body: bytes) -> FromChild:
    """Raises :class:`FrameInvalid`."""
    return _decoded(_FROM_CHILD, body)


def _decoded(adapter: TypeAdapter[T], body: bytes) -> T:
    try:
        return adapter.validator.validate_json(body)  # type: ignore[no-any-return]
    except ValidationError as error:
        places = sorted({".".join(map(str, problem["loc"]))[:100] or "frame" for problem in error.errors()})
        raise FrameInvalid(f"not understood: {', '.join(places[:5])}") from error


def ended(number: int, outcome: Outcome) -> Ended:
    """``outcome`` as the child says it, its text such that it can be sent and stored."""
    match outcome:
        case Succeeded(result_json):
            return HasSucceeded(number=number, result_json=result_json)
        case Failed(ErrorInfo(code, message, retryable)):
            return HasFailed(number=number, code=storable(code), message=storable(message), retryable=retryable)
        case RetryLater(delay, reason):
            return AsksForRetry(number=number, delay=delay, reason=reason)
        case Interrupted(reason):
            return WasInterrupted(number=number, reason=storable(reason))


def refused(error: CoreMachineError) -> Refused:
    """``error`` so that the child can raise it again, or the nearest class above it that the core has."""
    classes = [cls for cls in type(error).__mro__ if issubclass(cls, CoreMachineError)]
    return Refused(codes=[cls.code for cls in classes], message=storable(error.message), details=dict(error.details))


def _below(base: type[CoreMachineError]) -> list[type[CoreMachineError]]:
    return [base, *(found for cls in base.__subclasses__() for found in _below(cls))]


def error_of(said: Refused) -> CoreMachineError:
    """The error that :func:`refused` was made of."""
    known = {cls.code: cls for cls in reversed(_below(CoreMachineError)) if cls.__init__ is CoreMachineError.__init__}
    cls = next((known[code] for code in said.codes if code in known), CoreMachineError)
    return cls(said.message, **{name: value for name, value in said.details.items() if name not in ("self", "message")})
