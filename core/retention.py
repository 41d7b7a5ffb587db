"""Retention: runs that ended long ago are archived to blobs and deleted, or only deleted, in bounded batches."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from core.ids import JobId
from core.listing import TaskFilter
from core.model import RunRecord, TaskRecord, TaskStatus
from core.ports import BlobStore, Clock, StateStore

_log = logging.getLogger(__name__)

T = TypeVar("T")

JSON_LINES = "application/x-ndjson+gzip"


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Runs are kept ``keep_seconds`` after their end. A pass takes at most ``max_runs`` of them and deletes about
    ``max_tasks`` tasks, ``batch`` a transaction.
    """

    keep_seconds: float = 30 * 86_400.0
    max_runs: int = 100
    max_tasks: int = 100_000
    batch: int = 1_000


@dataclass(frozen=True, slots=True)
class Retired:
    """What one pass did. ``transactions`` deleted something each."""

    archived: int = 0
    deleted: int = 0
    transactions: int = 0


class Retention:
    """Safe to run anywhere, any number at once, and to be killed at any instant: a run is archived whole before
    anything of it is deleted, under names that are its own.
    """

    def __init__(
        self, store: StateStore, clock: Clock, policy: RetentionPolicy | None = None, archive: BlobStore | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy or RetentionPolicy()
        self._archive = archive

    def run_once(self) -> Retired:
        """One pass. Raises :class:`core.errors.TransientError` where the store or the archive is away."""
        before = self._clock.now() - timedelta(seconds=self._policy.keep_seconds)
        archived = deleted = transactions = 0
        room = -(-self._policy.max_tasks // self._policy.batch)
        for job_id, run in self._store.ended_runs(before, self._policy.max_runs):
            archived += self._archive_run(job_id, run)
            gone = False
            while not gone and transactions < room:
                gone = self._store.delete_run(job_id, run, self._policy.batch)
                transactions += 1
            deleted += gone
            if transactions >= room:
                break
        retired = Retired(archived, deleted, transactions)
        if deleted:
            _log.info("runs_retired", extra={"archived": archived, "deleted": deleted})
        return retired

    def _archive_run(self, job_id: JobId, run: int) -> bool:
        """Whether the run was archived now; false where that is not wanted, or was done before."""
        record = self._store.load_run(job_id, run)
        if self._archive is None or record is None:
            return False
        folder = archive_folder(record)
        if any(True for _ in self._archive.names(f"{folder}/run.")):
            return False
        parts = {"tasks": self._tasks(record), "events": self._events(record)}
        for name, lines in parts.items():
            for number, part in enumerate(_chunks(lines, self._policy.batch)):
                self._archive.put(f"{folder}/{name}-{number:05}.jsonl.gz", _packed(part), JSON_LINES)
        self._archive.put(f"{folder}/run.jsonl.gz", _packed([asdict(record)]), JSON_LINES)
        return True

    def _tasks(self, run: RunRecord) -> Iterator[dict[str, Any]]:
        """The run's tasks; the timeline has the one attempt of a task that succeeded at once."""
        last: TaskRecord | None = None
        while True:
            after = last.task_id if last is not None else None
            page = self._store.list_tasks(run.job_id, run.run, TaskFilter(), after, self._policy.batch)
            for task in page:
                simple = task.attempt == 1 and task.status is TaskStatus.COMPLETED
                attempts = () if simple else self._store.list_attempts(task.task_id)
                yield asdict(task) | {"attempts": [asdict(attempt) for attempt in attempts]}
            if len(page) < self._policy.batch:
                return
            last = page[-1]

    def _events(self, run: RunRecord) -> Iterator[dict[str, Any]]:
        last = 0
        while page := self._store.list_events(run.job_id, run.run, last, self._policy.batch):
            yield from map(asdict, page)
            last = page[-1].sequence


def archive_folder(run: RunRecord) -> str:
    """Where a run is archived. A job that was deleted and submitted anew has another time."""
    return f"archive/{run.job_id}/{run.run}-{run.created_at:%Y%m%dT%H%M%S%f}"


def _chunks(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _packed(lines: Iterable[dict[str, Any]]) -> bytes:
    """JSON lines, compressed; the same bytes for the same lines."""
    text = "".join(json.dumps(line, default=_plain, sort_keys=True) + "\n" for line in lines)
    return gzip.compress(text.encode(), mtime=0)


def _plain(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
