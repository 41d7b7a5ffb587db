"""What the test endpoints take, and the refusals that they answer with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from core.boundary import problems
from core.errors import CoreMachineError
from testing.faults import FaultPlan

ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_FAULT = 0.9


class Faults(BaseModel):
    """The chance of each fault; the meanings stand at :class:`testing.faults.FaultPlan`."""

    model_config = ConfigDict(extra="forbid")

    duplicate: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)
    lose: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)
    delay: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)
    reorder: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)
    crash: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)
    unavailable: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)
    uncertain: float = Field(default=0.0, ge=0.0, le=MAX_FAULT)

    def plan(self) -> FaultPlan:
        return FaultPlan(**self.model_dump())


class RunRequest(BaseModel):
    """The body of ``POST test/run/{job_type}``.

    With ``seed`` or ``faults`` the answer carries the trace; with ``artifacts`` it carries the blobs that
    the run wrote, as base64.
    """

    model_config = ConfigDict(extra="forbid")

    params: dict[str, JsonValue] = Field(default_factory=dict)
    seed: int | None = Field(default=None, ge=0, le=2**63 - 1)
    faults: Faults | None = None
    artifacts: bool = False

    @property
    def traced(self) -> bool:
        return self.seed is not None or self.faults is not None


class ExecuteRequest(RunRequest):
    """The body of ``POST test/execute/{task_type}``."""

    job_type: str | None = Field(default=None, max_length=64)


class Refused(CoreMachineError):
    """A request that is answered with an error before any handler ran, or in place of its result."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, **dict(details or {}))
        self.status = status
        self.error_code = code
        self.retry_after = retry_after

    def body(self, request_id: str) -> dict[str, Any]:
        return {"error": envelope(self.error_code, self.message, request_id, self.details)}


def envelope(code: str, message: str, request_id: str, details: Mapping[str, object]) -> dict[str, Any]:
    """The one shape of an error."""
    return {"code": code, "message": message, "request_id": request_id, "details": dict(details)}


def parse_body(model: type[ModelT], body: bytes, max_bytes: int) -> ModelT:
    """The request in ``body``; an empty one asks for the defaults.

    Raises :class:`Refused`: 413 ``BODY_TOO_LARGE``, 400 ``MALFORMED_JSON``, 422 ``INVALID_REQUEST``.
    """
    if len(body) > max_bytes:
        raise Refused(413, "BODY_TOO_LARGE", f"the body has more than {max_bytes} bytes")
    try:
        return model.model_validate_json(body.strip() or b"{}")
    except ValidationError as error:
        if any(found["type"] == "json_invalid" for found in error.errors(include_input=False, include_url=False)):
            raise Refused(400, "MALFORMED_JSON", "the body is not JSON") from error
        raise Refused(422, "INVALID_REQUEST", "the body does not fit", details={"problems": problems(error)}) from error
