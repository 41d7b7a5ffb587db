"""The state store's contract on PostgreSQL, test for test, through the pool that production has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.ports import StateStore
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.state_store import StateStoreContract
from tests.support.postgres import Database, Server
from tests.support.postgres_store import pool_to


@pytest.fixture(scope="module")
def pool(postgres_server: Server) -> Iterator[ConnectionPoolManager]:
    with pool_to(postgres_server.shared.url) as opened:
        yield opened


class TestPostgresStateStore(StateStoreContract):
    @pytest.fixture
    def store(self, postgres_database: Database, pool: ConnectionPoolManager) -> StateStore:
        return PostgresStateStore(pool)
