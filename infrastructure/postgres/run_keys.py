"""The numbers by which the database knows runs, remembered, and the places of tasks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from core.ids import JobId, TaskId
from infrastructure.postgres.database import Database, joined
from infrastructure.postgres.sql_blocks import load_blocks

_SQL = load_blocks("runs.sql")

REMEMBERED = 10_000
MAX_INTEGER = 2**31 - 1
MAX_SMALL = 2**15 - 1


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
    def joined_columns(places: Sequence[Place]) -> dict[str, object]:
        """As parameters of a statement for many."""
        return {
            "run_keys": joined([place.run_key for place in places]),
            "stages": joined([place.stage for place in places]),
            "names": joined([place.name for place in places]),
        }


class RunKeys:
    """From ``(job, run)`` to the run's key, which never changes while the run exists.

    A run that was deleted and submitted anew has another key; what reads the run afresh remembers it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: OrderedDict[tuple[JobId, int], int] = OrderedDict()
        self._lock = Lock()

    def find(self, job_id: JobId, run: int, *, afresh: bool = False) -> int | None:
        if run > MAX_INTEGER:
            return None
        key = None if afresh else self._keys.get((job_id, run))
        return key if key is not None else self._read(job_id, run)

    def place(self, task_id: TaskId, *, afresh: bool = False) -> Place | None:
        """``None`` for text that is no task id, and for a run that is not there."""
        parts = task_id.split(":")
        if len(parts) != 4 or not (parts[1].isdecimal() and parts[2].isdecimal()) or int(parts[2]) > MAX_SMALL:
            return None
        job_id, run = JobId(parts[0]), int(parts[1])
        key = self.find(job_id, run, afresh=afresh)
        return Place(key, int(parts[2]), parts[3], job_id, run) if key is not None else None

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
