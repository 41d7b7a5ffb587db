"""The process that a task runs in, as the worker has it, with an engine that keeps count of what it reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.kill_worker_pages import READS, CountingReader
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
    _, handlers = build_registries(settings, always(CountingReader(Path(os.environ[READS]))))
    blobs = AzureBlobStore(blob_service(settings), settings.storage_container)
    serve(handlers, blobs, SystemClock(), channel=channel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
