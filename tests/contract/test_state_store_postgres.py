"""The state store's contract on PostgreSQL, test for test, through the pool that production has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from core.ports import StateStore
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.state_machine import StateStoreMachine
from testing.contracts.state_store import StateStoreContract
from tests.support.postgres import Database, Server
from tests.support.postgres_store import pool_to

SIZE = settings(max_examples=20, stateful_step_count=60)


@pytest.fixture(scope="module")
def pool(postgres_server: Server) -> Iterator[ConnectionPoolManager]:
    with pool_to(postgres_server.shared.url) as opened:
        yield opened


class TestPostgresStateStore(StateStoreContract):
    @pytest.fixture
    def store(self, postgres_database: Database, pool: ConnectionPoolManager) -> StateStore:
        return PostgresStateStore(pool)


def test_random_steps_keep_the_invariants(postgres_database: Database, pool: ConnectionPoolManager) -> None:
    class OnPostgres(StateStoreMachine):
        def make_store(self) -> StateStore:
            postgres_database.reset()
            return PostgresStateStore(pool)

    run_state_machine_as_test(OnPostgres, settings=SIZE)
