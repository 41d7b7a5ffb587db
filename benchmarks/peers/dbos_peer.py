"""DBOS: a workflow that enqueues a child workflow a task and gathers their results, as its queue tutorial has it.

Beside it, where there is no queue: the tasks as steps of the one workflow, which is durable and bound to one process,
and for jobs of one task a workflow that is started directly. Queues and results are polled; DBOS notifies neither. Its
default of one second is kept for the jobs of many tasks and for idling, since shorter ones made them no faster.
"""

from __future__ import annotations

import time
from importlib.metadata import version

from dbos import DBOS, DBOSConfig

from benchmarks.peers.child import Measured, Order, answer, check_sum, read_order, repeat, wait_for_end

QUEUE = "tasks"
QUICK_QUEUE = "singles"
QUICK_POLL = 0.05
"""Seconds between two looks at the queue, and at a result, for jobs of one task."""

QUEUE_FOUND = 1.5
"""Seconds after which the process has noticed a queue that was registered."""


@DBOS.step()
def give_back(number: int) -> int:
    return number


@DBOS.workflow()
def task(number: int) -> int:
    return number


@DBOS.workflow()
def job_by_queue(tasks: int) -> int:
    handles = [DBOS.enqueue_workflow(QUEUE, task, number) for number in range(tasks)]
    return sum(handle.get_result() for handle in handles)


@DBOS.workflow()
def job_by_steps(tasks: int) -> int:
    return sum(give_back(number) for number in range(tasks))


def by_queue(tasks: int) -> None:
    check_sum(DBOS.start_workflow(job_by_queue, tasks).get_result(), tasks)


def by_steps(tasks: int) -> None:
    check_sum(DBOS.start_workflow(job_by_steps, tasks).get_result(), tasks)


def single_by_queue() -> None:
    DBOS.enqueue_workflow(QUICK_QUEUE, task, 1).get_result(polling_interval_sec=QUICK_POLL)


def single_direct() -> None:
    DBOS.start_workflow(task, 1).get_result()


def measured(order: Order) -> Measured:
    found = Measured(version("dbos"), f"queue polled every 1 s, for single tasks every {QUICK_POLL} s")
    found.jobs["queue"] = repeat(order.jobs, lambda: by_queue(order.tasks))
    found.jobs["steps"] = repeat(order.jobs, lambda: by_steps(order.tasks))
    found.singles["queue"] = repeat(order.singles // 4, single_by_queue)
    found.singles["direct"] = repeat(order.singles, single_direct)
    return found


def main() -> None:
    order = read_order()
    url = order.url.replace("postgresql://", "postgresql+psycopg://", 1)
    config: DBOSConfig = {"name": "benchmark", "system_database_url": url, "log_level": "WARNING", "enable_otlp": False}
    DBOS(config=config)
    DBOS.launch()
    try:
        DBOS.register_queue(QUEUE)
        if order.singles:
            DBOS.register_queue(QUICK_QUEUE, polling_interval_sec=QUICK_POLL)
        time.sleep(QUEUE_FOUND)
        answer(measured(order))
        DBOS.delete_queue(QUICK_QUEUE)  # registered queues outlive the process
        if order.idle:
            wait_for_end()
    finally:
        DBOS.destroy()
