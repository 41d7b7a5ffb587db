"""What became of documents: in the tables and in the blobs, past everything that reports it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg

from core.ids import JobId
from handlers.document.parameters import PAGES_PER_TASK
from handlers.document.source import job_area
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.postgres.sql_blocks import read_blocks
from infrastructure.settings import Settings

STATEMENTS = {block.name: block.statement for block in read_blocks(Path(__file__).with_name("stack.sql"))}
TASKS_BESIDE_PAGES = 2
"""Inspect and assemble."""


class TaskRow(NamedTuple):
    job_id: str
    name: str
    status: str
    attempts: int
    completions: int


class Truth(NamedTuple):
    """``runs`` are (job id, run, status, error's code); ``pages`` the blobs of pages' results by job."""

    runs: Sequence[tuple[str, int, str, str]]
    tasks: Sequence[TaskRow]
    leftovers: int
    pages: Mapping[str, Sequence[str]]


def count_ended(settings: Mapping[str, str]) -> int:
    """Raises psycopg.OperationalError where the server is away."""
    return int(_rows(settings, STATEMENTS["ended"])[0][0])


def look(settings: Mapping[str, str], jobs: Collection[str]) -> Truth:
    rows = _rows(settings, STATEMENTS["tasks"])
    return Truth(
        runs=[(row[0], row[1], row[2], row[3]) for row in _rows(settings, STATEMENTS["runs"])],
        tasks=[TaskRow(*row) for row in rows],
        leftovers=int(_rows(settings, STATEMENTS["leftovers"])[0][0]),
        pages=_pages(settings, jobs),
    )


def faults(truth: Truth, expected: Mapping[str, int]) -> Iterator[str]:
    """What is not as it must be, of jobs with so many pages each; nothing is to be."""
    runs = Counter(job_id for job_id, *_ in truth.runs)
    for job_id in runs.keys() | expected.keys():
        if (runs[job_id], job_id in expected) != (1, True):
            yield f"job {job_id[:8]} has {runs[job_id]} runs"
    for job_id, run, status, code in truth.runs:
        if status != "completed":
            yield f"job {job_id[:8]} run {run} is {status} {code}"
    yield from _task_faults(truth, expected)
    for job_id, pages in expected.items():
        if len(truth.pages[job_id]) != pages:
            yield f"job {job_id[:8]} has the results of {len(truth.pages[job_id])} pages in its blobs, of {pages}"
    if truth.leftovers:
        yield f"{truth.leftovers} leases and outbox rows are left"


def _task_faults(truth: Truth, expected: Mapping[str, int]) -> Iterator[str]:
    tasks = Counter(task.job_id for task in truth.tasks)
    for job_id, pages in expected.items():
        if tasks[job_id] != ceil(pages / PAGES_PER_TASK) + TASKS_BESIDE_PAGES:
            yield f"job {job_id[:8]} has {tasks[job_id]} tasks for {pages} pages"
    for task in truth.tasks:
        if task.completions != 1 or task.status != "completed":
            yield f"task {task.name} of job {task.job_id[:8]} is {task.status}, completed {task.completions} times"


def _rows(settings: Mapping[str, str], statement: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings["DATABASE_URL"], autocommit=True, connect_timeout=5) as connection:
        return connection.execute(statement).fetchall()


def _pages(settings: Mapping[str, str], jobs: Collection[str]) -> dict[str, list[str]]:
    found = Settings.from_environment(settings)
    with closing(AzureBlobStore(blob_service(found), found.storage_container)) as blobs:
        return {job_id: list(blobs.names(f"{job_area(JobId(job_id))}pages/")) for job_id in jobs}
