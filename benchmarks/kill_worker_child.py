"""The process that a task runs in, as the worker has it, with an engine that keeps count of what it reads."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from benchmarks.kill_worker_pages import READS, CountingReader
from core.context import TaskContext
from core.handlers import TaskHandler
from core.outcome import Interrupted, RetryLater
from core.registry import HandlerRegistry
from core.system import SystemClock
from docker_worker.child import Channel, serve
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.logs import log_to_stderr
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries
from testing.ocr_engines import always


def main() -> int:
    channel = Channel()
    log_to_stderr()
    settings = Settings.from_environment(os.environ)
    reader = CountingReader(Path(os.environ[READS]))
    _, handlers = build_registries(settings, always(reader))
    blobs = AzureBlobStore(blob_service(settings), settings.storage_container)
    noting = HandlerRegistry(_noting(handler, reader) for handler in handlers.values())
    serve(noting, blobs, SystemClock(), channel=channel)
    return 0


def _noting(handler: TaskHandler, reader: CountingReader) -> TaskHandler:
    """``handler``, which tells the reader first for which job it reads."""

    def noted(params: BaseModel, context: TaskContext) -> BaseModel | RetryLater | Interrupted:
        reader.job = context.job_id
        return handler.function(params, context)

    return replace(handler, function=noted)


if __name__ == "__main__":
    sys.exit(main())
