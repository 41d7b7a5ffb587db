"""What one task may take of the machine, and how a process is held to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from docker_worker.cgroup import MemoryCgroup, memory_cgroup
from docker_worker.child.protocol import Bounds
from docker_worker.memory import MIB, task_memory
from infrastructure.settings import Settings

DATA_MARGIN = 256 * MIB
DATA_MARGIN_PER_CORE = 16 * MIB
"""What a process's data may be beyond the memory that its task may have resident.

PaddleOCR's data are 180 MiB more than what it has resident, and each thread reserves a stack of 8 MiB that it hardly
touches.
"""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Read by OpenMP, OpenBLAS, MKL, NumExpr and Accelerate when they are loaded."""


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """Bytes and numbers. ``threads`` of 0 is all cores, ``scratch_root`` of ``None`` the system's temporary folder.

    ``max_tasks`` and ``max_growth_bytes``, over what it had after its first task, are those of the process that runs
    task after task.
    """

    memory_bytes: int
    threads: int = 0
    open_files: int = 1_024
    scratch_bytes: int = 4_096 * MIB
    scratch_root: Path | None = None
    max_tasks: int = 500
    max_growth_bytes: int = 1_024 * MIB
    cgroup: MemoryCgroup | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> TaskLimits:
        """What is not set is taken from the container's limit and the machine."""
        cgroup = memory_cgroup()
        container = None if cgroup is None else cgroup.limit
        machine = psutil.virtual_memory().total
        if container is not None and container > machine:
            container = None
        return cls(
            memory_bytes=task_memory(settings.docker_task_memory_mb * MIB, container, machine),
            threads=settings.docker_task_threads,
            open_files=settings.docker_task_open_files,
            scratch_bytes=settings.docker_task_scratch_mb * MIB,
            scratch_root=Path(settings.docker_scratch_root) if settings.docker_scratch_root else None,
            max_tasks=settings.docker_child_max_tasks,
            max_growth_bytes=settings.docker_child_max_growth_mb * MIB,
            cgroup=cgroup,
        )

    def bounds(self) -> Bounds:
        """What a process can be held to by its system."""
        return Bounds(
            data_bytes=self.memory_bytes + DATA_MARGIN + DATA_MARGIN_PER_CORE * cores(),
            file_bytes=self.scratch_bytes,
            open_files=self.open_files,
            threads=self.threads or None,
        )

    def environment(self) -> Mapping[str, str]:
        """For a process before it loads any library that computes."""
        count = str(min(self.threads, cores()) if self.threads else cores())
        return dict.fromkeys(THREAD_VARIABLES, count)


def cores() -> int:
    """That this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
