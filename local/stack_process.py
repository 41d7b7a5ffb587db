"""A part of the stack that is a process of ours: a module of this repository, run by this Python."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from local.stack_errors import PartFailed

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300.0
LOOK_SECONDS = 0.02
ORPHAN_SECONDS = 10.0
LAST_WORDS_SECONDS = 2.0
"""How long the output of a process that ended is waited for: a process of its own may hold it open."""

SayLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Command:
    """``ready`` is what it prints when it is ready, which is not logged where it is ``secret``.

    ``imports`` are modules that can be imported before the rest is known.
    """

    module: str
    arguments: Sequence[str]
    ready: re.Pattern[str]
    environment: Mapping[str, str] = field(repr=False)
    imports: Sequence[str] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Late:
    """What a process is given when it shall begin, where no list of processes shows it."""

    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class ModuleProcess:
    """One run of a command, in a session of its own; what it prints goes to ``say``, line by line.

    It imports what it can and waits for :meth:`begin`. It ends with this process, however that ends. ``kept`` are
    descriptors that it inherits, and ``orphan_seconds`` is its time to end when we are gone.
    """

    def __init__(
        self, command: Command, say: SayLine, kept: Sequence[int] = (), orphan_seconds: float = ORPHAN_SECONDS
    ) -> None:
        self._command = command
        self._say = say
        self._found: re.Match[str] | None = None
        self._is_ready = threading.Event()
        self._last: deque[str] = deque(maxlen=12)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.stack_child", str(orphan_seconds), *_words(command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**command.environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            pass_fds=tuple(kept),
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name="output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """None while it runs; below zero the signal that ended it."""
        return self._process.poll()

    def begin(self, late: Late) -> None:
        self._pass_on(json.dumps({"arguments": list(late.arguments), "environment": dict(late.environment)}))

    def wait_until_ready(self, stop: threading.Event) -> re.Match[str] | None:
        """The match of what it said; None where ``stop`` was set. Raises :class:`PartFailed`, the process ended."""
        until = time.monotonic() + START_SECONDS
        while not self._is_ready.wait(LOOK_SECONDS):
            if stop.is_set():
                return None
            if self.code is not None:
                raise self._did_not_start()
            if time.monotonic() > until:
                self.kill()
                raise PartFailed(f"it was not ready in {START_SECONDS:.0f} s")
        return self._found

    def stop(self, grace_seconds: float) -> int:
        """SIGTERM, and SIGKILL when the grace is over; the exit code. Its own processes end with it."""
        self._process.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self.release()
        return self._process.wait()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """A signal to it and all processes that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def release(self) -> None:
        """After its end: what it started is ended, and what it printed is read."""
        self.kill()
        self._reader.join(LAST_WORDS_SECONDS)
        for pipe in (self._process.stdin, None if self._reader.is_alive() else self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _pass_on(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            text = line.rstrip("\n")
            found = None if self._is_ready.is_set() else self._command.ready.search(text)
            if found is None or not self._command.secret:
                self._last.append(text)
                self._say(text)
            if found is not None:
                self._found = found
                self._is_ready.set()

    def _did_not_start(self) -> PartFailed:
        self.release()
        said = "\n".join(f"  {line}" for line in self._last if line.strip())
        return PartFailed("it did not start:\n" + (said or "  it said nothing"))


def _words(command: Command) -> list[str]:
    return [",".join(command.imports), command.module, *command.arguments]
