"""What a real server refuses arrives as an error of ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.errors import (
    CapacityExceeded,
    CoreMachineError,
    StoreBusy,
    StoreInconsistent,
    StoreMisconfigured,
    StoreReadOnly,
    StoreSchemaMismatch,
    StoreUnavailable,
    TextNotStorable,
)
from infrastructure.postgres.connection import Connection, ConnectionSource
from infrastructure.postgres.errors import translated
from infrastructure.settings import Settings
from local.postgres import EmbeddedPostgres
from tests.support.postgres import Database, Server

Connect = Callable[[], Connection]

SHORT = {"DATABASE_STATEMENT_TIMEOUT_SECONDS": "0.2", "DATABASE_LOCK_TIMEOUT_SECONDS": "0.05"}
TABLE = """
    CREATE TABLE public.items (id int PRIMARY KEY, number int CONSTRAINT positive CHECK (number > 0), note jsonb);
    INSERT INTO public.items VALUES (1, 1), (2, 2);
"""


def source(url: str, **environment: str) -> ConnectionSource:
    return ConnectionSource.from_settings(Settings.from_environment({"DATABASE_URL": url} | environment))


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[Database]:
    made = postgres_server.create(migrated=False)
    with psycopg.connect(made.url) as connection:
        connection.execute(TABLE)
    yield made
    made.close()


@pytest.fixture
def connect(database: Database) -> Iterator[Connect]:
    """Makes connections that are closed at the end."""
    made: list[Connection] = []

    def connect() -> Connection:
        made.append(source(database.url, **SHORT).connect())
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def refusal(connection: Connection, statement: str, *parameters: object) -> CoreMachineError:
    with pytest.raises(CoreMachineError) as caught, translated():
        connection.execute(statement.encode(), parameters or None)
    assert isinstance(caught.value.__cause__, psycopg.Error | UnicodeEncodeError)
    return caught.value


@pytest.mark.parametrize(
    ("statement", "parameters", "expected"),
    [
        ("INSERT INTO public.items VALUES (1, 1)", (), StoreInconsistent),
        ("INSERT INTO public.items VALUES (3, -1)", (), StoreInconsistent),
        ("SELECT 1 / 0", (), StoreInconsistent),
        ("SELEC 1", (), StoreInconsistent),
        ("SELECT * FROM items", (), StoreSchemaMismatch),
        ("SELECT * FROM coremachine.runs", (), StoreSchemaMismatch),
        ("SELECT colour FROM public.items", (), StoreSchemaMismatch),
        ("SELECT %s::text", ("a\0b",), TextNotStorable),
        ("SELECT %s::text", ("a\ud800b",), TextNotStorable),
        ("SELECT %s::jsonb", ('"\\u0000"',), TextNotStorable),
        ("SELECT %s::jsonb", ('"\\ud800"',), TextNotStorable),
        ("SELECT repeat('x', 2000000000)", (), CapacityExceeded),
        ("SELECT pg_sleep(60)", (), StoreBusy),
        ("SELECT pg_terminate_backend(pg_backend_pid())", (), StoreUnavailable),
    ],
)
def test_what_a_statement_can_meet(
    connect: Connect, statement: str, parameters: tuple[object, ...], expected: type[CoreMachineError]
) -> None:
    assert type(refusal(connect(), statement, *parameters)) is expected


def test_the_constraint_is_named(connect: Connect) -> None:
    found = refusal(connect(), "INSERT INTO public.items VALUES (3, -1)")

    assert found.details == {"sqlstate": "23514", "constraint": "positive"}


def test_a_lock_is_not_waited_for_without_end(connect: Connect) -> None:
    holder, waiter = connect(), connect()
    with holder.transaction():
        holder.execute("UPDATE public.items SET number = 5 WHERE id = 1")
        found = refusal(waiter, "UPDATE public.items SET number = 6 WHERE id = 1")

    assert type(found) is StoreBusy
    assert "DATABASE_LOCK_TIMEOUT_SECONDS" in found.message


def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(database: Database) -> None:
    errors: list[CoreMachineError] = []
    both = threading.Barrier(2)

    def lock(first: int, second: int) -> None:
        connection = source(database.url).connect()
        try:
            with translated(), connection.transaction():
                connection.execute("UPDATE public.items SET number = 7 WHERE id = %s", [first])
                both.wait(10)
                connection.execute("UPDATE public.items SET number = 7 WHERE id = %s", [second])
        except CoreMachineError as error:
            errors.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=lock, args=(2, 1))
    other.start()
    lock(1, 2)
    other.join(10)

    assert [(type(error), error.details["sqlstate"]) for error in errors] == [(StoreBusy, "40P01")]


def test_a_serialization_failure_is_told_to_try_again(connect: Connect) -> None:
    first, second = connect(), connect()
    with first.transaction(force_rollback=True):
        first.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        first.execute("SELECT * FROM public.items")
        second.execute("UPDATE public.items SET number = 8 WHERE id = 1")
        found = refusal(first, "UPDATE public.items SET number = 9 WHERE id = 1")

    assert (type(found), found.details["sqlstate"]) == (StoreBusy, "40001")


def test_a_read_only_database_says_so(connect: Connect) -> None:
    connection = connect()
    connection.execute("SET default_transaction_read_only = on")

    assert type(refusal(connection, "INSERT INTO public.items VALUES (4, 4)")) is StoreReadOnly
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_privilege_that_is_missing_says_so(stoppable_server: EmbeddedPostgres) -> None:
    with source(stoppable_server.uri).connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE nobody_yet")
        connection.execute("SET LOCAL ROLE nobody_yet")
        found = refusal(connection, "SELECT * FROM pg_authid")

    assert type(found) is StoreMisconfigured


def test_a_session_that_was_ended_is_a_store_that_does_not_answer(connect: Connect) -> None:
    connection, other = connect(), connect()
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])

    assert [type(refusal(connection, "SELECT 1")) for _ in range(2)] == [StoreUnavailable] * 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password": "hunter2"}, StoreMisconfigured),
        ({"user": "nobody_we_know"}, StoreMisconfigured),
        ({"dbname": "no_such_database"}, StoreMisconfigured),
        ({"sslmode": "require"}, StoreMisconfigured),
        ({"options": "-c no_such_setting=1"}, StoreMisconfigured),
        ({"port": "1"}, StoreUnavailable),
        ({"host": "no-such-host.invalid"}, StoreUnavailable),
        ({"port": "none"}, StoreMisconfigured),
        ({"connect_timeout": "soon"}, StoreMisconfigured),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_connection_that_is_refused(
    stoppable_server: EmbeddedPostgres, changes: dict[str, str], expected: type[CoreMachineError]
) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        source(make_conninfo(stoppable_server.uri, **changes)).connect()

    assert type(caught.value) is expected
    assert "hunter2" not in f"{caught.value} {caught.value.details}"


def test_a_session_begins_as_it_should(connect: Connect) -> None:
    connection = connect()
    settings = ("timezone", "search_path", "default_transaction_isolation", "client_encoding", "application_name")

    found = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in settings]

    assert found == [("UTC",), ("pg_catalog",), ("read committed",), ("UTF8",), ("coremachine",)]
    assert connection.autocommit
