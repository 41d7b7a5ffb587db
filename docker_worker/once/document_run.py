"""``process_document`` without a queue: its own payload in, its own answer out, and none of the engine between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.attempts import LEASE_MARGIN
from core.boundary import guarded, run_handler
from core.context import StopSignal, TaskContext
from core.errors import CoreMachineError
from core.handlers import TaskHandler
from core.ids import job_id_for, task_id_for
from core.jsontext import dump_json
from core.messages import TaskQueueMessage
from core.outcome import Failed, Succeeded
from core.ports import BlobStore, Clock
from core.registry import HandlerRegistry
from core.scratch import Scratch
from docker_worker.once.document import Document
from handlers.portal.answer import failure
from handlers.portal.codes import ErrorCode, Stage, code_of
from handlers.portal.envelope import Envelope, parse_envelope
from handlers.portal.job import PROCESS_DOCUMENT
from handlers.portal.paths import is_uuid4

LOST = "the document's process ended before it was done"
TOLD_TO_END = "told to end before the document was done"


class _Forgotten:
    """What an attempt writes that nobody goes on with."""

    def save_checkpoint(self, checkpoint_json: str) -> None:
        return

    def report_progress(self, percent: float, message: str) -> None:
        return


@dataclass(frozen=True, slots=True)
class DocumentRun:
    """One document. ``deadline`` is told the seconds after which it is to be given up."""

    handlers: HandlerRegistry
    stop: StopSignal
    clock: Clock
    deadline: Callable[[float], None]
    storage: Callable[[], BlobStore]

    def answer(self, value: dict[str, object]) -> Document:
        envelope = guarded(parse_envelope, value)
        if isinstance(envelope, Failed):
            return self._failed(envelope, Stage.PAYLOAD, told_job_id(value))
        ran = guarded(self._run, envelope)
        return self._failed(ran, None, envelope.job_id) if isinstance(ran, Failed) else ran

    def lost(self, value: dict[str, object]) -> Document:
        """What is answered for a process that ends without an answer."""
        return _told(failure(ErrorCode.INTERNAL_ERROR, None, LOST, told_job_id(value)))

    def _run(self, envelope: Envelope) -> Document:
        handler = self.handlers.find(PROCESS_DOCUMENT)
        self.deadline(handler.timeout + LEASE_MARGIN)
        with Scratch() as scratch:
            outcome = run_handler(handler, dump_json(envelope), self._context(handler, envelope, scratch))
        if isinstance(outcome, Succeeded):
            return dict(json.loads(outcome.result_json))
        if isinstance(outcome, Failed):
            return self._failed(outcome, _stage(outcome.cause), envelope.job_id)
        return _told(failure(ErrorCode.INTERNAL_ERROR, None, TOLD_TO_END, envelope.job_id))

    def _failed(self, failed: Failed, stage: Stage | None, job_id: str | None) -> Document:
        code = ErrorCode.INTERNAL_ERROR if failed.cause is None else code_of(failed.cause, stage or Stage.PAYLOAD)
        return _told(failure(code, stage, failed.error.message, job_id))

    def _context(self, handler: TaskHandler, envelope: Envelope, scratch: Scratch) -> TaskContext:
        job_id = job_id_for(PROCESS_DOCUMENT, {"job_id": envelope.job_id}, "")
        message = TaskQueueMessage(
            job_id=job_id,
            run=1,
            job_type=PROCESS_DOCUMENT,
            stage=1,
            task_id=task_id_for(job_id, 1, 1, "document"),
            task_type=PROCESS_DOCUMENT,
            attempt=1,
        )
        return TaskContext(
            message,
            timeout=handler.timeout,
            blobs=self.storage(),
            clock=self.clock,
            stop=self.stop,
            writes=_Forgotten(),
            scratch=scratch,
        )


def told_job_id(value: dict[str, Any]) -> str | None:
    """Whose answer it is, as far as a payload says it that may be wrong in every other way."""
    told = value.get("job_id")
    return told if isinstance(told, str) and is_uuid4(told) else None


def _stage(cause: BaseException | None) -> Stage | None:
    told = cause.details.get("stage") if isinstance(cause, CoreMachineError) else None
    return None if told is None else Stage(str(told))


def _told(answer: Any) -> Document:
    return dict(answer.model_dump(mode="json"))
