"""The numbers by which the database knows runs, remembered."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from core.ids import JobId
from infrastructure.postgres.database import Database
from infrastructure.postgres.sql_blocks import load_blocks

_SQL = load_blocks("runs.sql")

REMEMBERED = 10_000


class RunKeys:
    """From ``(job, run)`` to the run's key. A key is forgotten when what it names was not found."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: OrderedDict[tuple[JobId, int], int] = OrderedDict()
        self._lock = Lock()

    def find(self, job_id: JobId, run: int) -> int | None:
        with self._lock:
            key = self._keys.get((job_id, run))
        if key is not None:
            return key
        row = self._database.row(_SQL["find_run_key"], job_id=job_id, run=run)
        if row is None:
            return None
        self.remember(job_id, run, row.run_key)
        return int(row.run_key)

    def remember(self, job_id: JobId, run: int, key: int) -> None:
        with self._lock:
            self._keys[job_id, run] = key
            while len(self._keys) > REMEMBERED:
                self._keys.popitem(last=False)

    def forget(self, job_id: JobId, run: int) -> bool:
        """Whether there was anything to forget: the run may have been deleted and submitted anew since."""
        with self._lock:
            return self._keys.pop((job_id, run), None) is not None
