from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.stack_file import StackFile, StackPart, path_of, read_stack_file, remove, write


def stack_file(pid: int) -> StackFile:
    parts = {"database": StackPart(12, "postgresql://x"), "host": StackPart(0, "http://127.0.0.1:7071")}
    return StackFile("http://127.0.0.1:7071", "secret-key", pid, parts, {"DATABASE_URL": "postgresql://u:secret-2@x"})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path, stack_file(os.getpid()))

    assert read_stack_file(tmp_path) == stack_file(os.getpid())
    assert stat.S_IMODE(path_of(tmp_path).stat().st_mode) == 0o600
    assert [path.name for path in path_of(tmp_path).parent.iterdir()] == ["stack.json"]


def test_the_newest_counts_and_removing_ends_it(tmp_path: Path) -> None:
    write(tmp_path, StackFile("http://127.0.0.1:1", "", os.getpid(), {}))
    write(tmp_path, stack_file(os.getpid()))
    found = read_stack_file(tmp_path)
    assert found is not None
    assert found.url == "http://127.0.0.1:7071"

    remove(tmp_path)
    remove(tmp_path)
    assert read_stack_file(tmp_path) is None


def test_the_file_of_a_stack_that_was_killed_is_none(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    write(tmp_path, stack_file(ended.pid))
    assert read_stack_file(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"url": 5}', '{"url": "", "key": "", "pid": "1", "parts": {}}', "\xff"]
)
def test_a_file_that_is_not_one_is_none(tmp_path: Path, text: str) -> None:
    path_of(tmp_path).parent.mkdir()
    path_of(tmp_path).write_text(text, "latin-1")
    assert read_stack_file(tmp_path) is None


@pytest.mark.parametrize("pid", [0, -1, 2**70])
def test_a_pid_that_is_no_process_is_none(tmp_path: Path, pid: int) -> None:
    path_of(tmp_path).parent.mkdir()
    path_of(tmp_path).write_text(json.dumps({"url": "", "key": "", "pid": pid, "parts": {}}), "utf-8")
    assert read_stack_file(tmp_path) is None


def test_no_secret_is_in_its_text() -> None:
    assert "secret" not in repr(stack_file(1))
