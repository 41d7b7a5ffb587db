"""Procrastinate: tasks deferred in one batch to an asynchronous worker that is notified of them.

Ten jobs at once on a pool of one connection more, as "Mind the size of your PostgreSQL pool" advises; 4, 30 and 100
were slower or the same. It keeps no results and knows no fan-in: "stored" has each task insert its result and the last
one defer the task that adds them up; "memory" leaves the results in the process, as an upper bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version

from procrastinate import App, PsycopgConnector
from procrastinate.types import JSONDict

from benchmarks.peers.child import Measured, Order, answer, check_sum, read_order, repeat_async, run_async, wait_for_end
from benchmarks.peers.job_in_memory import JobInMemory
from benchmarks.peers.results import Results, psycopg_results

CONCURRENCY = 10
STARTED = 0.5
"""Seconds after which the worker listens."""


@dataclass(slots=True)
class Worker:
    app: App
    results: Results
    job: JobInMemory

    def register(self) -> None:
        self.app.task(name="plan")(self.plan)
        self.app.task(name="task")(self.task)
        self.app.task(name="gather")(self.gather)

    async def plan(self, tasks: int) -> None:
        numbers: list[JSONDict] = [{"number": number} for number in range(tasks)]
        await self.app.configure_task("task").batch_defer_async(*numbers)

    async def task(self, number: int) -> None:
        job = self.job
        if job.stored:
            await self.results.add(job.number, number)
        if job.count(number):
            await self.app.configure_task("gather").defer_async()

    async def gather(self) -> None:
        if self.job.stored:
            self.job.total = await self.results.total(self.job.number)
        self.job.done.set()

    async def run(self, tasks: int, *, stored: bool) -> None:
        self.job = JobInMemory(self.job.number + 1, tasks, stored)
        await self.app.configure_task("plan").defer_async(tasks=tasks)
        await self.job.done.wait()
        check_sum(self.job.total, tasks)

    async def run_single(self) -> None:
        self.job = JobInMemory(self.job.number + 1, 0, stored=True)
        await self.app.configure_task("single").defer_async(number=1)
        await self.job.done.wait()

    async def single(self, number: int) -> None:
        await self.results.add(self.job.number, number)
        self.job.done.set()


@contextlib.asynccontextmanager
async def working(url: str) -> AsyncIterator[Worker]:
    app = App(connector=PsycopgConnector(conninfo=url, min_size=CONCURRENCY + 1, max_size=CONCURRENCY + 1))
    async with app.open_async(), psycopg_results(url, CONCURRENCY) as results:
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        worker = Worker(app, results, JobInMemory(0, 0, stored=False))
        worker.register()
        app.task(name="single")(worker.single)
        running = asyncio.create_task(app.run_worker_async(concurrency=CONCURRENCY, install_signal_handlers=False))
        await asyncio.sleep(STARTED)
        yield worker
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def measured(order: Order, worker: Worker) -> Measured:
    settings = f"concurrency {CONCURRENCY}, pool {CONCURRENCY + 1}, LISTEN/NOTIFY, batch_defer, uvloop"
    found = Measured(version("procrastinate"), settings)
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
