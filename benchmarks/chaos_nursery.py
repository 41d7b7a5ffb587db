"""A process that has imported everything and starts the others by forking itself, in hundredths of a second.

It ends when its standard input does, however its owner ends, and takes all that it has started along, stopped or not.
Run as ``python -m benchmarks.chaos_nursery``; :class:`Nursery` does.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from benchmarks.chaos_bus import serve_bus
from benchmarks.chaos_setting import Setting
from benchmarks.chaos_worker import work

ROOT = Path(__file__).parents[1]

DUMP = signal.SIGUSR1
"""Makes a process write the stacks of its threads into its log."""

Role = Literal["bus", "worker"]

ROLES: Mapping[str, Callable[[Setting], None]] = {"bus": serve_bus, "worker": work}


class Nursery:
    """Starts processes, and tells which have ended. A context; leaving it kills them all. For one thread at a time."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.chaos_nursery", self._setting.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for its owner
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def start(self, role: Role, name: str) -> int:
        """Start a process, whose output goes to the log of ``name``; its id."""
        pid = self._ask({"role": role, "name": name})
        assert isinstance(pid, int)
        return pid

    def ended(self) -> dict[int, int]:
        """The processes that have ended since the last call: their exit codes, negative for signals."""
        return {int(pid): code for pid, code in self._ask({}).items()}

    def _ask(self, order: Mapping[str, str]) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _ended() -> dict[int, int]:
    found = {}
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            found[pid] = os.waitstatus_to_exitcode(status)
    return found


def _started(setting: Setting, role: str, name: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _redirect(setting.log_of(name))
        ROLES[role](setting)
        code = 0
    except BaseException:  # noqa: BLE001 - the top of a process
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def main(setting: Setting) -> None:
    faulthandler.register(DUMP)  # for those that are forked too
    children: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        answer: object
        if order:
            answer = pid = _started(setting, order["role"], order["name"])
            children.add(pid)
        else:
            answer = ended = _ended()
            children -= ended.keys()
        print(json.dumps(answer), flush=True)
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in children:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(Setting.from_json(sys.argv[1]))
