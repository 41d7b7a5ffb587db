"""Migrations on a real server: once each, in order, by many at the same time, and never halfway."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from core.errors import StoreInconsistent, StoreMisconfigured, StoreReadOnly, StoreSchemaMismatch, StoreUnavailable
from core.listing import NewDeadLetter
from infrastructure.postgres.migrations import Migration, check_schema, main, migrate, read_migrations
from infrastructure.postgres.store import PostgresStateStore
from local.postgres import EmbeddedPostgres
from tests.support.postgres import Database, Server
from tests.support.postgres_store import pool_to
from tests.support.schema_file import SCHEMA_FILE, catalog

Connection = psycopg.Connection[Any]

FIRST = Migration(1, "0001_first", "CREATE TABLE coremachine.first (a int); CREATE TABLE coremachine.more ();")
SECOND = Migration(2, "0002_second", "ALTER TABLE coremachine.first ADD b int; -- 100 %")
BROKEN = Migration(3, "0003_broken", "CREATE TABLE coremachine.third (); SELECT 1 / 0;")


@pytest.fixture
def connection(blank_postgres_database: Database) -> Iterator[Connection]:
    with closing(psycopg.connect(blank_postgres_database.url)) as connection:
        yield connection


@pytest.fixture(scope="module")
def migrated(postgres_server: Server) -> Iterator[Connection]:
    """For changes that are rolled back."""
    with (
        closing(postgres_server.create(migrated=False)) as database,
        psycopg.connect(database.url, autocommit=True) as connection,
    ):
        migrate(connection, [FIRST])
        yield connection


def tables(connection: Connection) -> list[str]:
    return [name for kind, name, _ in catalog(connection) if kind == "relation" and not name.endswith("_pkey")]


def test_what_is_missing_is_applied_once_and_in_order(connection: Connection) -> None:
    assert migrate(connection, [FIRST]) == ("0001_first",)
    assert migrate(connection, [FIRST, SECOND]) == ("0002_second",)
    assert migrate(connection, [FIRST, SECOND]) == ()

    assert tables(connection) == ["coremachine.first", "coremachine.more", "coremachine.schema_migrations"]
    check_schema(connection, [FIRST, SECOND])


def test_letters_that_were_known_by_their_ids_stay_and_others_of_those_ids_are_taken(
    blank_postgres_database: Database, connection: Connection
) -> None:
    letter = NewDeadLetter("tasks", "m", "task", b"one", "reason", "")
    migrate(connection, read_migrations()[:1])
    with connection.transaction():
        connection.execute(
            "INSERT INTO coremachine.dead_letters"
            " (queue, message_id, message_type, body, reason, description, recorded_at)"
            " VALUES ('tasks', 'm', 'task', 'one', 'reason', '', now())"
        )

    migrate(connection)

    with pool_to(blank_postgres_database.url) as pool:
        store = PostgresStateStore(pool)
        assert store.record_dead_letters([letter, replace(letter, body=b"two")], datetime.now(UTC)) == 1
        assert [record.letter.body for record in store.list_dead_letters(0, 10)] == [b"one", b"two"]


def test_the_connection_is_given_back_in_the_mode_that_it_was_in(connection: Connection) -> None:
    migrate(connection, [FIRST])

    assert connection.autocommit is False
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_any_number_may_start_at_once(blank_postgres_database: Database, isolation: str) -> None:
    together = Barrier(6)

    def start(_: int) -> tuple[str, ...]:
        with closing(psycopg.connect(blank_postgres_database.url, autocommit=True)) as connection:
            connection.execute(f"SET default_transaction_isolation = '{isolation}'".encode())
            together.wait(30)
            return migrate(connection, [FIRST, SECOND])

    with ThreadPoolExecutor(6) as threads:
        applied = [name for names in threads.map(start, range(6)) for name in names]

    assert sorted(applied) == ["0001_first", "0002_second"]


def test_a_migration_that_fails_changes_nothing_and_is_named(connection: Connection) -> None:
    with pytest.raises(StoreInconsistent, match="0003_broken was not applied"):
        migrate(connection, [FIRST, SECOND, BROKEN])

    assert "coremachine.third" not in tables(connection)
    check_schema(connection, [FIRST, SECOND])


def test_a_schema_that_is_older_is_refused_until_it_is_migrated(connection: Connection) -> None:
    for wanted, missing in (([FIRST], 1), ([FIRST, SECOND], 1)):
        with pytest.raises(StoreSchemaMismatch, match=r"python -m infrastructure\.postgres\.migrations") as caught:
            check_schema(connection, wanted)
        assert caught.value.details == {"missing": missing}
        migrate(connection, wanted)
        check_schema(connection, wanted)


@pytest.mark.parametrize("function", [migrate, check_schema])
def test_a_schema_that_is_newer_is_refused(connection: Connection, function: Any) -> None:
    migrate(connection, [FIRST, SECOND])

    with pytest.raises(StoreSchemaMismatch, match="newer than the code: the database has 0002_second"):
        function(connection, [FIRST])


@pytest.mark.parametrize("function", [migrate, check_schema])
@pytest.mark.parametrize(
    "other", [Migration(1, "0001_first", FIRST.statements + " "), Migration(1, "0001_renamed", FIRST.statements)]
)
def test_a_file_that_was_changed_after_it_was_applied_is_refused(
    connection: Connection, function: Any, other: Migration
) -> None:
    migrate(connection, [FIRST])

    with pytest.raises(StoreSchemaMismatch, match=f"{other.name} is not what was applied"):
        function(connection, [other, SECOND])
    assert migrate(connection, [FIRST]) == ()


def test_a_table_in_the_way_is_another_schema(connection: Connection) -> None:
    connection.execute("CREATE SCHEMA coremachine")
    connection.execute("CREATE TABLE coremachine.first ()")
    connection.commit()

    with pytest.raises(StoreSchemaMismatch, match="0001_first was not applied"):
        migrate(connection, [FIRST])


def test_where_nothing_is_missing_no_right_to_create_is_needed(stoppable_server: EmbeddedPostgres) -> None:
    with psycopg.connect(stoppable_server.uri, autocommit=True) as owner:
        migrate(owner, [FIRST])
        try:
            owner.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
            owner.execute("GRANT USAGE ON SCHEMA coremachine TO app")
            owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA coremachine TO app")
            with psycopg.connect(make_conninfo(stoppable_server.uri, user="app", password="app")) as connection:
                assert migrate(connection, [FIRST]) == ()
                check_schema(connection, [FIRST])
                with pytest.raises(StoreMisconfigured, match=r"0002_second was not applied: .* privilege"):
                    migrate(connection, [FIRST, SECOND])
        finally:
            owner.execute("DROP SCHEMA coremachine CASCADE")
            owner.execute("DROP OWNED BY app")
            owner.execute("DROP ROLE app")


def test_a_read_only_database_says_so(connection: Connection) -> None:
    connection.execute("SET default_transaction_read_only = on")
    connection.commit()

    with pytest.raises(StoreReadOnly):
        migrate(connection, [FIRST])


def test_a_database_that_cannot_hold_every_text_is_refused(stoppable_server: EmbeddedPostgres) -> None:
    with psycopg.connect(stoppable_server.uri, autocommit=True) as admin:
        admin.execute("CREATE DATABASE narrow TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with (
        closing(psycopg.connect(make_conninfo(stoppable_server.uri, dbname="narrow"))) as connection,
        pytest.raises(StoreMisconfigured, match="LATIN1"),
    ):
        migrate(connection, [FIRST])


def test_a_session_that_ends_meanwhile_leaves_nothing_half_done(
    connection: Connection, blank_postgres_database: Database
) -> None:
    deadly = Migration(2, "0002_deadly", "CREATE TABLE coremachine.t (); SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(StoreUnavailable):
        migrate(connection, [FIRST, deadly])

    with closing(psycopg.connect(blank_postgres_database.url)) as again:
        check_schema(again, [FIRST])
        assert "coremachine.t" not in tables(again)


def test_the_schema_file_is_what_the_migrations_come_to(
    own_postgres_database: Database, blank_postgres_database: Database
) -> None:
    with closing(psycopg.connect(blank_postgres_database.url)) as connection:
        connection.execute(SCHEMA_FILE.read_bytes())
        written = catalog(connection)
    with closing(psycopg.connect(own_postgres_database.url)) as connection:
        replayed = catalog(connection)

    assert written == replayed, "run python -m tests.support.schema_file"
    assert len(replayed) > 100


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {} ADD extra int",
        "ALTER TABLE {} ALTER version SET DEFAULT 1",
        "ALTER TABLE {} ALTER name TYPE varchar(80)",
        "ALTER TABLE {} ALTER name DROP NOT NULL",
        "ALTER TABLE {} ALTER name SET STORAGE EXTERNAL",
        "ALTER TABLE {} ADD CONSTRAINT short CHECK (length(name) < 80)",
        "ALTER TABLE {} SET (fillfactor = 50)",
        "ALTER TABLE {} SET UNLOGGED",
        "CREATE INDEX extra ON {} (name)",
        "COMMENT ON TABLE {} IS 'said'",
        "CREATE SEQUENCE coremachine.extra OWNED BY {}.version",
        "CREATE VIEW coremachine.extra AS SELECT 1 AS one FROM {}",
        "CREATE FUNCTION coremachine.extra() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM {}'",
        "CREATE TYPE coremachine.extra AS ENUM ('{}')",
        "CREATE STATISTICS coremachine.extra ON version, name FROM {}",
    ],
)
def test_a_difference_between_two_schemas_shows(migrated: Connection, change: str) -> None:
    before = catalog(migrated)
    with migrated.transaction(force_rollback=True):
        migrated.execute(change.format("coremachine.schema_migrations").encode())

        assert catalog(migrated) != before
    assert catalog(migrated) == before


def test_the_command_applies_and_checks(blank_postgres_database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"DATABASE_URL": blank_postgres_database.url}
    newest = read_migrations()[-1].name

    assert main(["--check"], environment) == 1
    assert "STORE_SCHEMA_MISMATCH: the schema is older" in capsys.readouterr().err
    assert main([], environment) == 0
    assert capsys.readouterr().out.splitlines() == [
        *(f"applied {migration.name}" for migration in read_migrations()),
        f"the schema is that of {newest}",
    ]
    assert main(["--check"], environment) == 0
    assert capsys.readouterr().out == f"the schema is that of {newest}\n"
