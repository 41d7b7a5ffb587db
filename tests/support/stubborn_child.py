"""A child of the worker whose task that reads pages saves a checkpoint and then hears nothing."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

from pydantic import BaseModel

from core.context import TaskContext
from core.registry import HandlerRegistry
from core.system import SystemClock
from docker_worker.child import Channel, serve
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.settings import Settings
from infrastructure.wiring import build_registries
from testing.ocr_engines import ReadsNothing, always


def ignores(params: BaseModel, context: TaskContext) -> BaseModel:
    context.checkpoint.save("ignored")
    context.report_progress(10, "saved")
    threading.Event().wait()
    return params


def main() -> None:
    channel = Channel()
    settings = Settings.from_environment(os.environ)
    _, handlers = build_registries(settings, always(ReadsNothing()))
    stubborn = [
        replace(handler, function=ignores) if name == "ocr_recognise_pages" else handler
        for name, handler in handlers.items()
    ]
    blobs = AzureBlobStore(blob_service(settings), settings.storage_container)
    serve(HandlerRegistry(stubborn), blobs, SystemClock(), channel=channel)


if __name__ == "__main__":
    main()
