"""What goes out: one shape for what succeeded, one for what failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from core.errors import CoreMachineError
from core.outcome import ErrorInfo, describe

Stage = Literal["PAYLOAD", "TASK"]
"""Where it failed: in what came in, or in the task."""

Document = dict[str, Any]

MAX_ARTIFACTS = 1_000
"""Blobs that are named; of more, the number is told as a warning."""


def success(task_type: str, job_id: str, result: object, artifacts: Mapping[str, Document], seconds: float) -> Document:
    """``artifacts`` have the size in bytes and the type of each blob that the task made, by its name."""
    named = dict(list(artifacts.items())[:MAX_ARTIFACTS])
    more = len(artifacts) - len(named)
    return {
        "status": "success",
        "job_id": job_id,
        "task_type": task_type,
        "result": result,
        "artifacts": named,
        "warnings": [f"{more} more artifacts are not named"] if more else [],
        "metrics": {"elapsed_seconds": seconds},
    }


def failure(
    error: ErrorInfo,
    stage: Stage | None,
    *,
    task_type: str | None = None,
    job_id: str | None = None,
    details: Mapping[str, object] | None = None,
) -> Document:
    """``stage`` is ``None`` where the failure is this program's own."""
    return {
        "status": "failed",
        "job_id": job_id,
        "task_type": task_type,
        "error": {
            "code": error.code,
            "stage": stage,
            "message": error.message,
            "retryable": error.retryable,
            "details": dict(details or {}),
        },
    }


def failure_of(error: CoreMachineError, stage: Stage | None, task_type: str | None = None) -> Document:
    return failure(describe(error), stage, task_type=task_type, details=error.details)


def encoded(document: Document) -> bytes:
    """One line."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"
