"""A table for the results of tasks, for systems that keep none: one insertion a task, read by the last task.

So much an application has to add where it wants what the tasks gave to survive the process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from psycopg_pool import AsyncConnectionPool

CREATE = "CREATE TABLE IF NOT EXISTS results (job bigint NOT NULL, number bigint NOT NULL)"
EMPTY = "TRUNCATE results"
INSERT = "INSERT INTO results (job, number) VALUES (%s, %s)"
SUM = "SELECT coalesce(sum(number), 0)::bigint FROM results WHERE job = %s"


class Results(Protocol):
    async def add(self, job: int, number: int) -> None: ...

    async def total(self, job: int) -> int: ...


class PsycopgResults:
    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def add(self, job: int, number: int) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(INSERT, (job, number))

    async def total(self, job: int) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(SUM, (job,))).fetchone()
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def psycopg_results(url: str, connections: int) -> AsyncIterator[Results]:
    options = {"autocommit": True}
    pool = AsyncConnectionPool(url, min_size=connections, max_size=connections, open=False, kwargs=options)
    async with pool:
        async with pool.connection() as connection:
            await connection.execute(CREATE)
            await connection.execute(EMPTY)
        yield PsycopgResults(pool)
