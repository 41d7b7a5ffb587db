"""What a handler may touch besides its parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from core.ids import JobId, TaskId
from core.limits import MAX_PROGRESS_MESSAGE
from core.messages import TaskQueueMessage
from core.outcome import storable
from core.ports import BlobStore, Clock


class StopSignal:
    """A request to stop, with its reason. Set once, from any thread; the first reason stays."""

    __slots__ = ("_reason",)

    def __init__(self) -> None:
        self._reason: str | None = None

    def set(self, reason: str) -> None:
        if self._reason is None:
            self._reason = reason

    @property
    def reason(self) -> str | None:
        return self._reason


class CheckpointManager:
    """The phases that a task has finished and the data to resume from, saved under the fencing token.

    A phase is skipped on resume once it was saved. Saving raises :class:`core.errors.LeaseLost` when the
    task no longer belongs to this worker.
    """

    def __init__(self, saved: str | None, save: Callable[[str], None], stop: Callable[[], bool]) -> None:
        state = json.loads(saved) if saved else {"phases": [], "data": {}}
        self._phases: list[str] = state["phases"]
        self._data: dict[str, object] = state["data"]
        self._save = save
        self._stop = stop

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

    @property
    def should_stop(self) -> bool:
        return self._stop()

    def save_and_stop_if_requested(self, phase: str, data: Mapping[str, object] | None = None) -> bool:
        """Save ``phase``; whether the handler should now return :class:`core.outcome.Interrupted`."""
        self.save(phase, data)
        return self._stop()


class AttemptWrites(Protocol):
    """What a running attempt may write, under its lease. Both raise :class:`core.errors.LeaseLost`."""

    def save_checkpoint(self, checkpoint_json: str) -> None: ...

    def report_progress(self, percent: float, message: str) -> None: ...


class TaskContext:
    """The ids of the call, its bounds, and its ways out: progress, checkpoint, blobs.

    ``attempt`` counts from 1; ``timeout`` is in seconds, from when the context was made.
    """

    __slots__ = (
        "_checkpoint",
        "_checkpoint_json",
        "_message",
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
        checkpoint_json: str | None = None,
    ) -> None:
        self._message = message
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
                self._checkpoint_json, self._writes.save_checkpoint, lambda: self.should_stop
            )
        return self._checkpoint

    @property
    def stop_reason(self) -> str | None:
        """Why the handler should stop: what the stop signal says, or ``deadline``."""
        if self._stop.reason is not None:
            return self._stop.reason
        return "deadline" if self.clock.now() >= self.deadline else None

    @property
    def should_stop(self) -> bool:
        """Whether to save what is done and return :class:`core.outcome.Interrupted`."""
        return self.stop_reason is not None

    def report_progress(self, percent: float, message: str = "") -> None:
        """Show progress, 0 to 100. Of a long message the beginning is shown. Raises :class:`core.errors.LeaseLost`."""
        self._writes.report_progress(min(100.0, max(0.0, percent)), storable(message, MAX_PROGRESS_MESSAGE))
