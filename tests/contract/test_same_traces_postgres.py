"""The store in memory and PostgreSQL side by side: the same steps, the same answers, the same state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from core.ports import StateStore
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.same_traces import SameTracesMachine
from testing.contracts.state_store import StateStoreContract
from testing.contracts.twin_stores import TwinStores
from testing.mock_state import MockStateManager
from tests.support.postgres import Database, Server
from tests.support.postgres_store import pool_to

SIZE = settings(max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def pool(postgres_server: Server) -> Iterator[ConnectionPoolManager]:
    with pool_to(postgres_server.shared.url) as opened:
        yield opened


def test_random_steps_leave_the_same_traces(postgres_database: Database, pool: ConnectionPoolManager) -> None:
    class Machine(SameTracesMachine):
        def make_stores(self) -> tuple[StateStore, StateStore]:
            postgres_database.reset()
            return MockStateManager(), PostgresStateStore(pool)

    run_state_machine_as_test(Machine, settings=SIZE)


class TestTwins(StateStoreContract):
    """What the contract looks at is alike in both stores down to what it does not assert."""

    @pytest.fixture
    def store(self, postgres_database: Database, pool: ConnectionPoolManager) -> StateStore:
        return TwinStores.of(MockStateManager(), PostgresStateStore(pool))
