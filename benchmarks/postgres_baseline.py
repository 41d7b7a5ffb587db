"""The baseline: per completion, an advisory lock on the stage, the update of the task, and a count of what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from benchmarks.postgres_clients import End, timed_clients
from benchmarks.postgres_server import STATEMENTS

STAGE: dict[str, object] = {"job_id": "a" * 64, "stage": 1}
RESULT = '{"value": 1}'


def prepare(url: str, tasks: int) -> None:
    """A fresh stage of ``tasks`` tasks, in tables of their own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("drop_tables", "create_tasks", "create_tasks_index", "create_messages"):
            connection.execute(STATEMENTS[name])
        connection.execute(STATEMENTS["add_tasks"], {**STAGE, "tasks": tasks})
        connection.execute(STATEMENTS["analyze_tasks"])


def complete(connection: psycopg.Connection[TupleRow], number: int) -> None:
    """End one task and, where it was the last, tell that its stage has ended."""
    with connection.transaction():
        connection.execute(STATEMENTS["lock_stage"], STAGE)
        connection.execute(STATEMENTS["complete_task"], {"task_id": number, "result": RESULT})
        if _count(connection, "count_open") == 0:
            connection.execute(STATEMENTS["advance"], STAGE)


@contextmanager
def client(url: str) -> Iterator[End]:
    with psycopg.connect(url, autocommit=True) as connection:

        def end(numbers: Sequence[int]) -> None:
            for number in numbers:
                complete(connection, number)

        yield end


def seconds_to_end(url: str, tasks: int, clients: int) -> float:
    """Seconds in which ``clients`` clients end a whole stage: counting costs most while much of it is left."""
    prepare(url, tasks)
    seconds = timed_clients(clients, tasks, 1, lambda: client(url))
    with psycopg.connect(url) as connection:
        assert (_count(connection, "count_open"), _count(connection, "count_advances")) == (0, 1)
    return seconds


def _count(connection: psycopg.Connection[TupleRow], statement: str) -> int:
    row = connection.execute(STATEMENTS[statement], STAGE).fetchone()
    assert row is not None
    return int(row[0])
