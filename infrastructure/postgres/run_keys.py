"""The numbers by which the database knows runs, remembered, and the places of tasks."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from core.errors import TextNotStorable
from core.ids import JobId, TaskId
from core.limits import check_text
from infrastructure.postgres.database import Database
from infrastructure.postgres.sql_blocks import load_blocks

_SQL = load_blocks("runs.sql")

REMEMBERED = 10_000
MAX_INTEGER = 2**31 - 1
MAX_SMALL = 2**15 - 1
MAX_BIG = 2**63 - 1

# As task_id_for writes it: another way to write its numbers names no task.
_TASK_ID = re.compile(r"([^:\0\ud800-\udfff]+):([1-9][0-9]{0,9}):([1-9][0-9]{0,4}):([^:\0\ud800-\udfff]+)")


class Place(NamedTuple):
    """Where a task is. Places are in the order in which everyone takes tasks."""

    run_key: int
    stage: int
    name: str
    job_id: JobId
    run: int

    @property
    def columns(self) -> dict[str, object]:
        """As parameters of a statement."""
        return {"run_key": self.run_key, "stage": self.stage, "name": self.name}

    @staticmethod
    def lists(places: Sequence[Place]) -> dict[str, Sequence[object]]:
        """As lists for a statement for many."""
        return {
            "run_keys": [place.run_key for place in places],
            "stages": [place.stage for place in places],
            "names": [place.name for place in places],
        }


class RunKeys:
    """From ``(job, run)`` to the run's key, which never changes while the run exists.

    A run that was deleted and submitted anew has another key. So whoever finds nothing under a key that was remembered
    asks for the ``other`` one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: OrderedDict[tuple[JobId, int], int] = OrderedDict()
        self._lock = Lock()

    def find(self, job_id: JobId, run: int, *, afresh: bool = False) -> int | None:
        """``None`` for a run that is not there, or can never be."""
        key = None if afresh else self._keys.get((job_id, run))
        if key is not None:
            return key
        return self._read(job_id, run) if 0 < run <= MAX_INTEGER and can_be(job_id) else None

    def place(self, task_id: TaskId, *, afresh: bool = False) -> Place | None:
        """``None`` for text that is no task id, and for a run that is not there."""
        parts = _TASK_ID.fullmatch(task_id)
        if parts is None:
            return None
        job_id, run, stage = JobId(parts[1]), int(parts[2]), int(parts[3])
        key = self.find(job_id, run, afresh=afresh) if stage <= MAX_SMALL else None
        return Place(key, stage, parts[4], job_id, run) if key is not None else None

    def other(self, job_id: JobId, run: int, key: int) -> int | None:
        """The key that the run has now, where that is another than ``key``."""
        found = self.find(job_id, run, afresh=True)
        return found if found != key else None

    def moved(self, place: Place) -> Place | None:
        """Where the task is now, where that is another place than it was thought to be."""
        key = self.other(place.job_id, place.run, place.run_key)
        return place._replace(run_key=key) if key is not None else None

    def remember(self, job_id: JobId, run: int, key: int) -> None:
        with self._lock:
            self._keys[job_id, run] = key
            while len(self._keys) > REMEMBERED:
                self._keys.popitem(last=False)

    def forget(self, job_id: JobId, run: int) -> None:
        with self._lock:
            self._keys.pop((job_id, run), None)

    def _read(self, job_id: JobId, run: int) -> int | None:
        row = self._database.row(_SQL["find_run_key"], job_id=job_id, run=run)
        if row is None:
            self.forget(job_id, run)
            return None
        self.remember(job_id, run, row.run_key)
        return int(row.run_key)


def position(task_id: TaskId) -> tuple[int, str]:
    """Where a task is in its run: its stage and its name. Raises :class:`ValueError` for what is no task's id."""
    parts = _TASK_ID.fullmatch(task_id)
    if parts is None:
        raise ValueError("this is no task's id")
    return int(parts[3]), parts[4]


def can_be(job_id: JobId) -> bool:
    """Whether the text can be stored at all; no job has any other for its id."""
    try:
        check_text(job_id, "job id")
    except TextNotStorable:
        return False
    return True
