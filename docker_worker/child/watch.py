"""What a task takes while it runs, looked at a few times a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from docker_worker.child import tree
from docker_worker.limits import TaskLimits
from docker_worker.memory import Verdict, verdict

SCRATCH_SHARE = 0.05
"""Of the time: what looking through a scratch folder may take, which grows with the number of files in it."""

BLOCK = 512
"""Bytes of ``st_blocks`` (stat(2))."""


class Watched(Protocol):
    """The process that a task runs in. ``tree`` is what was seen of it last."""

    tree: tree.Tree

    @property
    def handle(self) -> psutil.Process | None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """``resident`` and ``scratch`` in bytes, ``peak`` the most that was resident at any look."""

    memory: Verdict
    resident: int
    peak: int
    scratch: int


class Watch:
    """Of one task. ``memory_limit`` in bytes counts for the process and all below it together."""

    def __init__(self, limits: TaskLimits, scratch: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._scratch = scratch
        self._monotonic = monotonic
        self._scratch_bytes = 0
        self._next_scratch = 0.0
        self._kills = self._oom_kills()
        self.peak = 0

    def look(self, process: Watched) -> Seen:
        if process.handle is not None:
            process.tree = tree.tree_of(process.handle)
        resident = tree.resident(process.tree)
        self.peak = max(self.peak, resident)
        return Seen(self._verdict(resident), resident, self.peak, self._scratch_size())

    def killed_by_kernel(self) -> int:
        """How many of the container's processes the kernel killed for want of memory since the task began."""
        return self._oom_kills() - self._kills

    def _verdict(self, resident: int) -> Verdict:
        own = verdict(resident, self._limits.memory_bytes)
        return Verdict.NEAR if own is Verdict.FINE and self._container_is_near() else own

    def _container_is_near(self) -> bool:
        cgroup = self._limits.cgroup
        if cgroup is None or cgroup.limit is None:
            return False
        used = cgroup.used()
        return used is not None and verdict(used, cgroup.limit) is not Verdict.FINE

    def _oom_kills(self) -> int:
        cgroup = self._limits.cgroup
        return (cgroup.oom_kills() or 0) if cgroup is not None else 0

    def _scratch_size(self) -> int:
        began = self._monotonic()
        if began >= self._next_scratch:
            self._scratch_bytes = size_on_disk(self._scratch)
            took = self._monotonic() - began
            self._next_scratch = began + took / SCRATCH_SHARE
        return self._scratch_bytes


def size_on_disk(folder: Path) -> int:
    """Bytes that the files below ``folder`` take. What ends while it is looked at counts for nothing."""
    total, pending = 0, [os.fspath(folder)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                with suppress(OSError):
                    total += _size(entry.stat(follow_symlinks=False))
    return total


def _size(status: os.stat_result) -> int:
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * BLOCK
