"""What the store really sends, and the plans that PostgreSQL makes for it without looking at the parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer

from infrastructure.postgres.connection import Connection
from infrastructure.postgres.store import PostgresStateStore
from tests.support.postgres_store import source_of
from tests.support.stepped import OneConnection

_NUMBERS = count(1)
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class Recorder:
    """A store on a session of its own, and the statements that it sent, each with its last parameters."""

    def __init__(self, url: str) -> None:
        self.sent: dict[str, Mapping[str, object]] = {}
        sent = self.sent

        class RecordingCursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                if isinstance(params, Mapping):
                    sent[query] = params
                return super().execute(query, params, **options)

        self.connection = source_of(url).connect()
        self.connection.cursor_factory = RecordingCursor
        self.store = PostgresStateStore(OneConnection(self.connection))


class Prepared:
    """A statement prepared on a session, with a plan for any parameters."""

    def __init__(self, connection: Connection, statement: str, parameters: Mapping[str, object]) -> None:
        self._connection = connection
        self._name = f"prepared_{next(_NUMBERS)}"
        names = list(dict.fromkeys(_PLACEHOLDER.findall(statement)))
        numbered = _PLACEHOLDER.sub(lambda found: f"${names.index(found[1]) + 1}", statement).replace("%%", "%")
        types = ", ".join(self._type(parameters[name]) for name in names)
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(f"PREPARE {self._name} ({types}) AS {numbered}".encode())

    def executed(self, parameters: Mapping[str, object], statement: str) -> Mapping[str, Any]:
        """The plan's root with what it touched, when it was executed and undone."""
        self._connection.execute("SAVEPOINT executed")
        try:
            return self.plan(parameters, statement, ", ANALYZE, BUFFERS")
        finally:
            # Behind psycopg's back, which forgets what is prepared when it sees this.
            self._connection.pgconn.exec_(b"ROLLBACK TO executed")

    def plan(self, parameters: Mapping[str, object], statement: str, options: str = "") -> Mapping[str, Any]:
        """The plan's root, as EXPLAIN tells it."""
        names = dict.fromkeys(_PLACEHOLDER.findall(statement))
        transformer = Transformer.from_context(self._connection)
        values = ", ".join(bytes(transformer.as_literal(parameters[name])).decode() for name in names)
        query = f"EXPLAIN (FORMAT JSON{options}) EXECUTE {self._name} ({values})"
        row = self._connection.execute(query.encode()).fetchone()
        assert row is not None
        root: Mapping[str, Any] = row[0][0]["Plan"]
        return root

    def _type(self, value: object) -> str:
        if value is None:
            return "unknown"
        transformer = Transformer.from_context(self._connection)
        oid = transformer.get_dumper(value, PyFormat.AUTO).oid
        if isinstance(value, (int, list)):
            oid = transformer.get_dumper(value, PyFormat.AUTO).upgrade(value, PyFormat.AUTO).oid
        found = self._connection.adapters.types.get(oid)
        if found is None:
            return "unknown"
        return f"{found.regtype}[]" if oid == found.array_oid else found.regtype


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
