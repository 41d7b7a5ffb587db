"""The token cache on a real server: the token is a password, and ALTER ROLE makes the old one end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from azure.core.credentials import AccessToken
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier, Literal

from core.errors import StoreMisconfigured
from infrastructure.postgres.connection import ENTRA_SCOPE, ConnectionSource
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.settings import Settings
from infrastructure.tokens import TokenCache
from local.postgres import EmbeddedPostgres
from testing.clock import FakeClock

HOUR = 3_600.0
ROLE = "token_bearer"


class PasswordCredential:
    """Each token is a new password of the role; only the newest signs in."""

    def __init__(self, admin: psycopg.Connection, clock: FakeClock) -> None:
        self._admin = admin
        self._clock = clock
        self.given = 0

    def get_token(self, *_scopes: str, **_wishes: Any) -> AccessToken:
        self.given += 1
        password = secrets.token_hex(16)
        self._admin.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(ROLE), Literal(password)))
        return AccessToken(password, int(self._clock.now().timestamp() + HOUR))


@pytest.fixture(scope="module")
def strict_server() -> Iterator[EmbeddedPostgres]:
    """A server that asks the role for its password, also on this machine."""
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.uri, autocommit=True) as admin:
            admin.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(ROLE)))
        rules = server.data_directory / "pg_hba.conf"
        text = rules.read_text("utf-8")
        rules.write_text(f"local all {ROLE} scram-sha-256\nhost all {ROLE} all scram-sha-256\n{text}", "utf-8")
        with psycopg.connect(server.uri, autocommit=True) as admin:
            admin.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def admin(strict_server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(strict_server.uri, autocommit=True) as connection:
        yield connection


def source_of(server: EmbeddedPostgres, cache: TokenCache) -> ConnectionSource:
    url = make_conninfo(server.uri, user=ROLE, password="")
    settings = Settings.from_environment({"DATABASE_URL": url, "DATABASE_AUTH": "entra"})
    return ConnectionSource.from_settings(settings, credential=cache)


def pid(connection: psycopg.Connection) -> object:
    return connection.execute("SELECT pg_backend_pid()").fetchall()


def test_work_in_flight_goes_on_while_new_connections_sign_in_with_the_new_token(
    strict_server: EmbeddedPostgres, admin: psycopg.Connection
) -> None:
    clock = FakeClock()
    credential = PasswordCredential(admin, clock)
    cache = TokenCache(clock, lambda: credential)
    pool = ConnectionPoolManager(source_of(strict_server, cache), min_size=1, max_size=2)
    cache.on_renewal(ENTRA_SCOPE, pool.recreate_pool)
    try:
        with pool.connection() as working, working.transaction():
            working.execute("CREATE TEMPORARY TABLE kept (n int) ON COMMIT DROP")
            working.execute("INSERT INTO kept VALUES (1)")
            first = cache.get_token(ENTRA_SCOPE).token
            clock.advance(HOUR - 360)
            cache.renew_due()

            assert cache.get_token(ENTRA_SCOPE).token != first
            assert working.execute("SELECT n FROM kept").fetchall() == [(1,)]
            with pool.connection() as new:
                assert pid(new) != pid(working)
        assert working.closed, "the connection of the old token was kept"
        assert credential.given == 2
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_conninfo(strict_server.uri, user=ROLE, password=first))
    finally:
        cache.close()
        pool.close()


def test_a_token_that_ended_early_is_replaced_by_hand(
    strict_server: EmbeddedPostgres, admin: psycopg.Connection
) -> None:
    clock = FakeClock()
    credential = PasswordCredential(admin, clock)
    cache = TokenCache(clock, lambda: credential)
    pool = ConnectionPoolManager(source_of(strict_server, cache), min_size=0, max_size=1)
    cache.on_renewal(ENTRA_SCOPE, pool.recreate_pool)
    try:
        cache.get_token(ENTRA_SCOPE)
        admin.execute(SQL("ALTER ROLE {} PASSWORD 'another'").format(Identifier(ROLE)))
        with pytest.raises(StoreMisconfigured), pool.connection():
            pass

        cache.refresh()
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        cache.close()
        pool.close()
