"""The process that a portal's document is made in, as the worker has it; what it begins, saves and stores is noted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from benchmarks.kill_portal_truth import BEGUN, PUT, SAVED
from benchmarks.kill_worker_pages import READS
from core.context import CheckpointManager, TaskContext
from core.handlers import TaskHandler
from core.outcome import Interrupted, RetryLater
from core.registry import HandlerRegistry
from core.system import SystemClock
from docker_worker.child.secret_settings import forget_secrets
from docker_worker.child.server import Channel, serve
from docker_worker.engines import engine_provider
from handlers.portal.codes import Stage
from handlers.portal.stages import STAGES
from handlers.portal.work import Made, Work
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.logs import log_to_stderr
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries


class Notes:
    """A file in which each thing that was done is a line: the job's id, the kind of thing, and which."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.job = ""

    def note(self, kind: str, what: str) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{self.job} {kind} {what}\n".encode())
        finally:
            os.close(handle)


class NotedBlobs(AzureBlobStore):
    """Notes what was stored, after storage has said so."""

    notes: Notes

    def put_new(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        written = super().put_new(name, pieces, content_type, max_bytes)
        self.notes.note(PUT, name)
        return written

    def put_stream(self, name: str, pieces: Iterable[bytes], content_type: str, max_bytes: int) -> int:
        written = super().put_stream(name, pieces, content_type, max_bytes)
        self.notes.note(PUT, name)
        return written


def main() -> int:
    channel = Channel()
    log_to_stderr()
    settings = Settings.from_environment(os.environ)
    notes = Notes(Path(os.environ[READS]))
    forget_secrets(os.environ)
    _note_stages(notes)
    _note_saves(notes)
    _, handlers = build_registries(settings, engine_provider(settings))
    blobs = NotedBlobs(blob_service(settings), settings.storage_container)
    blobs.notes = notes
    noting = HandlerRegistry(_noting(handler, notes) for handler in handlers.values())
    serve(noting, blobs, SystemClock(), channel=channel)
    return 0


def _note_stages(notes: Notes) -> None:
    def noted(stage: Stage, function: Callable[[Work], Made]) -> Callable[[Work], Made]:
        def begun(work: Work) -> Made:
            notes.note(BEGUN, stage)
            return function(work)

        return begun

    for stage, function in STAGES.items():
        STAGES[stage] = noted(stage, function)  # type: ignore[index]


def _note_saves(notes: Notes) -> None:
    """After the worker has said that the checkpoint is in the database."""
    save = CheckpointManager.save

    def noted(
        self: CheckpointManager,
        phase: str,
        data: Mapping[str, object] | None = None,
        validate_artifact: Callable[[], bool] | None = None,
    ) -> bool:
        saved = save(self, phase, data, validate_artifact)
        if saved:
            notes.note(SAVED, phase)
        return saved

    CheckpointManager.save = noted  # type: ignore[method-assign]


def _noting(handler: TaskHandler, notes: Notes) -> TaskHandler:
    """``handler``, which says first for which job it works."""

    def noted(params: BaseModel, context: TaskContext) -> BaseModel | RetryLater | Interrupted:
        notes.job = context.job_id
        return handler.function(params, context)

    return replace(handler, function=noted)


if __name__ == "__main__":
    sys.exit(main())
