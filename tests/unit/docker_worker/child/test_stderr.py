"""A child's standard error: passed on in whole lines, its end kept."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from docker_worker.child.stderr import KEPT_BYTES, LONGEST_LINE, Stderr


def passed_on(said: bytes, tmp_path: Path) -> tuple[bytes, Stderr]:
    read, write = os.pipe()
    target = tmp_path / "target"
    with target.open("wb", buffering=0) as sink, os.fdopen(read, "rb", 0) as source:
        stderr = Stderr(sink.fileno())
        thread = threading.Thread(target=stderr.forward, args=(source,))
        thread.start()
        with os.fdopen(write, "wb", 0) as end:
            left = memoryview(said)
            while left:
                left = left[end.write(left) or 0 :]
        thread.join()
    return target.read_bytes(), stderr


@pytest.mark.parametrize("said", [b"", b"one\ntwo\n", b"\xff\xfe\n", b"x" * (3 * LONGEST_LINE) + b"\n"])
def test_lines_are_passed_on_as_they_are(tmp_path: Path, said: bytes) -> None:
    assert passed_on(said, tmp_path)[0] == said


def test_a_last_line_without_an_end_gets_one(tmp_path: Path) -> None:
    assert passed_on(b"one\ntwo", tmp_path)[0] == b"one\ntwo\n"


def test_the_end_is_kept(tmp_path: Path) -> None:
    _, stderr = passed_on(b"first\n" + b"x" * KEPT_BYTES + b"\xff last\n", tmp_path)

    assert len(stderr.last.encode("utf-8", "replace")) <= KEPT_BYTES + 2
    assert stderr.last.endswith("\N{REPLACEMENT CHARACTER} last\n")


def test_where_nobody_reads_it_is_read_to_its_end_all_the_same() -> None:
    read, write = os.pipe()
    os.write(write, b"one\n")
    os.close(write)
    closed = os.dup(0)
    os.close(closed)
    stderr = Stderr(closed)
    with os.fdopen(read, "rb", 0) as source:
        stderr.forward(source)

    assert stderr.last == "one\n"
