"""PostgreSQL for tests: one server a run, and databases that are empty at the start of each test.

The server is an embedded one, or that of the environment variable ``DATABASE_URL``, whose user then needs the right to
create databases. Nothing is done in any database but those made here, and those are dropped at the end.

Tests share one database, which is emptied by DELETE in a millisecond or two; TRUNCATE takes 20 to 70, and a copy of a
template 50 and more. A copy is for what changes the schema, or wants a database's size and settings to itself.
"""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Composed, Identifier, Literal

from local.postgres import FOR_TESTS, EmbeddedPostgres

Connection = psycopg.Connection[tuple[Any, ...]]

MANY_ROWS = 2_000
"""Rows that were deleted slow the tests after them; over this many the tables are truncated as well."""

# Idle sessions may be a pool's that outlives a test; the others hold locks that the next test would wait for.
END_SESSIONS = SQL("""
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND (state IS DISTINCT FROM 'idle' OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))
""")

TABLES = SQL("""
    SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    ORDER BY 1, 2
""")

SEQUENCES = SQL("""
    SELECT schemaname, sequencename, coalesce(last_value, start_value), last_value IS NOT NULL
    FROM pg_sequences ORDER BY 1, 2
""")


class Database:
    """A database of this run. ``url`` is for libpq, ``name`` its name on the server."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self._connection = psycopg.connect(url, autocommit=True)
        self.remember()

    def remember(self) -> None:
        """What is in it now is what ``reset`` goes back to."""
        tables = [Identifier(*row) for row in self._connection.execute(TABLES)]
        self._emptied = [table for table in tables if self._connection.execute(_any_row(table)).fetchone() is None]
        self._delete = _delete(self._emptied)
        self._rewind = _rewind(self._connection.execute(SEQUENCES).fetchall())

    def reset(self) -> None:
        """Back to how it was made or remembered: tables that were empty are, sequences stand where they stood.

        Sessions in a transaction or with an advisory lock are ended. The schema is left as it is.
        """
        self._connection.execute(END_SESSIONS)
        deleted = self._connection.execute(self._delete).fetchone()
        if deleted is not None and deleted[0] > MANY_ROWS:
            self._connection.execute(SQL("TRUNCATE {}").format(SQL(", ").join(self._emptied)))
        self._connection.execute(self._rewind)

    def close(self) -> None:
        self._connection.close()


def _any_row(table: Identifier) -> Composed:
    return SQL("SELECT 1 FROM {} LIMIT 1").format(table)


def _delete(tables: list[Identifier]) -> Composed:
    """One statement, so that foreign keys are looked at when all is gone; it gives the number of rows."""
    steps = [SQL("{} AS (DELETE FROM {} RETURNING 1)").format(Identifier(f"d{n}"), t) for n, t in enumerate(tables)]
    counts = [SQL("(SELECT count(*) FROM {})").format(Identifier(f"d{n}")) for n in range(len(tables))]
    return SQL("WITH {} SELECT {}").format(
        SQL(", ").join([SQL("start AS (SELECT)"), *steps]), SQL(" + ").join([SQL("0"), *counts])
    )


def _rewind(sequences: list[tuple[Any, ...]]) -> Composed:
    calls = [
        SQL("setval({}, {}, {})").format(Literal(Identifier(*name).as_string()), value, used)
        for *name, value, used in sequences
    ]
    return SQL("SELECT {}").format(SQL(", ").join(calls))


class Server:
    """The server of this run, known by the URL of a database on it that exists.

    Databases are dropped at the end, all at once: dropping one that was just used takes a tenth of a second. What
    ``ends`` with the run needs no dropping.
    """

    def __init__(self, url: str, *, ends: bool = False) -> None:
        self.url = url
        self._ends = ends
        self._run = f"coremachine_test_{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._admin = psycopg.connect(url, autocommit=True)
        self._names: list[str] = []
        self._open: list[Database] = []

    @cached_property
    def shared(self) -> Database:
        """A migrated database that tests use one after the other; to be reset before use."""
        return self.create()

    def create(self, *, migrated: bool = True) -> Database:
        """A database of its own, with the schema or with nothing in it."""
        name = self._create(template=self._template if migrated else None)
        database = Database(self.url_of(name), name)
        self._open.append(database)
        return database

    def url_of(self, name: str) -> str:
        if "://" not in self.url:
            return make_conninfo(self.url, dbname=name)
        return urlsplit(self.url)._replace(path=f"/{quote(name)}").geturl()

    def close(self) -> None:
        for database in self._open:
            database.close()
        for name in [] if self._ends else self._names:
            self._admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        self._admin.close()

    @cached_property
    def _template(self) -> str:
        name = self._create(template=None)
        with psycopg.connect(self.url_of(name)) as connection:
            importlib.import_module("infrastructure.postgres.migrations").migrate(connection)
        return name

    def _create(self, template: str | None) -> str:
        name = f"{self._run}_{next(self._numbers)}"
        statement = SQL("CREATE DATABASE {} TEMPLATE {}")
        self._admin.execute(statement.format(Identifier(name), Identifier(template or "template0")))
        self._names.append(name)
        return name


@contextmanager
def server_for_tests(url: str | None) -> Iterator[Server]:
    """On the server of ``url``, or on an embedded one without."""
    if url:
        with closing(Server(url)) as server:
            yield server
        return
    with EmbeddedPostgres(settings=FOR_TESTS) as embedded, closing(Server(embedded.uri, ends=True)) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server that all tests share. Stopping it is not theirs; a test that does starts an EmbeddedPostgres."""
    with server_for_tests(os.environ.get("DATABASE_URL")) as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: Server) -> Database:
    """A migrated database, empty; the cheap one."""
    postgres_server.shared.reset()
    return postgres_server.shared


@pytest.fixture
def own_postgres_database(postgres_server: Server) -> Iterator[Database]:
    """A migrated database that no other test sees, for what changes more than rows."""
    with closing(postgres_server.create()) as database:
        yield database


@pytest.fixture
def blank_postgres_database(postgres_server: Server) -> Iterator[Database]:
    """A database without tables, for tests of the migrations."""
    with closing(postgres_server.create(migrated=False)) as database:
        yield database
