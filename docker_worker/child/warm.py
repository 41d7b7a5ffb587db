"""A child that is kept for task after task."""

from __future__ import annotations

from datetime import datetime

from docker_worker.child import tree
from docker_worker.child.process import ChildProcess
from docker_worker.memory import Verdict, verdict


class WarmChild:
    """A process, and what is known of it. ``limit`` is the bytes that a task may have resident."""

    def __init__(self, process: ChildProcess, started_at: datetime, limit: int) -> None:
        self.process = process
        self._limit = limit
        self.started_at = started_at
        self.tasks = 0
        self._first_bytes = self._last_bytes = 0
        self.peak_bytes = 0
        self._before: tree.Tree = frozenset()

    @property
    def growth(self) -> int:
        """Bytes, since its first task."""
        return self._last_bytes - self._first_bytes

    def resident(self) -> int:
        handle = self.process.handle
        return 0 if handle is None else tree.resident([handle])

    @property
    def nearly_full(self) -> bool:
        """Whether the next task would be told at once that its memory runs out."""
        return verdict(self._last_bytes, self._limit) is not Verdict.FINE

    def begins_task(self) -> None:
        if self.process.handle is not None:
            self._before = tree.tree_of(self.process.handle)

    def ended_task(self, peak: int) -> None:
        """What the task started and left behind ends with it."""
        if self.process.handle is not None and self.process.usable:
            tree.kill_left(self.process.handle, self._before)
        self._last_bytes = self.resident()
        self.tasks += 1
        self._first_bytes = self._first_bytes or self._last_bytes
        self.peak_bytes = max(self.peak_bytes, peak, self._last_bytes)
