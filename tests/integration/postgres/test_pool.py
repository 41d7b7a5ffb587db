"""The pool on a real server: what it lends works, whatever happened to the server or the token in between."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from core.errors import (
    CoreMachineError,
    StoreInconsistent,
    StoreMisconfigured,
    StoreReadOnly,
    StoreSchemaMismatch,
    StoreUnavailable,
)
from infrastructure.postgres.connection import Connection, ConnectionSource, Token
from infrastructure.postgres.pool import CHECK_AFTER, ConnectionPoolManager
from infrastructure.settings import Settings
from local.postgres import EmbeddedPostgres

MakePool = Callable[..., ConnectionPoolManager]

PATIENT = 30.0
"""Seconds: a test that waits so long has failed, since what it waits for comes at once or never."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Credential:
    """Gives the server's own password as its token, until it is told to give a wrong one."""

    def __init__(self, url: str) -> None:
        self.token = unquote(urlsplit(url).password or "")
        self.fetched = 0

    def get_token(self, *_: str) -> Token:
        self.fetched += 1
        return self


@pytest.fixture
def url(stoppable_server: EmbeddedPostgres) -> str:
    return stoppable_server.uri


@pytest.fixture
def admin(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def make_pool(url: str) -> Iterator[MakePool]:
    """Makes pools that are closed at the end."""
    with ExitStack() as opened:

        def make(
            given: str | None = None,
            *,
            credential: Credential | None = None,
            minimum: int = 1,
            maximum: int = 4,
            timeout: float = PATIENT,
            monotonic: Callable[[], float] | None = None,
        ) -> ConnectionPoolManager:
            auth = {"DATABASE_AUTH": "entra"} if credential is not None else {}
            settings = Settings.from_environment({"DATABASE_URL": given or url} | auth)
            source = ConnectionSource.from_settings(settings, credential=credential)
            clock: dict[str, Any] = {"monotonic": monotonic} if monotonic is not None else {}
            pool = ConnectionPoolManager(source, min_size=minimum, max_size=maximum, timeout=timeout, **clock)
            return opened.enter_context(pool)

        yield make


def until(condition: Callable[[], bool]) -> None:
    """Look again and again, for as long as a test may take."""
    pause = threading.Event()
    for _ in range(int(PATIENT * 100)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def backend(connection: Connection) -> int:
    return connection.info.backend_pid


def lend_all(pool: ConnectionPoolManager, number: int) -> list[int]:
    """The backends of ``number`` connections that are lent at the same time."""
    with ExitStack() as lent:
        return [backend(lent.enter_context(pool.connection())) for _ in range(number)]


def run(pool: ConnectionPoolManager, *statements: str) -> None:
    """Run statements on one connection of the pool."""
    with pool.connection() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def refused(pool: ConnectionPoolManager) -> CoreMachineError:
    with pytest.raises(StoreUnavailable) as caught, pool.connection():
        pytest.fail("a connection was lent")
    return caught.value


def test_a_connection_is_lent_outside_any_transaction_and_used_again(make_pool: MakePool) -> None:
    pool = make_pool(maximum=1)
    with pool.connection() as connection:
        first = backend(connection)
        assert connection.autocommit
    with pool.connection() as connection:
        assert backend(connection) == first
        assert connection.info.transaction_status is TransactionStatus.IDLE


def test_nothing_connects_before_the_first_use(admin: psycopg.Connection, make_pool: MakePool) -> None:
    pool = make_pool()

    assert pool.stats().connected == 0


def test_settings_say_how_many(url: str) -> None:
    settings = Settings.from_environment({"DATABASE_URL": url, "DOCKER_DB_POOL_MIN": "3", "DOCKER_DB_POOL_MAX": "5"})
    with ConnectionPoolManager.from_settings(settings) as pool:
        lend_all(pool, 5)

        assert (pool.stats().minimum, pool.stats().maximum, pool.stats().size) == (3, 5, 5)


def test_who_waits_too_long_is_told_so(make_pool: MakePool) -> None:
    pool = make_pool(maximum=1, timeout=1.0)
    with pool.connection():
        assert "DOCKER_DB_POOL_MAX" in refused(pool).message
        assert pool.stats().lent == 1

    assert pool.stats().lent == 0
    with pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_errors_of_the_body_leave_translated_and_the_connection_stays(make_pool: MakePool) -> None:
    pool = make_pool(maximum=1)
    [first] = lend_all(pool, 1)
    with pytest.raises(StoreInconsistent) as caught, pool.connection() as connection:
        connection.execute("SELECT 1 / 0")

    assert isinstance(caught.value.__cause__, errors.DivisionByZero)
    assert lend_all(pool, 1) == [first]


def test_an_error_that_is_not_the_databases_leaves_as_it_is(make_pool: MakePool) -> None:
    pool = make_pool()
    with pytest.raises(KeyError), pool.connection():
        raise KeyError

    assert pool.stats().lent == 0


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 1 / 0"])
def test_a_transaction_that_was_left_open_is_rolled_back(
    make_pool: MakePool, admin: psycopg.Connection, statement: str
) -> None:
    pool = make_pool(maximum=1)
    with pool.connection() as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE public.left_behind ()")
        with suppress(psycopg.Error):
            connection.execute(statement.encode())

    with pool.connection() as connection:
        assert connection.info.transaction_status is TransactionStatus.IDLE
    assert admin.execute("SELECT to_regclass('public.left_behind')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("prepare", "statement", "expected"),
    [
        ("SET default_transaction_read_only = on", "CREATE TABLE public.t ()", StoreReadOnly),
        ("SELECT 1", "EXECUTE never_prepared", StoreMisconfigured),
    ],
)
def test_a_session_that_is_of_no_more_use_is_not_lent_again(
    make_pool: MakePool, prepare: str, statement: str, expected: type[CoreMachineError]
) -> None:
    pool = make_pool(maximum=1)
    [first] = lend_all(pool, 1)
    with pytest.raises(expected):
        run(pool, prepare, statement)

    assert lend_all(pool, 1) != [first]


def test_a_plan_that_a_migration_made_void_is_an_error_once(make_pool: MakePool, admin: psycopg.Connection) -> None:
    pool = make_pool(maximum=1)
    admin.execute("CREATE TABLE public.changing (a int)")
    try:
        with pool.connection() as connection:
            connection.execute("SELECT * FROM public.changing", prepare=True)
        admin.execute("ALTER TABLE public.changing ALTER a TYPE text")
        with pytest.raises(StoreSchemaMismatch), pool.connection() as connection:
            connection.execute("SELECT * FROM public.changing", prepare=True)
        with pool.connection() as connection:
            connection.execute("SELECT * FROM public.changing", prepare=True)
    finally:
        admin.execute("DROP TABLE public.changing")


def test_sessions_that_were_ended_are_replaced_before_anyone_meets_them(
    make_pool: MakePool, admin: psycopg.Connection
) -> None:
    pool = make_pool()
    ended = lend_all(pool, 4)
    for pid in ended:
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    fresh = lend_all(pool, 4)

    assert not set(fresh) & set(ended)
    assert pool.stats().lost == 4


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_after_a_restart_no_call_fails(make_pool: MakePool, stoppable_server: EmbeddedPostgres, mode: str) -> None:
    pool = make_pool()
    before = lend_all(pool, 4)
    stoppable_server.stop("fast" if mode == "fast" else "immediate")
    stoppable_server.start()

    for _ in range(8):
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not set(lend_all(pool, 4)) & set(before)


def test_a_server_that_is_away_is_an_error_in_time_and_no_reason_to_give_up(
    make_pool: MakePool, stoppable_server: EmbeddedPostgres
) -> None:
    pool = make_pool(timeout=1.5)
    lend_all(pool, 2)
    stoppable_server.stop("immediate")

    found = [refused(pool) for _ in range(2)]
    stoppable_server.start()

    assert {(type(error), error.message) for error in found} == {(StoreUnavailable, found[0].message)}
    assert "does not answer" in found[0].message
    until(lambda: _answers(pool))


def _answers(pool: ConnectionPoolManager) -> bool:
    try:
        with pool.connection():
            return True
    except StoreUnavailable:
        return False


def test_an_outage_is_told_when_it_begins_and_when_it_ends_and_not_with_each_try(
    make_pool: MakePool, stoppable_server: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    pool = make_pool(timeout=1.5)
    lend_all(pool, 4)
    stoppable_server.stop("immediate")
    until(lambda: not _answers(pool) and pool.stats().refused >= 3)
    stoppable_server.start()
    until(lambda: _answers(pool))

    told = [record.getMessage() for record in caplog.records if record.name.startswith("infrastructure.postgres")]
    assert told == ["database_away", "database_back"]
    assert "error connecting" not in caplog.text
    assert "reconnection attempt" not in caplog.text


def test_a_credential_that_breaks_in_its_own_way_stops_no_later_try(
    make_pool: MakePool, url: str, stoppable_server: EmbeddedPostgres
) -> None:
    class Breaking(Credential):
        breaks = False

        def get_token(self, *scopes: str) -> Token:
            if self.breaks:
                self.breaks = False
                raise RuntimeError("of its own")
            return super().get_token(*scopes)

    credential = Breaking(url)
    pool = make_pool(credential=credential, timeout=1.5)
    lend_all(pool, 1)
    stoppable_server.stop("immediate")
    until(lambda: not _answers(pool) and pool.stats().refused >= 1)
    credential.breaks = True
    until(lambda: not _answers(pool) and not credential.breaks)
    stoppable_server.start()

    until(lambda: _answers(pool))


def test_a_call_that_waits_is_served_when_the_server_is_back(
    make_pool: MakePool, stoppable_server: EmbeddedPostgres
) -> None:
    pool = make_pool(maximum=2)
    lend_all(pool, 2)
    stoppable_server.stop("immediate")
    with ThreadPoolExecutor(4) as threads:
        waiting: list[Future[list[int]]] = [threads.submit(lend_all, pool, 1) for _ in range(4)]
        until(lambda: pool.stats().waiting == 4)
        stoppable_server.start()

        assert all(future.result(PATIENT) for future in waiting)


def test_a_call_that_waited_for_another_is_served_when_the_server_is_back(
    make_pool: MakePool, stoppable_server: EmbeddedPostgres
) -> None:
    pool = make_pool(maximum=1)
    with ThreadPoolExecutor(1) as threads:
        with pool.connection() as connection:
            waiting = threads.submit(lend_all, pool, 1)
            until(lambda: pool.stats().requests == 3)  # it took its first look, and now waits for as long as it takes
            stoppable_server.stop("immediate")
            with suppress(psycopg.Error):
                connection.execute("SELECT 1")
        until(lambda: pool.stats().refused >= 4)
        stoppable_server.start()

        assert waiting.result(PATIENT)


def test_a_server_that_says_nothing_is_no_reason_to_open_more_connections(make_pool: MakePool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = make_pool(f"host=127.0.0.1 port={silent.getsockname()[1]}", timeout=0.05)

        assert "does not answer" in refused(pool).message


def test_work_that_a_restart_broke_is_an_error_and_its_connection_is_replaced(
    make_pool: MakePool, stoppable_server: EmbeddedPostgres
) -> None:
    pool = make_pool(maximum=1)
    with ExitStack() as lent:
        connection = lent.enter_context(pool.connection())
        stoppable_server.stop("immediate")
        stoppable_server.start()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

    assert lend_all(pool, 1)


@pytest.mark.parametrize("change", [{"password": "hunter2"}, {"dbname": "no_such_database"}])
def test_what_a_person_has_to_mend_is_not_waited_for(
    make_pool: MakePool, url: str, change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pool = make_pool(make_conninfo(url, **change), timeout=10 * PATIENT)

    with ThreadPoolExecutor(1) as threads:
        try:
            assert type(threads.submit(refused, pool).result(PATIENT)) is StoreMisconfigured
        finally:
            pool.close()
    assert "hunter2" not in caplog.text
    assert pool.stats().lent == 0


def test_a_connection_is_asked_whether_it_works_only_after_a_while(
    make_pool: MakePool, admin: psycopg.Connection
) -> None:
    clock = Clock()
    pool = make_pool(maximum=1, monotonic=clock)
    with pool.connection() as connection:
        pid = backend(connection)
        connection.execute("SELECT 1")

    def last_query() -> object:
        return admin.execute("SELECT query_start FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()

    before = last_query()
    clock.now += CHECK_AFTER - 1
    assert lend_all(pool, 1) == [pid]
    assert last_query() == before
    clock.now += CHECK_AFTER
    assert lend_all(pool, 1) == [pid]
    assert last_query() != before


def test_each_connection_has_a_token_of_its_own(make_pool: MakePool, url: str) -> None:
    credential = Credential(url)
    pool = make_pool(credential=credential, minimum=0, maximum=3)

    assert len(set(lend_all(pool, 3))) == 3
    assert credential.fetched == pool.stats().connected == 3


def test_a_new_token_takes_over_while_work_in_flight_ends_in_peace(
    make_pool: MakePool, url: str, admin: psycopg.Connection
) -> None:
    credential = Credential(url)
    pool = make_pool(credential=credential, maximum=3)
    [idle, _] = lend_all(pool, 2)
    with pool.connection() as working:
        fetched = credential.fetched
        pool.recreate_pool()

        others = lend_all(pool, 2)
        assert not {idle, backend(working)} & set(others)
        assert credential.fetched > fetched
        assert working.execute("SELECT 1").fetchone() == (1,)
        old = backend(working)
    assert working.closed
    until(lambda: admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [old]).fetchone() is None)
    assert old not in lend_all(pool, 3)


def test_a_token_that_does_not_work_replaces_nothing(make_pool: MakePool, url: str) -> None:
    credential = Credential(url)
    pool = make_pool(credential=credential, maximum=1)
    before = lend_all(pool, 1)
    credential.token = "expired"

    with pytest.raises(StoreMisconfigured):
        pool.recreate_pool()

    assert lend_all(pool, 1) == before


def test_many_threads_share_few_connections_through_refreshes_and_ended_sessions(
    make_pool: MakePool, url: str, admin: psycopg.Connection
) -> None:
    credential = Credential(url)
    pool = make_pool(credential=credential, minimum=2, maximum=3)
    seen: set[int] = set()

    def work(_: int) -> int:
        for _ in range(40):
            with pool.connection() as connection:
                seen.add(backend(connection))
                connection.execute("SELECT 1")
        return 40

    with ThreadPoolExecutor(12) as threads:
        done = [threads.submit(work, number) for number in range(12)]
        for _ in range(5):
            pool.recreate_pool()
        assert sum(future.result(PATIENT) for future in done) == 480

    assert len(seen) >= 2
    assert pool.stats().size <= 3
    assert pool.stats().lent == pool.stats().waiting == 0


def test_draining_waits_for_what_is_lent_and_lends_no_more(make_pool: MakePool) -> None:
    pool = make_pool()
    lent, back = threading.Event(), threading.Event()

    def work() -> object:
        with pool.connection() as connection:
            lent.set()
            back.wait(PATIENT)
            return connection.execute("SELECT 1").fetchone()

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work)
        lent.wait(PATIENT)
        assert not pool.drain(0.01)
        assert "closed" in refused(pool).message
        back.set()
        assert pool.drain(PATIENT)
        assert working.result() == (1,)


def test_a_closed_pool_refuses_at_once_and_closes_what_comes_back(make_pool: MakePool) -> None:
    pool = make_pool()
    with pool.connection() as connection:
        pool.close()
        pool.close()
        assert connection.execute("SELECT 1").fetchone() == (1,)

    assert connection.closed
    assert "closed" in refused(pool).message
    with pytest.raises(StoreUnavailable):
        pool.recreate_pool()


def test_closing_ends_the_wait_of_those_who_wait(make_pool: MakePool) -> None:
    pool = make_pool(maximum=1)
    with ThreadPoolExecutor(1) as threads, pool.connection():
        waiting = threads.submit(refused, pool)
        until(lambda: pool.stats().waiting == 1)
        pool.close()

        assert "closed" in waiting.result(PATIENT).message


def test_a_pool_that_was_never_used_closes_too(make_pool: MakePool) -> None:
    pool = make_pool()
    pool.close()

    assert type(refused(pool)) is StoreUnavailable
