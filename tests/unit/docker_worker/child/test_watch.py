"""What a task takes, as it is looked at: of this very process, and of files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from docker_worker.cgroup import MemoryCgroup, memory_cgroup
from docker_worker.child import tree
from docker_worker.child.watch import Watch, size_on_disk
from docker_worker.limits import TaskLimits
from docker_worker.memory import MIB, Verdict

AMPLE = TaskLimits(memory_bytes=1 << 50)


class ThisProcess:
    def __init__(self) -> None:
        self.tree: tree.Tree = frozenset()
        self.handle: psutil.Process | None = psutil.Process()


class Gone:
    tree: tree.Tree = frozenset()
    handle: psutil.Process | None = None


def container(root: Path, used: int, kills: int = 0) -> MemoryCgroup:
    """A container of 1,000 bytes."""
    for folder, files in {
        "proc/self": {"cgroup": "0::/\n", "mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
        "sys/fs/cgroup": {"memory.max": "1000", "memory.current": str(used), "memory.events": f"oom_kill {kills}\n"},
    }.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (root / folder / name).write_text(text, "utf-8")
    found = memory_cgroup(root)
    assert found is not None
    return found


def test_a_process_within_its_limit_is_fine(tmp_path: Path) -> None:
    seen = Watch(AMPLE, tmp_path).look(ThisProcess())

    assert seen.memory is Verdict.FINE
    assert seen.resident == seen.peak > MIB


def test_a_process_over_its_limit_is_over(tmp_path: Path) -> None:
    assert Watch(TaskLimits(memory_bytes=MIB), tmp_path).look(ThisProcess()).memory is Verdict.OVER


@pytest.mark.parametrize(("used", "expected"), [(899, Verdict.FINE), (900, Verdict.NEAR), (5_000, Verdict.NEAR)])
def test_in_a_container_near_its_limit_a_task_is_near_its_own(tmp_path: Path, used: int, expected: Verdict) -> None:
    limits = replace(AMPLE, cgroup=container(tmp_path, used))

    assert Watch(limits, tmp_path).look(ThisProcess()).memory is expected


def test_a_process_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    assert Watch(AMPLE, tmp_path).look(Gone()).resident == 0


def test_only_kills_since_the_task_began_count(tmp_path: Path) -> None:
    watch = Watch(replace(AMPLE, cgroup=container(tmp_path, 1, kills=4)), tmp_path)
    assert watch.killed_by_kernel() == 0

    container(tmp_path, 1, kills=6)

    assert watch.killed_by_kernel() == 2


def test_a_folder_that_takes_long_to_look_through_is_looked_at_less_often(tmp_path: Path) -> None:
    times = iter([0.0, 1.0, 19.0, 21.0, 21.0])
    watch = Watch(AMPLE, tmp_path, monotonic=lambda: next(times))
    assert watch.look(Gone()).scratch == 0
    (tmp_path / "one").write_bytes(b"x" * 10_000)

    assert watch.look(Gone()).scratch == 0  # 18 s after a look that took one
    assert watch.look(Gone()).scratch >= 10_000


def test_a_folder_takes_what_is_in_it_and_not_what_it_points_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"x" * MIB)
    inside = tmp_path / "inside"
    (inside / "deep" / "er").mkdir(parents=True)
    (inside / "deep" / "er" / "one").write_bytes(b"x" * 100_000)
    (inside / "link").symlink_to(outside)
    (inside / "folder").symlink_to(tmp_path)

    assert 100_000 <= size_on_disk(inside) < 500_000


def test_what_a_file_only_claims_to_hold_does_not_count(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    assert size_on_disk(tmp_path) < MIB


def test_a_folder_that_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert size_on_disk(tmp_path / "none") == 0


def test_this_process_and_what_it_started_are_a_tree() -> None:
    assert psutil.Process() in tree.tree_of(psutil.Process(os.getpid()))
