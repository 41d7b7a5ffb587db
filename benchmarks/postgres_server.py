"""The one server of a benchmark's run, and a database on it for each system that is measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from core.errors import CoreMachineError
from infrastructure.postgres.connection import ConnectionSource, connecting
from infrastructure.postgres.sql_blocks import read_blocks
from infrastructure.settings import Settings
from local.errors import LocalError
from local.postgres import EmbeddedPostgres

STATEMENTS = {block.name: block.statement for block in read_blocks(Path(__file__).with_name("postgres.sql"))}

EMBEDDED = {"shared_preload_libraries": "pg_stat_statements", "autovacuum_naptime": "15s"}
"""What the embedded server is not by itself: it counts statements, and it looks for work for vacuums more often than
each minute, in which more comes and goes here than elsewhere in an hour.
"""


SCHEMES = ("postgresql", "postgres")


class ServerUnusable(Exception):
    """There is no server to measure on; the message is one line that says what to do."""


class TableSize(NamedTuple):
    """Bytes."""

    table: str
    rows: int
    indexes: int


class BenchmarkServer:
    """Makes databases on a server, empty ones, and drops those that it made."""

    def __init__(self, url: str, kind: str) -> None:
        """Raises :class:`ServerUnusable`."""
        self.kind = kind
        self._url = url
        self._admin = _connected(url)
        self._made: dict[str, str] = {}
        self.counts_statements = self._prepare_counter()

    def database(self, name: str) -> str:
        """The URL of this run's database ``name``, made where it is not there yet."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = f"benchmark_{os.getpid()}_{name}"
            self._admin.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(made)))
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{made}"))

    def drop(self, name: str) -> None:
        self._admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(self._made.pop(name))))

    def settings(self) -> dict[str, str]:
        return dict(self._admin.execute(STATEMENTS["settings"]).fetchall())

    def statements_of(self, name: str) -> int:
        """How many statements the database ``name`` was sent so far."""
        row = self._admin.execute(STATEMENTS["count_statements"], {"database": self._made[name]}).fetchone()
        assert row is not None
        return int(row[0])

    def close(self) -> None:
        with suppress(psycopg.OperationalError):  # a server that went away is told by what failed first
            for name in list(self._made):
                self.drop(name)
        self._admin.close()

    def _prepare_counter(self) -> bool:
        row = self._admin.execute(STATEMENTS["is_counting"]).fetchone()
        assert row is not None
        if row[0]:
            self._admin.execute(STATEMENTS["create_counter"])
        return bool(row[0])


def table_sizes(url: str) -> list[TableSize]:
    with psycopg.connect(url) as connection:
        return [TableSize(*row) for row in connection.execute(STATEMENTS["table_sizes"]).fetchall()]


@contextmanager
def benchmark_server() -> Iterator[BenchmarkServer]:
    """On the server of ``DATABASE_URL``, which is to be a URL, or on an embedded one, durable as it comes.

    Raises :class:`ServerUnusable`.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        yield from _serving(given, "DATABASE_URL")
        return
    embedded = EmbeddedPostgres(settings=EMBEDDED)
    try:
        embedded.start()
    except LocalError as error:
        raise ServerUnusable(str(error)) from error
    with embedded:
        yield from _serving(embedded.uri, "embedded")


def _serving(url: str, kind: str) -> Iterator[BenchmarkServer]:
    server = BenchmarkServer(url, kind)
    try:
        yield server
    finally:
        server.close()


def _connected(url: str) -> psycopg.Connection[TupleRow]:
    """A connection to a server on which databases can be made, with TLS and timeouts as the store's, but the session's
    settings as the URL has them.
    """
    if url.partition("://")[0] not in SCHEMES:
        raise ServerUnusable("DATABASE_URL: the benchmark takes a URL, postgresql://user:password@host/database")
    try:
        source = ConnectionSource.from_settings(Settings.from_environment({"DATABASE_URL": url}))
        options = str(conninfo_to_dict(url).get("options", ""))
        with connecting():
            connection = psycopg.connect(make_conninfo(**{**source.parameters, "options": options}), autocommit=True)
    except CoreMachineError as error:
        raise ServerUnusable(error.message) from error
    try:
        _check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: psycopg.Connection[TupleRow]) -> None:
    """Raises :class:`ServerUnusable` where no database can be made."""
    row = connection.execute(STATEMENTS["may_write"]).fetchone()
    assert row is not None
    read_only, may_create = row
    if read_only:
        raise ServerUnusable("the database takes no writes: name a primary in DATABASE_URL that is not read-only")
    if not may_create:
        raise ServerUnusable("the user may not create databases: grant it CREATEDB, or name another in DATABASE_URL")
