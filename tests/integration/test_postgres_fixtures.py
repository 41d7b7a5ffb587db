"""The databases that tests are given: empty each time, apart from one another, and gone at the end."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.postgres import NOT_DURABLE, EmbeddedPostgres
from tests.support.postgres import MANY_ROWS, Database, Server, server_for_tests

TABLES = """
    CREATE TABLE kept (version int);
    INSERT INTO kept VALUES (1);
    CREATE SCHEMA other;
    CREATE TABLE "odd; name" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
    CREATE TABLE other.child (parent bigint REFERENCES "odd; name" (id));
    CREATE SEQUENCE used;
    SELECT nextval('used'), nextval('used');
"""
FILL = """
    INSERT INTO "odd; name" DEFAULT VALUES;
    INSERT INTO other.child VALUES (1);
    UPDATE kept SET version = 1;
    SELECT nextval('used');
"""


def run(url: str, script: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())


def number(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return int(found[0])


@pytest.fixture
def database(blank_postgres_database: Database) -> Database:
    """With the tables above."""
    run(blank_postgres_database.url, TABLES)
    blank_postgres_database.remember()
    return blank_postgres_database


def test_a_reset_empties_what_was_empty_and_leaves_the_rest(database: Database) -> None:
    run(database.url, FILL)

    database.reset()

    assert number(database.url, 'SELECT count(*) FROM "odd; name"') == 0
    assert number(database.url, "SELECT count(*) FROM other.child") == 0
    assert number(database.url, "SELECT version FROM kept") == 1


def test_sequences_stand_where_they_stood(database: Database) -> None:
    run(database.url, FILL)

    database.reset()

    assert number(database.url, 'INSERT INTO "odd; name" DEFAULT VALUES RETURNING id') == 1
    assert number(database.url, "SELECT nextval('used')") == 3


def test_a_reset_after_many_rows_gives_their_space_back(database: Database) -> None:
    run(database.url, f"INSERT INTO other.child SELECT NULL FROM generate_series(0, {MANY_ROWS})")

    database.reset()

    assert number(database.url, "SELECT pg_relation_size('other.child')") == 0


def test_what_an_earlier_test_left_open_is_ended_and_idle_sessions_stay(database: Database) -> None:
    with (
        psycopg.connect(database.url) as idle,
        psycopg.connect(database.url) as locking,
        psycopg.connect(database.url, autocommit=True) as advising,
    ):
        idle.commit()
        locking.execute("INSERT INTO other.child VALUES (NULL)")
        advising.execute("SELECT pg_advisory_lock(1)")

        database.reset()

        assert idle.execute("SELECT 1").fetchone() == (1,)
        for ended in (locking, advising):
            with pytest.raises(psycopg.OperationalError):
                ended.execute("SELECT 1")


def test_a_database_without_tables_can_be_reset(blank_postgres_database: Database) -> None:
    blank_postgres_database.reset()

    assert number(blank_postgres_database.url, "SELECT count(*) FROM pg_stat_user_tables") == 0


def test_the_migrated_database_is_empty_though_a_test_before_wrote_to_it(
    postgres_database: Database, postgres_server: Server
) -> None:
    run(postgres_database.url, "INSERT INTO coremachine.jobs VALUES ('a', 'acme', NULL, 1)")

    postgres_server.shared.reset()

    assert number(postgres_database.url, "SELECT count(*) FROM coremachine.jobs") == 0


def test_a_database_of_its_own_has_the_schema_and_is_another(
    own_postgres_database: Database, postgres_database: Database
) -> None:
    assert number(own_postgres_database.url, "SELECT count(*) FROM coremachine.jobs") == 0
    assert own_postgres_database.name != postgres_database.name


def test_a_server_that_is_named_is_used_and_left_as_it_was() -> None:
    databases = "SELECT count(*) FROM pg_database"
    with EmbeddedPostgres(settings=NOT_DURABLE, port=0) as theirs:
        before = number(theirs.uri, databases)
        with server_for_tests(theirs.uri) as server:
            made = server.create(migrated=False)
            assert number(made.url, "SELECT inet_server_port()") == number(theirs.uri, "SELECT inet_server_port()")
            assert number(theirs.uri, databases) == before + 1
        assert number(theirs.uri, databases) == before


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("postgresql://u:p%40@h:1/db?sslmode=disable", "postgresql://u:p%40@h:1/x?sslmode=disable"),
        ("postgresql://u@/db?host=%2Frun&port=1", "postgresql://u@/x?host=%2Frun&port=1"),
        ("host=h dbname=db user=u", "host=h dbname=x user=u"),
    ],
)
def test_the_url_of_a_database_keeps_the_rest_of_the_servers(
    postgres_server: Server, named: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "url", named)

    assert conninfo_to_dict(postgres_server.url_of("x")) == conninfo_to_dict(expected)
