"""Retention: runs that ended long ago are archived to blobs and deleted, or only deleted, in bounded batches; so are
records of dead letters, which are only deleted.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from core.listing import TaskFilter
from core.model import RunRecord, TaskRecord
from core.ports import BlobStore, Clock, StateStore

_log = logging.getLogger(__name__)

T = TypeVar("T")

RUN = "run.jsonl.gz"
JSON_LINES = "application/x-ndjson+gzip"


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Runs are kept ``keep_seconds`` after their end. A pass takes at most ``max_runs`` of them and deletes about
    ``max_tasks`` tasks, ``batch`` a transaction.

    Dead letters are kept ``keep_letters_seconds`` after they were written down, and after they were last sent again;
    a pass deletes about ``max_letters``, ``batch`` a transaction.
    """

    keep_seconds: float = 30 * 86_400.0
    max_runs: int = 100
    max_tasks: int = 100_000
    batch: int = 1_000
    keep_letters_seconds: float = 90 * 86_400.0
    max_letters: int = 10_000


EVENTS_AT_ONCE = 20_000
"""Each page of a timeline looks at all attempts of the run, so pages are large."""


@dataclass(frozen=True, slots=True)
class Retired:
    """What one pass did: runs that were archived and deleted, in how many ``transactions``, and ``letters`` deleted."""

    archived: int = 0
    deleted: int = 0
    transactions: int = 0
    letters: int = 0


class Retention:
    """Safe to run anywhere, any number at once, and to be killed at any instant.

    A run is archived whole before anything of it is deleted. Its parts have names made of what is in them, so that a
    pass that still reads while another one deletes overwrites nothing; ``run.jsonl.gz``, which is written last, says
    which of them are the archive.
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
        letters = self._delete_letters()
        before = self._clock.now() - timedelta(seconds=self._policy.keep_seconds)
        archived = deleted = transactions = 0
        room = -(-self._policy.max_tasks // self._policy.batch)
        for job_id, run in self._store.ended_runs(before, self._policy.max_runs):
            record = self._store.load_run(job_id, run)
            if record is None:
                continue
            archived += self._archive is not None and self._archive_run(record, self._archive)
            calls, gone = self._delete_run(record, room - transactions)
            transactions += calls
            deleted += gone
            if transactions >= room:
                break
        if deleted or letters:
            _log.info("retired", extra={"archived": archived, "deleted": deleted, "letters": letters})
        return Retired(archived, deleted, transactions, letters)

    def _delete_letters(self) -> int:
        before = self._clock.now() - timedelta(seconds=self._policy.keep_letters_seconds)
        deleted, batch = 0, self._policy.batch
        for _ in range(-(-self._policy.max_letters // batch)):
            some = self._store.delete_dead_letters(before, batch)
            deleted += some
            if some < batch:
                break
        return deleted

    def _delete_run(self, run: RunRecord, room: int) -> tuple[int, bool]:
        """How many calls it took, at most ``room``, and whether the run is gone."""
        needed = sum(stage.total for stage in run.stages) // self._policy.batch + 1
        for call in range(1, min(needed, room) + 1):
            if self._store.delete_run(run.job_id, run.run, self._policy.batch):
                return call, True
        return min(needed, room), False

    def _archive_run(self, run: RunRecord, archive: BlobStore) -> bool:
        """Whether the run was archived now; false where that was done before, or by another pass meanwhile.

        Whoever deletes has written ``run.jsonl.gz``: while it is not there, all that was read is whole.
        """
        folder = archive_folder(run)
        if _is_archived(archive, folder):
            return False
        parts = [*self._put_all(archive, folder, "tasks", self._tasks(run))]
        parts += self._put_all(archive, folder, "events", self._events(run))
        if _is_archived(archive, folder):
            return False
        archive.put(f"{folder}/{RUN}", _packed([asdict(run) | {"parts": parts}]), JSON_LINES)
        return True

    def _put_all(self, archive: BlobStore, folder: str, kind: str, lines: Iterable[dict[str, Any]]) -> Iterator[str]:
        """Write lines in parts of bounded size; the parts' names."""
        for number, some in enumerate(_chunks(lines, self._policy.batch)):
            data = _packed(some)
            name = f"{kind}-{number:05}-{hashlib.sha256(data).hexdigest()[:16]}.jsonl.gz"
            archive.put(f"{folder}/{name}", data, JSON_LINES)
            yield name

    def _tasks(self, run: RunRecord) -> Iterator[dict[str, Any]]:
        """The run's tasks, with their attempts where there were several: of a single one the task and the timeline have
        all but its worker.
        """
        last: TaskRecord | None = None
        while True:
            after = last.task_id if last is not None else None
            page = self._store.list_tasks(run.job_id, run.run, TaskFilter(), after, self._policy.batch)
            for task in page:
                attempts = self._store.list_attempts(task.task_id) if task.attempt > 1 else ()
                yield asdict(task) | {"attempts": [asdict(attempt) for attempt in attempts]}
            if len(page) < self._policy.batch:
                return
            last = page[-1]

    def _events(self, run: RunRecord) -> Iterator[dict[str, Any]]:
        last = 0
        while page := self._store.list_events(run.job_id, run.run, last, EVENTS_AT_ONCE):
            yield from map(asdict, page)
            last = page[-1].sequence


def archive_folder(run: RunRecord) -> str:
    """Where a run is archived. A job that was deleted and submitted anew has another time."""
    return f"archive/{run.job_id}/{run.run}-{run.created_at:%Y%m%dT%H%M%S%f}"


def _is_archived(archive: BlobStore, folder: str) -> bool:
    return any(name == f"{folder}/{RUN}" for name in archive.names(f"{folder}/run."))


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
