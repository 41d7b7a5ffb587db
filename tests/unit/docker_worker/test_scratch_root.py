"""The worker's folder, and what is left behind by one that was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docker_worker.scratch_root import ScratchRoot, ScratchUnavailable

KILLED = """
import os, signal, sys
from pathlib import Path
from docker_worker.scratch_root import ScratchRoot
with ScratchRoot(Path(sys.argv[1])) as root:
    (root.path / "page.bin").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_is_there_within_the_block_and_gone_afterwards(tmp_path: Path) -> None:
    with ScratchRoot(tmp_path) as root:
        (root.path / "page.bin").write_bytes(b"x")
        assert root.path.parent == tmp_path

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_worker_left_is_removed_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    left = {path.name for path in tmp_path.iterdir()}

    with ScratchRoot(tmp_path) as root:
        now = {path.name for path in tmp_path.iterdir()}

        assert len(left) == 2
        assert now == {root.path.name, f"{root.path.name}.lock"}


def test_the_folder_of_a_worker_that_lives_is_left(tmp_path: Path) -> None:
    with ScratchRoot(tmp_path) as living:
        (living.path / "page.bin").write_bytes(b"x")
        with ScratchRoot(tmp_path) as other:
            assert other.path != living.path

        assert (living.path / "page.bin").exists()


def test_a_folder_that_cannot_be_made_is_an_error_with_a_code(tmp_path: Path) -> None:
    with pytest.raises(ScratchUnavailable, match="DOCKER_SCRATCH_ROOT"), ScratchRoot(tmp_path / "missing"):
        raise AssertionError


def test_what_is_not_a_workers_is_left(tmp_path: Path) -> None:
    (tmp_path / "coremachine-worker-notes").mkdir()
    (tmp_path / "other.lock").write_bytes(b"")

    with ScratchRoot(tmp_path):
        pass

    assert {path.name for path in tmp_path.iterdir()} == {"coremachine-worker-notes", "other.lock"}
