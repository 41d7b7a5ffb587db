"""A child of the worker whose task saves a checkpoint and then hears nothing."""

from __future__ import annotations

import threading

from pydantic import BaseModel, ConfigDict

from core.context import TaskContext
from core.handlers import task_handler
from core.registry import HandlerRegistry
from core.system import SystemClock
from docker_worker.child import serve
from testing.memory_blobs import MemoryBlobStore


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


def ignores(_params: Anything, context: TaskContext) -> Anything:
    context.checkpoint.save("ignored")
    context.report_progress(10, "saved")
    threading.Event().wait()
    return Anything()


if __name__ == "__main__":
    handler = task_handler("ocr_recognise_pages", ignores, long_running=True)
    serve(HandlerRegistry([handler]), MemoryBlobStore(), SystemClock())
