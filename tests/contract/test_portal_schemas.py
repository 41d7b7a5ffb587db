"""Portal schemas in memory and on PostgreSQL, test for test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, LiteralString

import psycopg
import pytest

from core.errors import StoreInconsistent
from handlers.portal.memory_schemas import MemoryPortalSchemas
from handlers.portal.schema_store import PortalSchemaStore
from handlers.portal.seed import SEED
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.portal_schemas import PostgresPortalSchemas
from testing.contracts.portal_schemas import CREATORS, PortalSchemaStoreContract
from tests.support.postgres import Database, Server
from tests.support.postgres_store import pool_to


class TestMemoryPortalSchemas(PortalSchemaStoreContract):
    @pytest.fixture
    def schemas(self) -> PortalSchemaStore:
        return MemoryPortalSchemas()


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> Iterator[Database]:
    with closing(postgres_server.create()) as database:
        yield database


@pytest.fixture(scope="module")
def pool(database: Database) -> Iterator[ConnectionPoolManager]:
    with pool_to(database.url, maximum=CREATORS) as pool:
        yield pool


AS_AT_THE_START = """
    ALTER TABLE coremachine.portal_schemas DISABLE TRIGGER USER;
    DELETE FROM coremachine.portal_schemas WHERE version > 1 OR name <> ALL (%(names)s);
    UPDATE coremachine.portal_schemas SET status = 'active' WHERE status <> 'active';
    ALTER TABLE coremachine.portal_schemas ENABLE TRIGGER USER;
"""


class TestPostgresPortalSchemas(PortalSchemaStoreContract):
    @pytest.fixture
    def schemas(self, database: Database, pool: ConnectionPoolManager) -> PortalSchemaStore:
        with psycopg.connect(database.url) as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(AS_AT_THE_START, {"names": [schema.name for schema in SEED]})
        return PostgresPortalSchemas(pool)


@pytest.fixture
def rows(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.url) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE coremachine.portal_schemas SET definition = definition || '{\"min_kb\": 1}'",
        "UPDATE coremachine.portal_schemas SET name = 'another' WHERE name = 'NEET 2026'",
        "UPDATE coremachine.portal_schemas SET version = version + 1",
        "UPDATE coremachine.portal_schemas SET id = gen_random_uuid()",
        "UPDATE coremachine.portal_schemas SET status = 'deprecated', definition = '{}'",
        "DELETE FROM coremachine.portal_schemas",
        "TRUNCATE coremachine.portal_schemas",
    ],
)
def test_the_database_refuses_to_change_a_version(rows: psycopg.Connection[Any], change: LiteralString) -> None:
    with pytest.raises(psycopg.errors.RestrictViolation, match="make another version"):
        rows.execute(change)


def test_what_another_wrote_into_the_table_is_told_from_a_schema(
    own_postgres_database: Database,
) -> None:
    with psycopg.connect(own_postgres_database.url) as connection:
        connection.execute(
            "INSERT INTO coremachine.portal_schemas (name, version, id, status, definition)"
            " VALUES ('By hand', 1, gen_random_uuid(), 'active', '{\"target_width\": 0}')"
        )

    with pool_to(own_postgres_database.url) as pool, pytest.raises(StoreInconsistent):
        PostgresPortalSchemas(pool).latest("By hand")


def test_the_database_does_not_make_a_deprecated_version_active_again(rows: psycopg.Connection[Any]) -> None:
    rows.execute("UPDATE coremachine.portal_schemas SET status = 'deprecated' WHERE name = 'NEET 2026'")

    with pytest.raises(psycopg.errors.RestrictViolation):
        rows.execute("UPDATE coremachine.portal_schemas SET status = 'active' WHERE name = 'NEET 2026'")
