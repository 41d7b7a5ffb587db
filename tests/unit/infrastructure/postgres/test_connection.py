"""Where connections go, who signs in and how: from settings alone, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from psycopg.conninfo import conninfo_to_dict

from core.errors import StoreMisconfigured, StoreUnavailable
from infrastructure.postgres.connection import (
    ENTRA_SCOPE,
    ConnectionSource,
    Token,
    is_local,
    tls_parameters,
    trusted_roots,
)
from infrastructure.settings import Settings, SettingsInvalid

SECRET = "hunter2"
REMOTE = f"postgresql://ann:{SECRET}@engine.postgres.database.azure.com/engine"


class FakeToken:
    def __init__(self, token: str) -> None:
        self.token = token


class FakeCredential:
    """Gives a new token each time, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._error = error

    def get_token(self, *scopes: str) -> Token:
        self.asked.append(scopes)
        if self._error is not None:
            raise self._error
        return FakeToken(f"token-{len(self.asked)}")


def source(**environment: str) -> ConnectionSource:
    return ConnectionSource.from_settings(Settings.from_environment(environment))


def entra(credential: FakeCredential, **environment: str) -> ConnectionSource:
    settings = Settings.from_environment({"DATABASE_URL": REMOTE, "DATABASE_AUTH": "entra"} | environment)
    return ConnectionSource.from_settings(settings, credential=credential)


def parameters(**environment: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(source(**environment).conninfo()).items()}


def test_a_url_names_all_of_it() -> None:
    found = parameters(DATABASE_URL="postgresql://ann:hunter2@db.example:6543/engine?connect_timeout=3")

    assert found["host"] == "db.example"
    assert (found["port"], found["dbname"], found["user"], found["password"]) == ("6543", "engine", "ann", SECRET)
    assert found["connect_timeout"] == "3"


def test_so_do_keywords_and_single_settings() -> None:
    named = parameters(
        POSTGRES_HOST="db.example",
        POSTGRES_PORT="6543",
        POSTGRES_DB="engine",
        POSTGRES_USER="ann",
        POSTGRES_PASSWORD="a b'c",
    )

    assert named == parameters(DATABASE_URL=r"host=db.example port=6543 dbname=engine user=ann password='a b\'c'")


def test_a_url_goes_before_single_settings_which_fill_it_up() -> None:
    found = parameters(DATABASE_URL="postgresql://ann@localhost/engine", POSTGRES_USER="bob", POSTGRES_PASSWORD=SECRET)

    assert (found["user"], found["password"]) == ("ann", SECRET)


def test_no_database_is_an_error_that_names_the_settings() -> None:
    with pytest.raises(SettingsInvalid, match="DATABASE_URL or POSTGRES_HOST"):
        source()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:hunter2 @h/d",
        "postgresql://ann:hunter2 x@h/d",
        "password hunter2",
        "host=h hunter2=1",
        "postgresql://h/d?hunter2=1",
        "host=h password='hunter2",
        "jdbc:postgresql://h/d?password=hunter2",
        "postgresql://ann:hunter2%zz@h/d",
        "postgresql://ann:hunter2\ud800@h/d",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="DATABASE_URL") as caught:
        source(DATABASE_URL=url)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert SECRET not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    settings = Settings.from_environment({"DATABASE_URL": REMOTE, "POSTGRES_PASSWORD": SECRET})

    assert SECRET not in repr(ConnectionSource.from_settings(settings)) + repr(settings) + str(settings)


def test_each_session_has_its_limits_and_its_ways() -> None:
    found = parameters(DATABASE_URL=REMOTE, DATABASE_STATEMENT_TIMEOUT_SECONDS="1.5")

    assert (
        "-c statement_timeout=1500 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000"
        in (found["options"])
    )
    assert (
        r"-c timezone=UTC -c search_path=pg_catalog -c default_transaction_isolation=read\ committed"
        in (found["options"])
    )
    assert found["application_name"] == "coremachine"
    assert found["client_encoding"] == "UTF8"
    assert {"keepalives_idle", "tcp_user_timeout", "connect_timeout"} <= set(found)


def test_a_limit_is_never_rounded_to_none() -> None:
    assert "lock_timeout=1 " in parameters(DATABASE_URL=REMOTE, DATABASE_LOCK_TIMEOUT_SECONDS="0.0001")["options"]


