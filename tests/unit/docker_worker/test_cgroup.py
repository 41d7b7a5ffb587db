"""The memory cgroup, as the files of a container or of its host say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_worker.cgroup import MemoryCgroup, memory_cgroup
from docker_worker.memory import MIB

V1_MOUNT = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
V2_MOUNT = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
OTHERS = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
NONE_V1 = str(9_223_372_036_854_771_712)


class Files:
    def __init__(self, root: Path) -> None:
        self.root = root

    def proc(self, cgroup: str, mounts: str) -> None:
        self.write("proc/self", cgroup=cgroup, mountinfo=OTHERS + mounts)

    def write(self, folder: str, **files: str) -> None:
        path = self.root / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (path / name.replace("__", ".")).write_text(text, "utf-8")

    def found(self) -> MemoryCgroup:
        found = memory_cgroup(self.root)
        assert found is not None
        return found


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_version_2_from_inside_of_a_container(files: Files) -> None:
    files.proc("0::/\n", V2_MOUNT.format(root="/"))
    files.write(
        "sys/fs/cgroup",
        memory__max=f"{512 * MIB}\n",
        memory__current=f"{400 * MIB}\n",
        memory__stat=f"anon 5\ninactive_file {30 * MIB}\nactive_file {20 * MIB}\nfile {90 * MIB}\n",
        memory__events="low 0\noom 4\noom_kill 2\n",
    )

    found = files.found()

    assert found.limit == 512 * MIB
    assert found.used() == 350 * MIB
    assert found.oom_kills() == 2


def test_version_1_from_inside_of_a_container_that_sees_the_hosts_paths(files: Files) -> None:
    files.proc("4:memory:/docker/abc\n0::/\n", V1_MOUNT.format(root="/docker/abc"))
    files.write(
        "sys/fs/cgroup/memory",
        memory__limit_in_bytes=f"{256 * MIB}\n",
        memory__usage_in_bytes=f"{100 * MIB}\n",
        memory__stat=f"inactive_file 7\ntotal_inactive_file {10 * MIB}\ntotal_active_file 0\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )

    found = files.found()

    assert (found.limit, found.used(), found.oom_kills()) == (256 * MIB, 90 * MIB, 1)


@pytest.mark.parametrize("path", ["/../../elsewhere", "/of/the/host"])
def test_a_path_outside_of_what_is_mounted_is_the_mounts_own(files: Files, path: str) -> None:
    files.proc(f"4:memory:{path}\n", V1_MOUNT.format(root="/docker/abc"))
    files.write("sys/fs/cgroup/memory", memory__limit_in_bytes="1000\n", memory__usage_in_bytes="10\n")

    assert files.found().limit == 1_000


def test_on_the_host_the_least_limit_of_those_above_counts(files: Files) -> None:
    files.proc("0::/user.slice/service\n", V2_MOUNT.format(root="/"))
    files.write("sys/fs/cgroup", memory__current="9\n")
    files.write("sys/fs/cgroup/user.slice", memory__max="1000\n", memory__current="900\n")
    files.write(
        "sys/fs/cgroup/user.slice/service",
        memory__max="max\n",
        memory__current="400\n",
        memory__events="oom_kill 3\n",
    )

    found = files.found()

    assert (found.limit, found.used(), found.oom_kills()) == (1_000, 900, 3)


def test_a_tighter_limit_above_counts_before_a_wider_one_below(files: Files) -> None:
    files.proc("0::/a/b\n", V2_MOUNT.format(root="/"))
    files.write("sys/fs/cgroup/a", memory__max="1000\n", memory__current="900\n")
    files.write("sys/fs/cgroup/a/b", memory__max="2000\n", memory__current="800\n")

    assert (files.found().limit, files.found().used()) == (1_000, 900)


def test_version_1_without_a_limit_has_none(files: Files) -> None:
    files.proc("4:cpu,memory:/\n", V1_MOUNT.format(root="/"))
    files.write("sys/fs/cgroup/memory", memory__limit_in_bytes=NONE_V1, memory__usage_in_bytes="10\n")

    assert files.found().limit is None


def test_what_the_files_do_not_say_is_not_known(files: Files) -> None:
    files.proc("0::/\n", V2_MOUNT.format(root="/"))
    files.write("sys/fs/cgroup", memory__current="nonsense\n", memory__max="nonsense\n", memory__events="oom_kill x\n")

    found = files.found()

    assert (found.limit, found.used(), found.oom_kills()) == (None, None, None)


@pytest.mark.parametrize("mounts", ["", "not a line of mounts\n - cgroup2\n"])
def test_without_a_cgroup_there_is_none(files: Files, mounts: str) -> None:
    files.proc("0::/\nnonsense\n", mounts)

    assert memory_cgroup(files.root) is None


def test_without_proc_there_is_none(tmp_path: Path) -> None:
    assert memory_cgroup(tmp_path) is None


def test_a_mount_without_the_memory_controller_is_passed_over(files: Files) -> None:
    files.proc("0::/\n", V2_MOUNT.format(root="/"))
    files.write("sys/fs/cgroup", cgroup__procs="1\n")

    assert memory_cgroup(files.root) is None
