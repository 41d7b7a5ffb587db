"""What a handler may touch besides its parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import Protocol

from core.ids import JobId, TaskId
from core.limits import MAX_PROGRESS_MESSAGE
from core.messages import TaskQueueMessage
from core.outcome import storable
from core.ports import BlobStore, Clock
from core.scratch import Scratch


class StopReason(StrEnum):
    """Why a handler is asked to stop. A harness may have reasons of its own."""

    SHUTDOWN = "shutdown"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    LEASE_LOST = "lease_lost"
    MEMORY = "memory"


NO_LONGER_OURS = frozenset({StopReason.CANCELLED, StopReason.LEASE_LOST})
"""What the handler still does is for nobody."""


class StopSignal:
    """A request to stop, with its reason, from any thread. The first reason stays, unless the task turns out to be no
    longer ours: from then on nothing else matters.

    One that has a ``parent`` is also set where that is.
    """

    __slots__ = ("_parent", "_reason")

    def __init__(self, parent: StopSignal | None = None) -> None:
        self._reason: str | None = None
        self._parent = parent

    def set(self, reason: str) -> None:
        now = self.reason
        if now is None or (reason in NO_LONGER_OURS and now not in NO_LONGER_OURS):
            self._reason = reason

    @property
    def reason(self) -> str | None:
        if self._reason is None and self._parent is not None:
            return self._parent.reason
        return self._reason


class CheckpointManager:
    """The phases that a task has finished and the data to resume from, saved under the fencing token.

    A phase is skipped on resume once it was saved. Saving raises :class:`core.errors.LeaseLost` when the
    task no longer belongs to this worker.
    """

    def __init__(
        self, saved: str | None, save: Callable[[str], None], stop_reason: Callable[[], str | None] = lambda: None
    ) -> None:
        state = json.loads(saved) if saved else {"phases": [], "data": {}}
        self._phases: list[str] = state["phases"]
        self._data: dict[str, object] = state["data"]
        self._save = save
        self._stop_reason = stop_reason
        self._shutdown: Event | None = None

    def should_skip(self, phase: str) -> bool:
        """Whether ``phase`` was finished by this attempt or an earlier one."""
        return phase in self._phases

    def save(
        self,
        phase: str,
        data: Mapping[str, object] | None = None,
        validate_artifact: Callable[[], bool] | None = None,
    ) -> bool:
        """Record ``phase`` as finished, with ``data`` (JSON values) merged into what was saved before.

        ``validate_artifact`` is called first; where it says no, nothing is saved and the answer is false.
        """
        if validate_artifact is not None and not validate_artifact():
            return False
        phases = self._phases if phase in self._phases else [*self._phases, phase]
        merged = {**self._data, **(data or {})}
        self._save(json.dumps({"phases": phases, "data": merged}, separators=(",", ":"), allow_nan=False))
        self._phases, self._data = phases, merged
        return True

    def get_data(self, key: str, default: object = None) -> object:
        return self._data.get(key, default)

    def set_shutdown_event(self, event: Event) -> None:
        """Count ``event``, once it is set, as a request to shut down."""
        self._shutdown = event

    @property
    def is_shutdown_requested(self) -> bool:
        """Whether the process is to end: what is not saved is done again elsewhere."""
        told = self._shutdown is not None and self._shutdown.is_set()
        return told or self._stop_reason() == StopReason.SHUTDOWN

    @property
    def should_stop(self) -> bool:
        """Whether to stop, for whatever reason."""
        return self.is_shutdown_requested or self._stop_reason() is not None

    def save_and_stop_if_requested(self, phase: str, data: Mapping[str, object] | None = None) -> bool:
        """Save ``phase``; whether the handler should now return :class:`core.outcome.Interrupted`."""
        self.save(phase, data)
        return self.should_stop


class AttemptWrites(Protocol):
    """What a running attempt may write, under its lease. Both raise :class:`core.errors.LeaseLost`."""

    def save_checkpoint(self, checkpoint_json: str) -> None: ...

    def report_progress(self, percent: float, message: str) -> None: ...


class TaskContext:
    """The ids of the call, its bounds, and its ways out: progress, checkpoint, blobs, a folder of its own.

    ``attempt`` counts from 1; ``timeout`` is in seconds, from when the context was made.
    """

    __slots__ = (
        "_checkpoint",
        "_checkpoint_json",
        "_message",
        "_scratch",
        "_started",
        "_stop",
        "_timeout",
        "_writes",
        "blobs",
        "clock",
    )

    def __init__(
        self,
        message: TaskQueueMessage,
        *,
        timeout: float,
        blobs: BlobStore,
        clock: Clock,
        stop: StopSignal,
        writes: AttemptWrites,
        scratch: Scratch,
        checkpoint_json: str | None = None,
    ) -> None:
        self._message = message
        self._scratch = scratch
        self._timeout = timeout
        self._started = clock.now()
        self._stop = stop
        self._writes = writes
        self._checkpoint_json = checkpoint_json
        self._checkpoint: CheckpointManager | None = None
        self.blobs = blobs
        self.clock = clock

    @property
    def task_id(self) -> TaskId:
        return self._message.task_id

    @property
    def job_id(self) -> JobId:
        return self._message.job_id

    @property
    def job_type(self) -> str:
        return self._message.job_type

    @property
    def task_type(self) -> str:
        return self._message.task_type

    @property
    def run(self) -> int:
        return self._message.run

    @property
    def stage(self) -> int:
        return self._message.stage

    @property
    def attempt(self) -> int:
        return self._message.attempt

    @property
    def deadline(self) -> datetime:
        """When the handler is told to stop."""
        return self._started + timedelta(seconds=self._timeout)

    @property
    def checkpoint(self) -> CheckpointManager:
        if self._checkpoint is None:
            self._checkpoint = CheckpointManager(
                self._checkpoint_json, self._writes.save_checkpoint, lambda: self.stop_reason
            )
        return self._checkpoint

    @property
    def scratch(self) -> Path:
        """A folder for this call alone, made when it is first asked for, and gone with all in it after the call."""
        return self._scratch.path

    @property
    def stop_reason(self) -> str | None:
        """Why the handler should stop: one of :class:`StopReason`, or what a harness said."""
        if self._stop.reason is not None:
            return self._stop.reason
        return StopReason.DEADLINE if self.clock.now() >= self.deadline else None

    @property
    def should_stop(self) -> bool:
        """Whether to save what is done and return :class:`core.outcome.Interrupted`."""
        return self.stop_reason is not None

    def report_progress(self, percent: float, message: str = "") -> None:
        """Show progress, 0 to 100. Of a long message the beginning is shown. Raises :class:`core.errors.LeaseLost`."""
        self._writes.report_progress(min(100.0, max(0.0, percent)), storable(message, MAX_PROGRESS_MESSAGE))
