"""The one server of a benchmark's run, and a database on it for each system that is measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.sql import SQL, Identifier

from infrastructure.postgres.sql_blocks import read_blocks
from local.postgres import EmbeddedPostgres

STATEMENTS = {block.name: block.statement for block in read_blocks(Path(__file__).with_name("postgres.sql"))}

COUNTING = {"shared_preload_libraries": "pg_stat_statements"}


class TableSize(NamedTuple):
    """Bytes."""

    table: str
    rows: int
    indexes: int


class BenchmarkServer:
    """Makes databases on a server, empty ones, and drops those that it made."""

    def __init__(self, url: str, kind: str) -> None:
        self.kind = kind
        self._url = url
        self._admin = psycopg.connect(url, autocommit=True)
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
    """On the server of ``DATABASE_URL``, which is to be a URL, or on an embedded one, durable as it comes."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield from _serving(given, "DATABASE_URL")
        return
    with EmbeddedPostgres(settings=COUNTING) as embedded:
        yield from _serving(embedded.uri, "embedded")


def _serving(url: str, kind: str) -> Iterator[BenchmarkServer]:
    server = BenchmarkServer(url, kind)
    try:
        yield server
    finally:
        server.close()
