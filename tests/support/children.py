"""Calls of a worker's child, and what they write."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from core.context import AttemptWrites, StopSignal
from core.ids import JobId, task_id_for
from core.messages import TaskQueueMessage
from core.runner import HandlerCall
from core.system import SystemClock
from docker_worker.child.patience import Patience
from docker_worker.child.secret_settings import child_environment
from docker_worker.limits import TaskLimits
from docker_worker.memory import MIB
from docker_worker.runner import ChildRunner
from testing.memory_blobs import MemoryBlobStore
from tests.support.worker_child import Wish, registry

COMMAND = (sys.executable, "-m", "tests.support.worker_child")
HANDLERS = registry()
QUICK = Patience(start=60.0, deadline=0.1, stop=0.1, end=30.0, look=0.05)
LIMITS = TaskLimits(memory_bytes=1_024 * MIB, open_files=256, scratch_bytes=64 * MIB)


class Writes:
    """Keeps what is written; ``when`` is called first, and may raise."""

    def __init__(self, when: Callable[[str], object] = lambda text: None) -> None:
        self.checkpoints: list[str] = []
        self.progress: list[tuple[float, str]] = []
        self.when = when

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self.when(checkpoint_json)
        self.checkpoints.append(checkpoint_json)

    def report_progress(self, percent: float, message: str) -> None:
        self.when(message)
        self.progress.append((percent, message))


def make_call(
    task_type: str,
    parameters_json: str,
    writes: AttemptWrites,
    checkpoint_json: str | None = None,
    timeout: float = 60.0,
) -> HandlerCall:
    job_id = JobId("a" * 64)
    task_id = task_id_for(job_id, 1, 1, "one")
    message = TaskQueueMessage(
        job_id=job_id, run=1, job_type="any", stage=1, task_id=task_id, task_type=task_type, attempt=1
    )
    return HandlerCall(
        replace(HANDLERS[task_type], timeout=timeout),
        message,
        parameters_json,
        checkpoint_json,
        stop=StopSignal(),
        writes=writes,
        blobs=MemoryBlobStore(),
        clock=SystemClock(),
    )


def wish(
    name: str,
    number: int = 0,
    text: str = "",
    *,
    writes: Writes | None = None,
    checkpoint_json: str | None = None,
    timeout: float = 60.0,
) -> HandlerCall:
    """A call of the handler that does ``name``."""
    parameters = Wish(wish=name, number=number, text=text).model_dump_json()
    return make_call("grant", parameters, writes or Writes(), checkpoint_json, timeout)


def make_runner(
    limits: TaskLimits = LIMITS,
    *mode: str,
    patience: Patience = QUICK,
    environment: Mapping[str, str] | None = None,
    progressed: Callable[[float, str], None] = lambda percent, message: None,
) -> ChildRunner:
    given = {**os.environ, **(environment or {})}
    return ChildRunner(
        [*COMMAND, *mode], limits, progressed=progressed, environment=child_environment(given), patience=patience
    )


def ends(pid: int, seconds: float = 30.0) -> bool:
    """Whether the process has ended by then, whoever's child it is and whether or not its exit code was collected."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
