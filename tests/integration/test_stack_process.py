"""A process of the stack: ready by what it says, ended with what it started, and gone with its parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.stack_errors import PartFailed
from local.stack_process import Command, Late, ModuleProcess

ROOT = Path(__file__).parents[2]
READY = re.compile(r"^ready at (\w+)$")

Start = Callable[..., ModuleProcess]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def start(said: list[str]) -> Iterator[Start]:
    started: list[ModuleProcess] = []

    def run(*arguments: str, late: Late | None = None, secret: bool = False) -> ModuleProcess:
        command = Command("tests.support.stack_module", arguments, READY, dict(os.environ), secret=secret)
        started.append(ModuleProcess(command, said.append))
        started[-1].begin(late or Late())
        return started[-1]

    yield run
    for process in started:
        process.stop(0)


def is_there(pid: int) -> bool:
    """Whether it runs; one that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    while is_there(pid):
        threading.Event().wait(0.01)


def child_of(said: list[str]) -> int:
    return int(next(line for line in said if line.startswith("child ")).split()[1])


def test_it_is_ready_when_it_says_so(start: Start, said: list[str]) -> None:
    process = start("serve", "shown", late=Late(["secret"]))
    found = process.wait_until_ready(threading.Event())

    assert found is not None
    assert found[1] == "serve"
    assert said == ["arguments shown secret", "ready at serve"]
    assert process.stop(30) == -signal.SIGTERM


def test_a_hidden_argument_is_in_no_list_of_processes(start: Start) -> None:
    process = start("serve", late=Late(["hunter2"], {"MORE": "hunter2"}))
    process.wait_until_ready(threading.Event())
    shown = Path(f"/proc/{process.pid}/cmdline").read_bytes() + Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"stack_module" in shown
    assert b"hunter2" not in shown


def test_a_secret_ready_line_is_not_passed_on(start: Start, said: list[str]) -> None:
    start("serve", secret=True).wait_until_ready(threading.Event())
    assert said == ["arguments"]


def test_what_does_not_start_says_why(start: Start) -> None:
    with pytest.raises(PartFailed, match="it did not start:\n  arguments\n  that is why"):
        start("fail").wait_until_ready(threading.Event())


def test_it_imports_what_it_can_before_it_is_told_to_begin(said: list[str]) -> None:
    command = Command("tests.support.stack_module", ["serve"], READY, dict(os.environ), ["no_such_module"])
    process = ModuleProcess(command, said.append)
    with pytest.raises(PartFailed, match="No module named 'no_such_module'"):
        process.wait_until_ready(threading.Event())


def test_one_that_was_never_told_to_begin_ends_like_others(said: list[str]) -> None:
    process = ModuleProcess(Command("tests.support.stack_module", ["serve"], READY, dict(os.environ)), said.append)
    assert process.stop(30) == -signal.SIGTERM
    assert said == []


def test_waiting_ends_when_it_is_told_to(said: list[str]) -> None:
    never_ready = ModuleProcess(Command("tests.support.stack_module", ["serve"], READY, dict(os.environ)), said.append)
    stop = threading.Event()
    stop.set()
    assert never_ready.wait_until_ready(stop) is None
    never_ready.stop(0)


def test_one_that_does_not_end_is_killed(start: Start) -> None:
    process = start("stubborn")
    process.wait_until_ready(threading.Event())
    assert process.stop(0.1) == -signal.SIGKILL


def test_what_it_started_ends_with_it(start: Start, said: list[str]) -> None:
    process = start("parent")
    process.wait_until_ready(threading.Event())
    assert process.stop(30) == -signal.SIGTERM
    wait_until_gone(child_of(said))


PARENT = """
import os, re, sys, threading
from local.stack_process import Command, Late, ModuleProcess
command = Command("tests.support.stack_module", [sys.argv[1]], re.compile("^ready"), dict(os.environ))
process = ModuleProcess(command, lambda line: os.write(1, f"{line}\\n".encode()), orphan_seconds=0.2)
process.begin(Late())
process.wait_until_ready(threading.Event())
os.write(1, f"pid {process.pid}\\n".encode())
input()
"""


@pytest.mark.parametrize("order", ["serve", "parent", "stubborn"])
def test_it_is_gone_when_its_parent_was_killed(order: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, order],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as parent:
        try:
            assert parent.stdout is not None
            pids: list[str] = []
            for line in parent.stdout:
                pids += [line] if line.startswith(("pid", "child")) else []
                if line.startswith("pid"):
                    break
        finally:
            parent.kill()
    assert len(pids) == (2 if order == "parent" else 1)
    for line in pids:
        wait_until_gone(int(line.split()[1]))
