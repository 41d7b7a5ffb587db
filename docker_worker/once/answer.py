"""From the bytes that came in to the document that goes out: what the test endpoint does with a task, and no more."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from core.attempts import DEADLINE_EXCEEDED, LEASE_MARGIN
from core.boundary import guarded
from core.context import StopSignal
from core.errors import CoreMachineError
from core.outcome import HANDLER_ERROR, ErrorInfo, Failed
from core.ports import BlobStore, Clock
from core.system import SystemClock
from docker_worker.once.document import Document, Stage, failure, failure_of, success
from docker_worker.once.document_run import DocumentRun
from docker_worker.once.payload import DocumentPayload, OnceInterrupted, Payload, parse_payload
from testing.endpoints.execution import Execution
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.requests import ExecuteRequest
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore

INTERNAL_ERROR = ErrorInfo("INTERNAL_ERROR", "the program itself failed; its log says how")
INTERRUPTED = ErrorInfo(OnceInterrupted.code, "told to end before the task had", True)
DEADLINE = signal.SIGALRM
"""Ends the process of a task that goes on long after its timeout; see :func:`end_at`."""


def end_at(seconds: float) -> None:
    """End this process in ``seconds``, whatever it does then, even where no Python code gets to run."""
    signal.signal(DEADLINE, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def answered(
    content: bytes,
    registries: Registries,
    stop: StopSignal,
    *,
    clock: Clock | None = None,
    deadline: Callable[[float], None] = end_at,
    storage: Callable[[], BlobStore] = MemoryBlobStore,
    provisional: Callable[[Document], None] = lambda _document: None,
) -> Document:
    """The document for ``content``. A handler's SystemExit and KeyboardInterrupt go through.

    ``deadline`` is told the seconds after which the handler is to be given up. ``storage`` is where a document's files
    go, and ``provisional`` is told what is to be answered should its process end before it has an answer.
    """
    payload = guarded(parse_payload, content)
    if isinstance(payload, Failed):
        return not_run(payload, "PAYLOAD")
    if isinstance(payload, DocumentPayload):
        run = DocumentRun(registries.handlers, stop, clock or SystemClock(), deadline, storage)
        provisional(run.lost(payload.value))
        return run.answer(payload.value)
    ran = guarded(_run, payload, registries, stop, clock or SystemClock(), deadline)
    return not_run(ran, "PAYLOAD", payload.task_type) if isinstance(ran, Failed) else ran


def _run(
    payload: Payload,
    registries: Registries,
    stop: StopSignal,
    clock: Clock,
    deadline: Callable[[float], None],
) -> Document:
    request = ExecuteRequest(params=payload.params, job_type=payload.job_type)
    execution = Execution(registries, request, HarnessLimits(), clock, stop)
    deadline(registries.handlers.find(payload.task_type).timeout + LEASE_MARGIN)
    told = execution.execute(payload.task_type, request).body
    job_id = told["lifecycle"]["job_id"]
    if told["success"]:
        artifacts = _artifacts(execution.blobs)
        return success(payload.task_type, job_id, told["handler_result"], artifacts, told["elapsed_seconds"])
    return failure(_error(told["error"], stop), "TASK", task_type=payload.task_type, job_id=job_id)


def _error(told: dict[str, Any], stop: StopSignal) -> ErrorInfo:
    if told["code"] == "NOT_COMPLETED" and stop.reason is not None:
        return INTERRUPTED
    return ErrorInfo(told["code"], told["message"], told["retryable"])


def _artifacts(blobs: MemoryBlobStore) -> dict[str, Document]:
    return {
        name: {"bytes": blobs.size(name), "content_type": blobs.content_type(name)} for name in sorted(blobs.names(""))
    }


def not_run(failed: Failed, stage: Stage | None, task_type: str | None = None) -> Document:
    """For what was raised outside of the handler, at ``stage`` where it is of our tree."""
    if isinstance(failed.cause, CoreMachineError):
        return failure_of(failed.cause, stage, task_type)
    ours = failed.error.code == HANDLER_ERROR
    return failure(INTERNAL_ERROR if ours else failed.error, None, task_type=task_type)


def without_answer(code: int, told: bool) -> Document:
    """For a task whose process ended without a document. ``code`` is its exit code, or minus the signal's number;
    ``told`` whether it was to end.
    """
    if told:
        return failure(INTERRUPTED, "TASK")
    if code == -DEADLINE:
        return failure(DEADLINE_EXCEEDED, "TASK")
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    memory = "; there may have been no memory left" if code == -signal.SIGKILL else ""
    return failure(ErrorInfo("HANDLER_LOST", f"the task's process ended without an outcome: {how}{memory}"), "TASK")
