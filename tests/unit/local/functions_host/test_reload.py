"""Which changes begin the host anew, and what becomes of its processes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.functions_host.reload import is_source, reloading

ROOT = Path("/project")


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("function_app.py", True),
        ("core/machine.py", True),
        ("host.json", True),
        ("local.settings.json", True),
        ("core/host.json", False),
        ("README.md", False),
        (".venv/lib/site.py", False),
        ("venv/lib/site.py", False),
        ("build/lib/core.py", False),
        ("core/__pycache__/machine.cpython-311.py", False),
        ("tests/.cache/x.py", False),
        (".hidden.py", True),
    ],
)
def test_what_is_a_source(path: str, counts: bool) -> None:
    assert is_source(ROOT / path, ROOT) is counts


def test_what_lies_elsewhere_is_none() -> None:
    assert not is_source(Path("/other/function_app.py"), ROOT)


def child(log: Path, then: str) -> list[str]:
    """A process that writes down its number, and then does something."""
    source = f"import os, signal, sys, time; print(os.getpid(), file=open({str(log)!r}, 'a'), flush=True); {then}"
    return [sys.executable, "-c", source]


def written(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.is_file() else []


def is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_change_ends_the_child_and_starts_the_next(tmp_path: Path) -> None:
    log, said = tmp_path / "log", list[str]()
    stop = threading.Event()

    def changes() -> Iterator[list[Path]]:
        for number in (1, 2):
            while len(written(log)) < number:
                yield []
            yield [tmp_path / "docs.md"]
            assert is_alive(written(log)[-1])
            yield [tmp_path / "b.py", tmp_path / "a.py"]
        while len(written(log)) < 3:
            yield []
        assert [is_alive(number) for number in written(log)] == [False, False, True]
        stop.set()
        yield []

    waiting = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); sys.stdin.read()"
    code = reloading(child(log, waiting), tmp_path, changes(), stop, said.append)
    assert said == ["a.py changed: the host begins anew"] * 2
    assert not any(is_alive(number) for number in written(log))
    assert code in (7, -15)


def test_a_child_that_ended_by_itself_is_told_once_and_started_at_the_next_change(tmp_path: Path) -> None:
    log, said = tmp_path / "log", list[str]()

    def changes() -> Iterator[list[Path]]:
        while not said:
            yield []
        yield []
        yield [tmp_path / "a.py"]
        while len(said) < 3:
            yield []

    code = reloading(child(log, "sys.exit(1)"), tmp_path, changes(), threading.Event(), said.append)
    ended = "The host ended with 1; the next change starts it again"
    assert said == [ended, "a.py changed: the host begins anew", ended]
    assert len(written(log)) == 2
    assert code == 1
