"""Two sessions stepped by hand: one holds its locks until it is told to commit, another is seen to wait for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Self, TypeVar

import psycopg

from core.ports import StateStore
from infrastructure.postgres.connection import Connection
from infrastructure.postgres.errors import translated
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.scenario import Scenario
from tests.support.postgres_store import source_of

T = TypeVar("T")

PATIENT = 30.0
"""Seconds: a test that waits so long has failed, since what it waits for comes at once or never."""

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'coremachine'"

WORKING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
"""


class OneConnection:
    """A pool of one connection, which is given to one caller after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with translated():
            yield self._connection


class Session:
    """A session of its own, with the store on it. What it is told to do later it does in a thread of its own."""

    def __init__(self, url: str, thread: ThreadPoolExecutor, **settings: str) -> None:
        self.connection = source_of(url, **settings).connect()
        self.store = PostgresStateStore(OneConnection(self.connection))
        self.pid = self.connection.info.backend_pid
        self.started: Future[Any] = Future()
        self._thread = thread

    def begin(self) -> Self:
        """From now on nothing is committed until ``commit``."""
        self.connection.execute("BEGIN")
        return self

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        self.connection.execute("ROLLBACK")

    def lock(self, table: str, **key: object) -> None:
        """Hold rows, without changing them."""
        where = " AND ".join(f"{column} = %({column})s" for column in key)
        self.connection.execute(f"SELECT FROM coremachine.{table} WHERE {where} FOR NO KEY UPDATE".encode(), key)

    def start(self, call: Callable[[PostgresStateStore], T]) -> Future[T]:
        started = self._thread.submit(call, self.store)
        self.started = started
        return started


class Arena:
    """Sessions on one database, and somebody who sees what they wait for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = ExitStack()
        self._pids: list[int] = []
        self.admin: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(url, autocommit=True)
        self._open.callback(self.admin.close)
        self.store = self.session().store

    def session(self, **settings: str) -> Session:
        """``settings`` are environment variables."""
        thread = self._open.enter_context(ThreadPoolExecutor(1))
        session = Session(self.url, thread, **settings)
        self._open.callback(session.connection.close)
        self._pids.append(session.pid)
        return session

    def holder(self) -> Session:
        """A session in a transaction."""
        return self.session().begin()

    def waits(self, session: Session, holder: Session) -> bool:
        """Whether what ``session`` was told to do waits for ``holder``, once that is certain."""
        until(lambda: session.started.done() or holder.pid in self.blockers(session))
        return not session.started.done()

    def number(self, query: str, *parameters: object) -> int:
        """The number that a query gives."""
        row = self.admin.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return int(row[0])

    def everything(self, without: Sequence[str] = ()) -> dict[str, list[str]]:
        """All that is stored, by table, but for columns of these names."""
        tables = [row[0] for row in self.admin.execute(TABLES)]
        rows = "SELECT (to_jsonb(t) - %s::text[])::text FROM coremachine.{} t ORDER BY 1"
        return {
            name: [row[0] for row in self.admin.execute(rows.format(name).encode(), [list(without)])] for name in tables
        }

    def until_alone(self) -> None:
        """Return once nobody else works, or has a transaction."""
        until(lambda: self.number(WORKING) == 0)

    def close(self) -> None:
        """Who still waits, since a test failed, is woken."""
        self.admin.execute("SELECT pg_cancel_backend(pid) FROM unnest(%s::integer[]) AS s (pid)", [self._pids])
        self._open.close()

    def blockers(self, session: Session) -> list[int]:
        """The backends that hold what ``session`` waits for."""
        row = self.admin.execute("SELECT pg_blocking_pids(%s)", [session.pid]).fetchone()
        assert row is not None
        return list(row[0])


def on(session: Session, scenario: Scenario) -> Scenario:
    """The same run, by another session."""
    return replace(scenario, store=session.store)


def by(scenario: Scenario, call: Callable[[Scenario], T]) -> Callable[[StateStore], T]:
    """``call``, by the session that it is given to."""
    return lambda store: call(replace(scenario, store=store))


def until(condition: Callable[[], bool]) -> None:
    """Look again and again, for as long as a test may take."""
    pause = threading.Event()
    for _ in range(int(PATIENT * 200)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each call gives, all of them begun at the same moment, each in a thread of its own."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait(PATIENT)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        running = [threads.submit(run, call) for call in calls]
        return [future.result(PATIENT) for future in running]
