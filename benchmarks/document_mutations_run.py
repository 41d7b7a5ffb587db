"""The parent of the processes that open hostile documents: it gives them cases, and outlives them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any, Self

SECONDS_A_DOCUMENT = 10.0
MEMORY_MB = 1_024

_START_SECONDS = 120.0
"""For what is not measured: the start of a child, and the making of a document."""


@dataclass(frozen=True, slots=True)
class Result:
    """``outcome`` is ``ok``, an error's code, ``memory``, ``broken: …`` for an error that is none of ours, ``crashed:
    …`` for a process that died, or ``hung``. ``grown_mb`` is how much more was resident at the worst moment than
    before. ``cpu_seconds`` is what it takes where nothing else runs."""

    case: str
    name: str
    outcome: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes: int = 0
    grown_mb: float = 0.0
    peak_mb: float = 0.0

    @property
    def is_failure(self) -> bool:
        return not (self.outcome == "ok" or self.outcome.isupper())


class Nursery:
    """One child at a time, a new one after each that had to go."""

    def __init__(self, memory_mb: int = MEMORY_MB, seconds: float = SECONDS_A_DOCUMENT) -> None:
        self._memory_mb, self._seconds = memory_mb, seconds
        self._child: subprocess.Popen[str] | None = None
        self._lines: SimpleQueue[str] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def results(self, questions: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Result]:
        """For each case, named as it can be asked for again, and what the child is asked."""
        for case, question in questions:
            yield self._ask(case, question)

    def _ask(self, case: str, question: Mapping[str, Any]) -> Result:
        child = self._child or self._start()
        assert child.stdin is not None
        child.stdin.write(json.dumps(question) + "\n")
        child.stdin.flush()
        made = self._line(_START_SECONDS)
        name = json.loads(made)["name"] if made else ""
        line = self._line(self._seconds) if made else made
        if line:
            result = Result(case, **json.loads(line))
            return result if result.seconds <= self._seconds else replace(result, outcome="hung")
        outcome = "hung" if line is None else f"crashed: exit code {child.wait()}"
        self._end()
        return Result(case, name, outcome, seconds=self._seconds if line is None else 0.0)

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.document_mutations_child", str(self._memory_mb)]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self._lines = SimpleQueue()
        threading.Thread(target=_read, args=(self._child.stdout, self._lines), daemon=True).start()
        if not self._line(_START_SECONDS):
            raise RuntimeError("the process that opens documents did not start")
        return self._child

    def _line(self, seconds: float) -> str | None:
        """The next line, empty where the child has ended, ``None`` where the time has."""
        try:
            return self._lines.get(timeout=seconds)
        except Empty:
            return None

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            assert self._child.stdin is not None
            self._child.stdin.close()
            self._child = None


def _read(output: IO[str], lines: SimpleQueue[str]) -> None:
    """Each line, and an empty one for the end."""
    with output:
        for line in output:
            lines.put(line)
    lines.put("")
