"""What comes of a document: one shape for success, one for failure, the same from a queue, a call and a pipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from handlers.portal.codes import ErrorCode, Stage
from handlers.portal.fields import FieldResult

_CLOSED = ConfigDict(extra="forbid", frozen=True)


class Warned(BaseModel):
    """What is no failure and should be known. ``code`` says what ``value`` is."""

    model_config = _CLOSED

    code: str
    value: float | str | None = None


class StageMetrics(BaseModel):
    """Milliseconds of the wall's clock, and of CPU over all threads of the process. ``resumed``: an attempt before this
    one did it, and they are its."""

    model_config = _CLOSED

    stage: Stage
    wall_ms: float
    cpu_ms: float
    resumed: bool = False


class Metrics(BaseModel):
    """``ocr_confidence`` is 0..1, ``None`` where nothing was read. ``processing_ms`` is the stages' wall time."""

    model_config = _CLOSED

    ocr_confidence: float | None
    processing_ms: float
    stages: list[StageMetrics]


class MadeImage(BaseModel):
    """The finished picture, as it is in the package under ``name``."""

    model_config = _CLOSED

    name: str
    content_type: str
    bytes: int
    sha256: str
    width: int
    height: int


class Artifacts(BaseModel):
    """Storage paths of what was made, all sealed: the picture as it was decoded and enhanced, a small one to look at,
    and the package of ``image`` and ``result.json``. ``raw_path`` is where the document itself is kept."""

    model_config = _CLOSED

    raw_path: str
    master_path: str
    preview_path: str
    package_path: str
    image: MadeImage


class RuleReport(BaseModel):
    """A rule of the schema, as the finished file was measured by it."""

    model_config = _CLOSED

    rule: str
    required: str
    measured: str
    passed: bool


class SchemaUsed(BaseModel):
    model_config = _CLOSED

    id: str
    name: str
    version: int


class Success(BaseModel):
    """``quality_score`` is 0..1. ``text`` is ``None`` where it was not asked for; fields that are masked are masked in
    it too."""

    model_config = _CLOSED

    status: Literal["success"] = "success"
    job_id: str
    document_id: str
    portal_schema: SchemaUsed
    quality_score: float
    warnings: list[Warned]
    artifacts: Artifacts
    rules: list[RuleReport]
    fields: list[FieldResult]
    text: str | None
    text_truncated: bool
    metrics: Metrics


class FailureError(BaseModel):
    """``stage`` is ``None`` where the failure is the program's own."""

    model_config = _CLOSED

    code: ErrorCode
    stage: Stage | None
    message: str
    retryable: bool


class Failure(BaseModel):
    """``job_id`` is ``None`` where there was none to be read."""

    model_config = _CLOSED

    status: Literal["failed"] = "failed"
    job_id: str | None
    error: FailureError


Answer = Annotated[Success | Failure, Field(discriminator="status")]


def failure(code: ErrorCode, stage: Stage | None, message: str, job_id: str | None = None) -> Failure:
    return Failure(job_id=job_id, error=FailureError(code=code, stage=stage, message=message, retryable=code.retryable))
