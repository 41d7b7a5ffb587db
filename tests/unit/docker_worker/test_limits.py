"""A task's limits, from the settings and for a process."""

from __future__ import annotations

from pathlib import Path

import psutil

from docker_worker.limits import DATA_MARGIN, THREAD_VARIABLES, TaskLimits, cores
from docker_worker.memory import MIB
from infrastructure.settings import Settings


def test_what_is_set_counts(tmp_path: Path) -> None:
    given = {
        "DOCKER_TASK_MEMORY_MB": "700",
        "DOCKER_TASK_THREADS": "3",
        "DOCKER_TASK_OPEN_FILES": "99",
        "DOCKER_TASK_SCRATCH_MB": "5",
        "DOCKER_SCRATCH_ROOT": str(tmp_path),
        "DOCKER_CHILD_MAX_TASKS": "7",
        "DOCKER_CHILD_MAX_GROWTH_MB": "11",
    }

    limits = TaskLimits.from_settings(Settings.from_environment(given))

    assert limits.memory_bytes == 700 * MIB
    assert (limits.threads, limits.open_files, limits.scratch_bytes) == (3, 99, 5 * MIB)
    assert (limits.scratch_root, limits.max_tasks, limits.max_growth_bytes) == (tmp_path, 7, 11 * MIB)


def test_what_is_not_set_is_less_than_the_machine_has() -> None:
    limits = TaskLimits.from_settings(Settings.from_environment({}))

    assert 0 < limits.memory_bytes < psutil.virtual_memory().total
    assert limits.scratch_root is None


def test_a_process_may_have_more_data_than_its_task_resident_memory() -> None:
    bounds = TaskLimits(memory_bytes=700 * MIB).bounds()

    assert bounds.data_bytes is not None
    assert bounds.data_bytes >= 700 * MIB + DATA_MARGIN
    assert bounds.threads is None


def test_libraries_are_told_how_many_threads_they_may_use() -> None:
    assert TaskLimits(memory_bytes=1, threads=1).environment() == dict.fromkeys(THREAD_VARIABLES, "1")
    assert set(TaskLimits(memory_bytes=1).environment().values()) == {str(cores())}
    assert set(TaskLimits(memory_bytes=1, threads=10_000).environment().values()) == {str(cores())}
