"""PgQueuer: tasks enqueued in one statement and dequeued in large batches by one queue manager that is notified.

As its guide to performance has it: large batches for short tasks, one connection for the queue manager, others for
producers, its autovacuum settings, uvloop, and asyncpg, its faster driver, where that is installed. Tables are logged,
its default. It keeps no results and knows no fan-in: "stored" has each task insert its result and the last one enqueue
the task that adds them up; "memory" leaves the results in the process, as an upper bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

from pgqueuer import PgQueuer
from pgqueuer.adapters.connections import connect_asyncpg, connect_psycopg, create_asyncpg_pool
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.db import PsycopgDriver
from pgqueuer.domain.settings import ConnectionSettings
from pgqueuer.models import Job
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries

from benchmarks.peers.child import Measured, Order, answer, check_sum, read_order, repeat_async, run_async, wait_for_end
from benchmarks.peers.job_in_memory import JobInMemory
from benchmarks.peers.results import CREATE, EMPTY, Results, psycopg_results

BATCH = 1_000
CONNECTIONS = 10
STARTED = 0.5
"""Seconds after which the queue manager listens."""

ASYNCPG = importlib.util.find_spec("asyncpg") is not None


@dataclass(slots=True)
class AsyncpgResults:
    driver: Driver

    async def add(self, job: int, number: int) -> None:
        await self.driver.execute("INSERT INTO results (job, number) VALUES ($1, $2)", job, number)

    async def total(self, job: int) -> int:
        rows = await self.driver.fetch("SELECT sum(number)::bigint AS total FROM results WHERE job = $1", job)
        return int(str(rows[0]["total"]))


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Driver]:
    if ASYNCPG:
        async with connect_asyncpg(url) as connection:
            yield AsyncpgDriver(connection)
    else:
        async with connect_psycopg(url) as connection:
            yield PsycopgDriver(connection)


@contextlib.asynccontextmanager
async def opened_results(url: str) -> AsyncIterator[Results]:
    if not ASYNCPG:
        async with psycopg_results(url, CONNECTIONS) as results:
            yield results
        return
    sizes = ConnectionSettings(pool_min_size=CONNECTIONS, pool_max_size=CONNECTIONS)
    async with create_asyncpg_pool(url, sizes) as pool:
        driver = AsyncpgPoolDriver(pool)
        await driver.execute(CREATE)
        await driver.execute(EMPTY)
        yield AsyncpgResults(driver)


@dataclass(slots=True)
class Worker:
    producer: Queries
    results: Results
    job: JobInMemory

    def register(self, manager: PgQueuer) -> None:
        manager.entrypoint("plan")(self.plan)
        manager.entrypoint("task")(self.task)
        manager.entrypoint("gather")(self.gather)
        manager.entrypoint("single")(self.single)

    async def plan(self, job: Job) -> None:
        numbers: list[bytes | None] = [b"%d" % number for number in range(_number(job))]
        await self.producer.enqueue(["task"] * len(numbers), numbers, [0] * len(numbers))

    async def task(self, job: Job) -> None:
        number, mine = _number(job), self.job
        if mine.stored:
            await self.results.add(mine.number, number)
        if mine.count(number):
            await self.producer.enqueue("gather", b"0")

    async def gather(self, _job: Job) -> None:
        if self.job.stored:
            self.job.total = await self.results.total(self.job.number)
        self.job.done.set()

    async def single(self, job: Job) -> None:
        await self.results.add(self.job.number, _number(job))
        self.job.done.set()

    async def run(self, tasks: int, *, stored: bool) -> None:
        self.job = JobInMemory(self.job.number + 1, tasks, stored)
        await self.producer.enqueue("plan", b"%d" % tasks)
        await self.job.done.wait()
        check_sum(self.job.total, tasks)

    async def run_single(self) -> None:
        self.job = JobInMemory(self.job.number + 1, 0, stored=True)
        await self.producer.enqueue("single", b"1")
        await self.job.done.wait()


def _number(job: Job) -> int:
    return int(job.payload or b"0")


async def prepare(queries: Queries) -> None:
    if not await queries.schema_is_installed():
        await queries.install()
        await queries.optimize_autovacuum()


@contextlib.asynccontextmanager
async def working(url: str) -> AsyncIterator[Worker]:
    async with connected(url) as own, connected(url) as producer, opened_results(url) as results:
        worker = Worker(Queries(producer), results, JobInMemory(0, 0, stored=False))
        await prepare(worker.producer)
        manager = PgQueuer(own)
        worker.register(manager)
        running = asyncio.create_task(manager.run(batch_size=BATCH))
        await asyncio.sleep(STARTED)
        yield worker
        manager.shutdown.set()
        await running


async def measured(order: Order, worker: Worker) -> Measured:
    driver = f"asyncpg {version('asyncpg')}" if ASYNCPG else f"psycopg {version('psycopg')}"
    found = Measured(version("pgqueuer"), f"{driver}, batches of {BATCH}, LISTEN/NOTIFY, uvloop")
    found.jobs["stored"] = await repeat_async(order.jobs, lambda: worker.run(order.tasks, stored=True))
    found.jobs["memory"] = await repeat_async(order.jobs, lambda: worker.run(order.tasks, stored=False))
    found.singles["notified"] = await repeat_async(order.singles, worker.run_single)
    return found


def main() -> None:
    run_async(_main(read_order()))


async def _main(order: Order) -> None:
    async with working(order.url) as worker:
        answer(await measured(order, worker))
        if order.idle:
            await asyncio.to_thread(wait_for_end)
