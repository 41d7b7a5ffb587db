"""The measured systems from outside: starts each in a process and a folder of its own, and reads its answer."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from benchmarks.peers.child import Measured, parse_answer

ROOT = Path(__file__).resolve().parent.parent

OURS = "coremachine"

MODULES: Mapping[str, str] = {
    OURS: "infrastructure.postgres",
    "dbos": "dbos",
    "procrastinate": "procrastinate",
    "pgqueuer": "pgqueuer",
}
"""What each system's process imports; a system whose module is not there is left out."""

END_SECONDS = 30.0
"""How long a process may take to end once it was told to."""

SETTLE_SECONDS = 3.0
"""From an idle process's answer to the first count of its statements: what it does at its start is not counted."""


class SystemFailed(RuntimeError):
    """A system's process ended without an answer; the message is the end of what it said."""


def is_there(system: str) -> bool:
    try:
        return importlib.util.find_spec(MODULES[system]) is not None
    except ModuleNotFoundError:
        return False


def measure(system: str, url: str, *, tasks: int = 1_000, jobs: int = 0, singles: int = 0) -> Measured:
    """What the system's process answers. Raises :class:`SystemFailed`."""
    with _running(system, url, ["--tasks", str(tasks), "--jobs", str(jobs), "--singles", str(singles)]) as process:
        return _answer(system, process)


def idle_statements(system: str, url: str, seconds: float, count: Callable[[], int]) -> float:
    """How many statements an idle process sends in ten seconds, over ``seconds``, by the total that ``count`` gives."""
    with _running(system, url, ["--idle"]) as process:
        _answer(system, process)
        time.sleep(SETTLE_SECONDS)
        before = count()
        time.sleep(seconds)
        return (count() - before) * 10 / seconds


@contextmanager
def _running(system: str, url: str, options: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which is told to end when the block is left, and killed where it does not."""
    with tempfile.TemporaryDirectory(prefix="coremachine-benchmark-") as folder:
        errors = Path(folder) / "errors"
        with errors.open("w") as said, _started(system, url, options, folder, said) as process:
            try:
                yield process
                process.communicate(timeout=END_SECONDS)
            except SystemFailed as error:
                process.wait(END_SECONDS)
                raise SystemFailed(f"{error}\n{errors.read_text('utf-8', 'replace')[-2_000:]}") from None
            finally:
                process.kill()


def _started(system: str, url: str, options: Sequence[str], folder: str, errors: TextIO) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peers", system, url, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def _answer(system: str, process: subprocess.Popen[str]) -> Measured:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return parse_answer(line)
    raise SystemFailed(f"{system} did not answer")
