"""Settings and fixtures that all tests share."""

import gc

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres import (
    blank_postgres_database,
    own_postgres_database,
    postgres_database,
    postgres_server,
)

__all__ = ["blank_postgres_database", "own_postgres_database", "postgres_database", "postgres_server"]

# The same examples every time: a test run that fails can be repeated, and one that passes does not fail tomorrow.
settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgres: asks for the PostgreSQL of the run; set by itself, for -m postgres")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


def pytest_collection_finish() -> None:
    """Modules and thousands of tests stay to the end: no collection of garbage has to walk them again."""
    gc.collect()
    gc.freeze()