def test_options_of_the_url_come_last_and_win() -> None:
    options = parameters(DATABASE_URL=f"{REMOTE}?options=-c%20lock_timeout%3D5")["options"]

    assert options.endswith(" -c lock_timeout=5")
    assert options.startswith("-c statement_timeout=60000")


@pytest.mark.parametrize(
    ("hosts", "local"),
    [
        ({}, True),
        ({"host": ""}, True),
        ({"host": "localhost"}, True),
        ({"host": "LocalHost"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.8.9.1"}, True),
        ({"host": "::1"}, True),
        ({"host": "/var/run/postgresql"}, True),
        ({"host": "@abstract"}, True),
        ({"host": "localhost,127.0.0.1"}, True),
        ({"host": "db"}, False),
        ({"host": "localhost.example"}, False),
        ({"host": "10.0.0.4"}, False),
        ({"host": "0.0.0.0"}, False),
        ({"host": "localhost,db"}, False),
        ({"host": "localhost", "hostaddr": "10.0.0.4"}, False),
        ({"host": "db", "hostaddr": "127.0.0.1"}, True),
        ({"service": "engine"}, False),
    ],
)
def test_what_this_machine_is(hosts: dict[str, str], local: bool) -> None:
    assert is_local(hosts) is local


def test_a_host_that_only_libpqs_environment_names_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")

    assert not is_local({"dbname": "engine"})


def test_another_host_is_verified_by_default() -> None:
    found = parameters(DATABASE_URL=REMOTE)

    assert found["sslmode"] == "verify-full"
    assert found["sslrootcert"] == trusted_roots()


def test_this_machine_needs_no_tls() -> None:
    assert tls_parameters({"host": "localhost"}) == {"sslmode": "prefer"}


@pytest.mark.parametrize(
    "environment", [{"DATABASE_URL": f"{REMOTE}?sslmode=require"}, {"POSTGRES_SSLMODE": "require"}]
)
def test_the_sslmode_that_is_named_is_taken(environment: dict[str, str]) -> None:
    found = parameters(**({"DATABASE_URL": REMOTE} | environment))

    assert found["sslmode"] == "require"
    assert "sslrootcert" not in found


def test_the_authorities_that_are_named_are_taken() -> None:
    assert parameters(DATABASE_URL=f"{REMOTE}?sslrootcert=/etc/own.crt")["sslrootcert"] == "/etc/own.crt"


def test_the_authorities_of_the_environment_go_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "own.pem"
    bundle.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))

    assert trusted_roots() == str(bundle)


def test_without_a_file_of_authorities_libpq_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setattr("infrastructure.postgres.connection.ROOT_BUNDLES", (str(tmp_path / "none.crt"),))

    assert trusted_roots() == "system"


def test_each_connection_has_a_token_of_its_own_and_none_is_kept() -> None:
    credential = FakeCredential()
    made = entra(credential)

    assert credential.asked == []
    assert [conninfo_to_dict(made.conninfo())["password"] for _ in range(2)] == ["token-1", "token-2"]
    assert credential.asked == [(ENTRA_SCOPE,)] * 2
    assert not {"token-1", "token-2", SECRET} & set(made.parameters.values())


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_token_never_travels_without_tls(mode: str) -> None:
    with pytest.raises(SettingsInvalid, match="DATABASE_AUTH"):
        entra(FakeCredential(), POSTGRES_SSLMODE=mode)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ClientAuthenticationError(f"refused {SECRET}"), StoreMisconfigured),
        (ServiceRequestError(f"timed out {SECRET}"), StoreUnavailable),
    ],
)
def test_a_token_that_is_not_to_be_had_is_a_store_that_is_not(
    raised: Exception, expected: type[StoreUnavailable]
) -> None:
    made = entra(FakeCredential(raised))

    with pytest.raises(expected) as caught:
        made.connect()

    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised
    assert SECRET not in f"{caught.value} {caught.value.details}"


@pytest.mark.parametrize(
    "environment", [{"DOCKER_DB_POOL_MIN": "11"}, {"DOCKER_DB_POOL_MIN": "5", "DOCKER_DB_POOL_MAX": "4"}]
)
def test_a_pool_is_not_smaller_than_its_minimum(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="DOCKER_DB_POOL_MAX is less than DOCKER_DB_POOL_MIN"):
        Settings.from_environment(environment)


def test_a_pool_has_two_connections_and_ten_at_most() -> None:
    settings = Settings.from_environment({})

    assert (settings.database_pool_min, settings.database_pool_max) == (2, 10)
