"""What a handler may touch besides its parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from core.ids import JobId, TaskId
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


class TaskContext:
    """The ids of the call, its bounds, and its ways out: progress, checkpoint, blobs.

    ``attempt`` counts from 1; ``deadline`` is when the handler is told to stop.
    """

    __slots__ = (
        "attempt",
        "blobs",
        "clock",
        "deadline",
        "job_id",
        "job_type",
        "run",
        "stage",
        "task_id",
        "task_type",
        "_checkpoint",
        "_checkpoint_json",
        "_report",
        "_save",
        "_stop",
    )

    def __init__(
        self,
        *,
        task_id: TaskId,
        job_id: JobId,
        job_type: str,
        task_type: str,
        run: int,
        stage: int,
        attempt: int,
        deadline: datetime,
        blobs: BlobStore,
        clock: Clock,
        stop: StopSignal,
        checkpoint_json: str | None,
        save_checkpoint: Callable[[str], None],
        report_progress: Callable[[float, str], None],
    ) -> None:
        self.task_id = task_id
        self.job_id = job_id
        self.job_type = job_type
        self.task_type = task_type
        self.run = run
        self.stage = stage
        self.attempt = attempt
        self.deadline = deadline
        self.blobs = blobs
        self.clock = clock
        self._stop = stop
        self._checkpoint_json = checkpoint_json
        self._save = save_checkpoint
        self._report = report_progress
        self._checkpoint: CheckpointManager | None = None

    @property
    def checkpoint(self) -> CheckpointManager:
        if self._checkpoint is None:
            self._checkpoint = CheckpointManager(self._checkpoint_json, self._save, lambda: self.should_stop)
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
        """Show progress, 0 to 100. Raises :class:`core.errors.LeaseLost`."""
        self._report(min(100.0, max(0.0, percent)), message)
