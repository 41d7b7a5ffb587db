"""The effect log: what handlers did, written outside any transaction, so that doing it twice shows.

Each line is appended by one write, which a kill leaves whole or not at all.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from core.ids import TaskId


class Act(StrEnum):
    BEGAN = "began"
    ENDED = "ended"
    """The handler has its result, and returns."""
    PHASE_BEGAN = "phase_began"
    PHASE_SAVED = "phase_saved"
    REFUSED = "refused"
    """A write under the lease was refused: the task belongs to another attempt."""
    REPAIRED = "repaired"
    """A pass of the reconciler; ``detail`` is how much of each kind, as JSON."""


class Effect(NamedTuple):
    """``mark`` is one call of a handler, and no other's, see :func:`new_mark`; ``detail`` the phase."""

    act: Act
    task_id: TaskId
    attempt: int
    mark: str
    detail: str = ""


NO_TASK = TaskId("")

TAIL_BYTES = 16_384


def new_mark() -> str:
    """A new one of this process."""
    return f"{os.getpid()}.{uuid.uuid4().hex[:16]}"


class EffectLog:
    """Appends to the log. A context; for any number of threads, and of processes with one each."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, effect: Effect) -> None:
        os.write(self._file, ("\t".join(map(str, effect)) + "\n").encode())

    def repaired(self, counts: Mapping[str, int]) -> None:
        self.write(Effect(Act.REPAIRED, NO_TASK, 0, "", json.dumps(counts)))


def within_a_phase(path: Path) -> dict[int, TaskId]:
    """The processes that were in the midst of a phase a moment ago, and of which task."""
    with path.open("rb") as log:
        log.seek(-min(TAIL_BYTES, log.seek(0, os.SEEK_END)), os.SEEK_END)
        lines = log.read().decode("ascii").splitlines()[1:]
    last = {int(effect.mark.partition(".")[0]): effect for effect in map(_parsed, lines) if effect.mark}
    return {pid: effect.task_id for pid, effect in last.items() if effect.act is Act.PHASE_BEGAN}


def read_effects(path: Path) -> Iterator[Effect]:
    """In the order in which they were written."""
    with path.open(encoding="ascii") as log:
        for line in log:
            yield _parsed(line.rstrip("\n"))


def _parsed(line: str) -> Effect:
    act, task_id, attempt, mark, detail = line.split("\t")
    return Effect(Act(act), TaskId(task_id), int(attempt), mark, detail)
