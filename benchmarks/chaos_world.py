"""What a chaos run has left: the tables, the effect log, and what was submitted and seen. To be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from benchmarks.chaos_client import Books, Job, fingerprints
from benchmarks.chaos_effects import Effect, read_effects
from benchmarks.chaos_server import STATEMENTS
from benchmarks.chaos_setting import Setting
from core.ids import JobId

Connection = psycopg.Connection[Any]


class RunRow(NamedTuple):
    run_key: int
    job_id: JobId
    run: int
    status: str
    result_json: str | None
    error_code: str | None
    ended: bool


class StageRow(NamedTuple):
    run_key: int
    number: int
    status: str
    total: int
    failed: int
    remaining: int


class TaskRow(NamedTuple):
    run_key: int
    stage: int
    name: str
    status: str
    attempt: int
    parameters_json: str
    result_json: str | None


class AttemptRow(NamedTuple):
    """``token`` and ``ended`` are of one sequence, which numbers the events too."""

    run_key: int
    stage: int
    name: str
    attempt: int
    token: int
    ended: int
    outcome: str


class EventRow(NamedTuple):
    run_key: int
    number: int
    kind: str
    stage: int | None


class Leftovers(NamedTuple):
    """What is to be nothing once every run has ended."""

    runs: int
    leases: int
    outbox: int


@dataclass(frozen=True, slots=True)
class World:
    """``seen`` and ``last`` are the fingerprints of the runs: as they were first seen ended, and in the end.

    ``buried`` counts the dead letters by reason.
    """

    jobs: Mapping[JobId, Job]
    runs: Sequence[RunRow]
    stages: Sequence[StageRow]
    tasks: Sequence[TaskRow]
    attempts: Sequence[AttemptRow]
    events: Sequence[EventRow]
    effects: Sequence[Effect]
    leftovers: Leftovers
    seen: Mapping[int, str]
    last: Mapping[int, str]
    buried: Mapping[str, int]


def load_world(setting: Setting, books: Books, buried: Mapping[str, int]) -> World:
    with psycopg.connect(setting.database_url, autocommit=True) as connection:

        def rows(name: str) -> Sequence[tuple[Any, ...]]:
            return connection.execute(STATEMENTS[name]).fetchall()

        return World(
            jobs=books.submitted,
            runs=[RunRow(*row) for row in rows("runs")],
            stages=[StageRow(*row) for row in rows("stages")],
            tasks=[TaskRow(*row) for row in rows("tasks")],
            attempts=[AttemptRow(*row) for row in rows("attempts")],
            events=[EventRow(*row) for row in rows("events")],
            effects=list(read_effects(setting.effects)),
            leftovers=leftovers(connection),
            seen=books.fingerprints,
            last=fingerprints(connection, list(books.fingerprints)),
            buried=buried,
        )


def leftovers(connection: Connection) -> Leftovers:
    row = connection.execute(STATEMENTS["leftovers"]).fetchone()
    assert row is not None
    return Leftovers(*row)


def unfinished(url: str) -> list[str]:
    """What has not ended, in lines, as far as the database can say."""
    lines = []
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for name in ("open_runs", "open_tasks", "outbox"):
                lines += [f"{name}: {row}" for row in connection.execute(STATEMENTS[name])]
    except psycopg.OperationalError as error:
        lines.append(f"the database does not answer: {error}")
    return lines
