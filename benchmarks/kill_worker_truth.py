"""What became of documents whose workers were killed: in the tables and the blobs, past everything that reports it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg

from core.ids import JobId
from handlers.document.source import job_area
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.postgres.sql_blocks import read_blocks
from infrastructure.settings import Settings

STATEMENTS = {block.name: block.statement for block in read_blocks(Path(__file__).with_name("kill_worker.sql"))}
COMPLETED = "completed"


class AttemptRow(NamedTuple):
    job_id: str
    name: str
    attempt: int
    started_at: datetime
    outcome: str
    error_code: str


class KilledAttempt(NamedTuple):
    """A worker was killed with this attempt in its hands."""

    job_id: str
    attempt: int
    at: datetime


def count_ended(settings: Mapping[str, str], jobs: Sequence[str]) -> int:
    """Raises psycopg.OperationalError where the server is away."""
    return int(_rows(settings, STATEMENTS["ended"], jobs)[0][0])


def attempts(settings: Mapping[str, str], jobs: Sequence[str], stage: int) -> list[AttemptRow]:
    return [AttemptRow(*row) for row in _rows(settings, STATEMENTS["attempts"], jobs, stage=stage)]


def statuses(settings: Mapping[str, str], jobs: Sequence[str]) -> dict[str, str]:
    return {row[0]: f"{row[1]} {row[2]}".strip() for row in _rows(settings, STATEMENTS["runs"], jobs)}


def blobs_of(settings: Mapping[str, str], job_id: str) -> dict[str, bytes]:
    """What a job has written, by its name within the job's area."""
    found = Settings.from_environment(settings)
    area = job_area(JobId(job_id))
    with closing(AzureBlobStore(blob_service(found), found.storage_container)) as blobs:
        return {name.removeprefix(area): blobs.get(name) for name in blobs.names(area)}


def faults(
    reference: Mapping[str, bytes],
    blobs: Mapping[str, Mapping[str, bytes]],
    found: Mapping[str, str],
    rows: Sequence[AttemptRow],
) -> Iterator[str]:
    """What is not as it must be; nothing is to be."""
    completions: dict[str, int] = defaultdict(int)
    for row in rows:
        completions[row.job_id] += row.outcome == COMPLETED
    for job_id, output in blobs.items():
        if found.get(job_id) != COMPLETED:
            yield f"job {job_id[:8]} is {found.get(job_id)}"
        if completions[job_id] != 1:
            yield f"the task of job {job_id[:8]} were completed {completions[job_id]} times"
        different = sorted(name for name in reference.keys() | output.keys() if reference.get(name) != output.get(name))
        if different:
            yield f"job {job_id[:8]} has other output than an undisturbed one: {', '.join(different[:5])}"


def reclaim_seconds(rows: Sequence[AttemptRow], killed: Sequence[KilledAttempt]) -> list[float]:
    """For each kill, from it until the task was begun again; those that had just ended are left out."""
    began = {(row.job_id, row.attempt): row.started_at for row in rows}
    again = ((kill, began.get((kill.job_id, kill.attempt + 1))) for kill in killed)
    return [(start - kill.at).total_seconds() for kill, start in again if start is not None]


def _rows(
    settings: Mapping[str, str], statement: LiteralString, jobs: Sequence[str], **more: int
) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings["DATABASE_URL"], autocommit=True, connect_timeout=5) as connection:
        return connection.execute(statement, {"jobs": list(jobs), **more}).fetchall()
