"""The size of the database while jobs come, end, are kept for a time and go, by :class:`core.retention.Retention`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from benchmarks.postgres_ours import StageOfTasks, opened_store
from benchmarks.postgres_server import STATEMENTS, BenchmarkServer, table_sizes
from benchmarks.postgres_stages import Numbers
from core.ports import StateStore
from core.retention import Retention, RetentionPolicy
from testing.clock import FakeClock
from testing.contracts.scenario import START

JOB_TASKS = 10_000
CLIENTS = 2
"""How many jobs are worked on at a time."""

END_BATCH = 500
"""As many tasks as are claimed and published at a time."""

ROUND_SECONDS = 3_600.0
"""What passes for the engine in a round, in which each client works on one job."""

KEPT_ROUNDS = 1
SAMPLES = 10
FIRST = 0.2
"""The share of the tasks after which the size is what the last one is compared with: 200,000 of a million."""


class Sample(NamedTuple):
    """After ``tasks`` tasks: ``bytes`` of tables and indexes, how often one was vacuumed, how many tasks are there."""

    tasks: int
    seconds: float
    bytes: int
    vacuums: int
    kept: int


@dataclass(frozen=True, slots=True)
class Lives:
    """Rounds of jobs in ``store``, each with a pass of retention beside it."""

    store: StateStore

    def rounds(self, count: int) -> Iterator[int]:
        """The number of each round, once it is over."""
        clock = FakeClock(START)
        retention = Retention(self.store, clock, RetentionPolicy(keep_seconds=KEPT_ROUNDS * ROUND_SECONDS))
        with ThreadPoolExecutor(CLIENTS + 1) as threads:
            for number in range(1, count + 1):
                began = (clock.now() - START).total_seconds()
                lives = [threads.submit(self._live, began) for _ in range(CLIENTS)]
                retired = threads.submit(retention.run_once)
                for each in lives:
                    each.result()
                retired.result()
                clock.advance(ROUND_SECONDS)
                yield number

    def _live(self, began: float) -> None:
        """One job of many tasks, from its submission to its end."""
        stage = StageOfTasks.submitted(self.store, JOB_TASKS, began)
        stage.publish(stage.open())
        leases = stage.claim_many()
        for first in range(0, len(leases), END_BATCH):
            stage.end_many(leases[first : first + END_BATCH])
        stage.end_run()


def retention(server: BenchmarkServer, tasks: int) -> Numbers:
    """Bytes of tables and indexes over time. ``retention_growth`` is the size at the end beside that after the first
    fifth of the tasks: without room being used again it would be 5, of which the goal is half.

    Rows that are gone leave room once the server has vacuumed, which it thinks of once in ``autovacuum_naptime``. So
    the size comes to that of what is kept and of what comes in that time, as fast as tasks come here. Where that is a
    minute, the first fifth is over before the first vacuum, and the growth was 2.1; at 15 seconds it was 1.6. A leak is
    seen in ``retention_late_growth``, the end beside the half, by which the size has long come to rest.
    """
    url = server.database("retention")
    print(f"the database while {tasks:,} tasks come, end, are kept for a time and go, {CLIENTS} jobs at a time:")
    print("      tasks  seconds        MB  vacuums tasks kept")
    with opened_store(url, CLIENTS + 1) as store:
        samples = list(_sampled(Lives(store), url, max(1, tasks // (CLIENTS * JOB_TASKS))))
    sizes = table_sizes(url)
    for size in sizes:
        print(f"    {size.table:<16} {size.rows / 2**20:8.1f} MB, indexes {size.indexes / 2**20:8.1f} MB")
    return numbers_of(samples) | {
        "retention_tables_mb": {size.table: (_mb(size.rows), _mb(size.indexes)) for size in sizes}
    }


def numbers_of(samples: Sequence[Sample]) -> Numbers:
    """What came of the samples, of which the last is the end."""
    end = samples[-1]
    first, half = (next(one for one in samples if one.tasks >= end.tasks * share) for share in (FIRST, 0.5))
    return {
        "retention_tasks": end.tasks,
        "retention_seconds": round(end.seconds, 1),
        "retention_mb": _mb(end.bytes),
        "retention_mb_at": {sample.tasks: _mb(sample.bytes) for sample in samples},
        "retention_mb_max": _mb(max(sample.bytes for sample in samples)),
        "retention_growth": round(end.bytes / first.bytes, 2),
        "retention_late_growth": round(end.bytes / half.bytes, 2),
    }


def _sampled(lives: Lives, url: str, rounds: int) -> Iterator[Sample]:
    """About :data:`SAMPLES` of them, printed, the last at the end."""
    started = time.monotonic()
    every = max(1, rounds // SAMPLES)
    with psycopg.connect(url, autocommit=True) as connection:
        for number in lives.rounds(rounds):
            if number % every == 0 or number == rounds:
                yield _sample(connection, number * CLIENTS * JOB_TASKS, time.monotonic() - started)


def _sample(connection: psycopg.Connection[TupleRow], tasks: int, seconds: float) -> Sample:
    row = connection.execute(STATEMENTS["size_now"]).fetchone()
    assert row is not None
    sample = Sample(tasks, seconds, *row)
    line = "  {0.tasks:>9,} {0.seconds:>8.0f} {1:>9.1f} {0.vacuums:>8} {0.kept:>10,}"
    print(line.format(sample, sample.bytes / 2**20), flush=True)
    return sample


def _mb(size: int) -> float:
    return round(size / 2**20, 1)
