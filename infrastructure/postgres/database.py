"""How the store talks to PostgreSQL: a statement alone is one transaction and one round trip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any, LiteralString, Protocol

from psycopg import Connection, Cursor
from psycopg.rows import RowFactory, namedtuple_row, tuple_row

Row = Any
"""A named tuple whose fields are the statement's columns."""

Parameters = Mapping[str, object]

SEPARATOR = "\x1f"
"""Between the texts of a list that is sent as one text. Names do not hold it, and JSON only in its escaped form."""


class ConnectionPool(Protocol):
    """Gives connections in autocommit mode, takes them back at the end of the block, and translates its errors."""

    def connection(self) -> AbstractContextManager[Connection]: ...


class Database:
    """Runs statements. Raises only errors of :mod:`core.errors`."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def rows(self, statement: LiteralString, **parameters: object) -> Sequence[Row]:
        """Run one statement; its rows."""
        with self._pool.connection() as connection:
            return Statements(connection).rows(statement, **parameters)

    def row(self, statement: LiteralString, **parameters: object) -> Row | None:
        """Run one statement that gives a row or none."""
        with self._pool.connection() as connection:
            return Statements(connection).row(statement, **parameters)

    def tuples(self, statement: LiteralString, parameters: Parameters) -> Sequence[tuple[Any, ...]]:
        """:meth:`rows` as plain tuples, for statements that every task goes through."""
        with self._pool.connection() as connection:
            return Statements(connection).tuples(statement, parameters)

    def execute(self, statement: LiteralString, **parameters: object) -> None:
        """Run one statement that gives no rows."""
        with self._pool.connection() as connection:
            connection.execute(statement, parameters)

    def count(self, statement: LiteralString, **parameters: object) -> int:
        """Run one statement that gives no rows; how many it changed."""
        with self._pool.connection() as connection:
            return Statements(connection).count(statement, **parameters)

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """Statements that happen together or not at all."""
        with self._pool.connection() as connection, connection.transaction():
            yield Statements(connection)


class Statements:
    """Statements on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: LiteralString, **parameters: object) -> Sequence[Row]:
        return _cursor(self._connection, namedtuple_row).execute(statement, parameters).fetchall()

    def row(self, statement: LiteralString, **parameters: object) -> Row | None:
        return _cursor(self._connection, namedtuple_row).execute(statement, parameters).fetchone()

    def tuples(self, statement: LiteralString, parameters: Parameters) -> Sequence[tuple[Any, ...]]:
        return _cursor(self._connection, tuple_row).execute(statement, parameters).fetchall()

    def count(self, statement: LiteralString, **parameters: object) -> int:
        """Run a statement that gives no rows; how many it changed."""
        return self._connection.execute(statement, parameters).rowcount


def _cursor(connection: Connection, factory: RowFactory[Row]) -> Cursor[Row]:
    return connection.cursor(row_factory=factory)


def lists(**columns: Sequence[object]) -> dict[str, object]:
    """Lists of one length as one text each, and the separator at which ``string_to_array`` splits them."""
    separator = SEPARATOR
    texts = {name: separator.join(map(str, values)) for name, values in columns.items()}
    if any(text.count(separator) >= max(1, len(columns[name])) for name, text in texts.items()):
        held = "".join(texts.values())
        separator = next(other for other in map("\x1f{}\x1e".format, count()) if other not in held)
        texts = {name: separator.join(map(str, values)) for name, values in columns.items()}
    return {**texts, "sep": separator}
