"""What the PostgreSQL benchmark says of a server on which it cannot measure: one line, and the exit code 2."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from benchmarks import postgres
from benchmarks.postgres_server import BenchmarkServer
from benchmarks.postgres_stages import Numbers
from benchmarks.report import Goal
from tests.support.postgres import Database

PASSWORD = "not to be shown"


def with_part(url: str, part: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{part}"


def said_of(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the benchmark prints."""
    monkeypatch.setenv("DATABASE_URL", url)

    code = postgres.main(["--only", "create", "--quick", "--json", "--check"])

    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert PASSWORD not in printed.err
    assert printed.err.endswith("\n")
    (line,) = printed.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (f"postgresql://u:{quote(PASSWORD)}@127.0.0.1:1/x", "the database does not answer"),
        (f"host=127.0.0.1 password='{PASSWORD}'", "the benchmark takes a URL"),
        (f"mysql://u:{quote(PASSWORD)}@127.0.0.1/x", "the benchmark takes a URL"),
        (f"postgresql://u:{quote(PASSWORD)}@[x/y", "neither postgresql://"),
        ("postgresql://127.0.0.1/x?sslmode=perhaps", "a connection parameter has a value that cannot be"),
    ],
    ids=["nobody there", "keywords", "another database", "unreadable", "impossible parameter"],
)
def test_a_server_that_is_not_there(
    url: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert line in said_of(url, monkeypatch, capsys)


def test_a_database_that_is_not_there(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = urlsplit(postgres_database.url)._replace(path="/no_such_database").geturl()

    assert said_of(url, monkeypatch, capsys) == "there is no such database: create it, or name another"


def test_a_server_that_takes_no_writes(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = with_part(postgres_database.url, f"options={quote('-c default_transaction_read_only=on')}")

    assert "takes no writes" in said_of(url, monkeypatch, capsys)


def test_a_user_who_may_not_create_databases(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    role = Identifier(f"{postgres_database.name}_plain")
    with psycopg.connect(postgres_database.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE ROLE {}").format(role))
        try:
            options = quote(f"-c role={postgres_database.name}_plain")
            url = with_part(postgres_database.url, f"options={options}")
            assert "may not create databases" in said_of(url, monkeypatch, capsys)
        finally:
            connection.execute(SQL("DROP ROLE {}").format(role))


def test_a_server_that_goes_away_in_the_midst_of_it(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(server: BenchmarkServer, chosen: object) -> Numbers:
        raise psycopg.OperationalError("server closed the connection")

    monkeypatch.setenv("DATABASE_URL", postgres_database.url)
    monkeypatch.setattr(postgres, "PARTS", {"create": gone})

    assert postgres.main(["--only", "create"]) == 2
    assert capsys.readouterr().err == "stopped in the midst of it: server closed the connection\n"


def test_the_databases_of_a_run_are_gone_after_it(postgres_database: Database) -> None:
    server = BenchmarkServer(postgres_database.url, "test")
    try:
        made = urlsplit(server.database("one")).path[1:]
        assert urlsplit(server.database("one")).path[1:] == made
    finally:
        server.close()

    with psycopg.connect(postgres_database.url) as connection:
        found = connection.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [made]).fetchone()
    assert found == (0,)


def test_a_goal_says_by_how_much_it_is_missed() -> None:
    assert Goal("size", ">", 1.0, "times").missed({"size": 1.0}) == "missed: size is 1.0 times, the goal is > 1.0 times"
