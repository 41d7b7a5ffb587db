"""A server of their own for the tests that stop it, or that sign in with a password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.postgres import NOT_DURABLE, EmbeddedPostgres


@pytest.fixture(scope="session")
def _stoppable() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(settings=NOT_DURABLE, port=0) as server:
        yield server


@pytest.fixture
def stoppable_server(_stoppable: EmbeddedPostgres) -> EmbeddedPostgres:
    """One that runs at the start of each test, and asks for a password."""
    _stoppable.start()
    return _stoppable
