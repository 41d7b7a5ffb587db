"""The effect log: what handlers did, written outside any transaction, so that doing it twice shows.

Each line is appended by one write, which a kill leaves whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

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
    """``mark`` is one call of a handler, and no other's; ``detail`` the phase."""

    act: Act
    task_id: TaskId
    attempt: int
    mark: str
    detail: str = ""


NO_TASK = TaskId("")


class EffectLog:
    """Appends to the log. For any number of threads and processes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, effect: Effect) -> None:
        os.write(self._file, ("\t".join(map(str, effect)) + "\n").encode())

    def repaired(self, counts: Mapping[str, int]) -> None:
        self.write(Effect(Act.REPAIRED, NO_TASK, 0, "", json.dumps(counts)))


def read_effects(path: Path) -> Iterator[Effect]:
    """In the order in which they were written."""
    with path.open(encoding="ascii") as log:
        for line in log:
            act, task_id, attempt, mark, detail = line.rstrip("\n").split("\t")
            yield Effect(Act(act), TaskId(task_id), int(attempt), mark, detail)
