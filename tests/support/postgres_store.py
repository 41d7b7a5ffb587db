"""The state store on PostgreSQL for tests, through the pool and the settings that production has."""

from __future__ import annotations

from infrastructure.postgres.connection import ConnectionSource
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.settings import Settings


def pool_to(url: str, *, maximum: int = 4, **settings: str) -> ConnectionPoolManager:
    """A pool that opens when it is used; to be closed. ``settings`` are environment variables in lower case."""
    given = {name.upper(): value for name, value in settings.items()}
    return ConnectionPoolManager(source_of(url, **given), min_size=1, max_size=maximum)


def source_of(url: str, **settings: str) -> ConnectionSource:
    """``settings`` are environment variables."""
    return ConnectionSource.from_settings(Settings.from_environment({"DATABASE_URL": url, **settings}))
