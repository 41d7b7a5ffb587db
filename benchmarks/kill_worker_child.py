"""The process that a task runs in, as the worker has it, with engines that keep count of what they read."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from benchmarks.kill_worker_pages import READS, CountedEngine, NumberReader, Reads
from core.context import TaskContext
from core.handlers import TaskHandler
from core.outcome import Interrupted, RetryLater
from core.registry import HandlerRegistry
from core.system import SystemClock
from docker_worker.child import Channel, serve
from docker_worker.engines import engine_provider
from handlers.document.engine import EngineProvider
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
    reads = Reads(Path(os.environ[READS]))
    _, handlers = build_registries(settings, _engines(settings, reads))
    blobs = AzureBlobStore(blob_service(settings), settings.storage_container)
    noting = HandlerRegistry(_noting(handler, reads) for handler in handlers.values())
    serve(noting, blobs, SystemClock(), channel=channel)
    return 0


def _engines(settings: Settings, reads: Reads) -> EngineProvider:
    if settings.ocr_engine == "test":
        return always(NumberReader(reads))
    provide = engine_provider(settings)
    return lambda choice: CountedEngine(provide(choice), reads)


def _noting(handler: TaskHandler, reads: Reads) -> TaskHandler:
    """``handler``, which says first for which job is read."""

    def noted(params: BaseModel, context: TaskContext) -> BaseModel | RetryLater | Interrupted:
        reads.job = context.job_id
        return handler.function(params, context)

    return replace(handler, function=noted)


if __name__ == "__main__":
    sys.exit(main())
