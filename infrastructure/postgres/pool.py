"""ConnectionPoolManager: a bounded number of connections, lent to many threads, healthy when they are lent."""

from __future__ import annotations

import logging
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from core.errors import CoreMachineError, StoreMisconfigured, StoreUnavailable
from infrastructure.postgres.connection import Connection, ConnectionSource, connecting
from infrastructure.postgres.errors import AWAY, CLOSED, EXHAUSTED, spoils_session, translate, translated
from infrastructure.postgres.outage import NO_LINE_A_TRY, SHORTEST_PAUSE, Reconnection
from infrastructure.settings import Settings

CHECK_AFTER = 60.0
"""Seconds that a connection may have been idle and be lent without a round trip to ask whether it still works."""

FIRST_LOOK = 0.25
"""Seconds after which a call that waits looks whether it can be served at all."""

CLOSE_SECONDS = 5.0


class PoolStats(NamedTuple):
    """``size`` counts the connections that are open or being opened, ``waiting`` the calls that wait for one.

    ``requests`` to ``lost`` only grow: ``refused`` are tries to connect that failed, ``lost`` connections that broke.
    """

    minimum: int
    maximum: int
    size: int
    idle: int
    lent: int
    waiting: int
    requests: int
    connected: int
    refused: int
    lost: int


@dataclass(frozen=True, slots=True)
class _Failure:
    error: CoreMachineError
    at: float


class PooledConnection(psycopg.Connection[TupleRow]):
    """A connection of a pool, and when it was last used, by the pool's clock."""

    last_used: float = 0.0

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """As the manager ``kwargs["manager"]`` says. What goes wrong is kept there for the calls that wait."""
        manager: ConnectionPoolManager = kwargs["manager"]
        manager.await_turn()
        try:
            with connecting():
                connection = super().connect(manager.source.conninfo(), autocommit=True)
        except CoreMachineError as error:
            manager.connect_failed(error)
            raise
        except BaseException:
            manager.connect_broke_off()
            raise
        manager.connect_succeeded(connection)
        return connection


class ConnectionPoolManager:
    """Lends connections. Safe from many threads; it opens when it is first used.

    Nothing is asked of the server while nobody wants anything. A connection whose server has gone is noticed by its
    socket when it is lent, without a round trip, and replaced; one that was idle for :data:`CHECK_AFTER` is asked.
    How often a server that is away is tried, :class:`Reconnection` decides.
    """

    def __init__(
        self,
        source: ConnectionSource,
        *,
        min_size: int = 2,
        max_size: int = 10,
        timeout: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        reconnection: Reconnection | None = None,
    ) -> None:
        """``timeout``: the seconds that a call waits for a connection. ``monotonic`` tells how long one was idle."""
        logging.getLogger("psycopg.pool").addFilter(NO_LINE_A_TRY)
        self.source = source
        self._timeout = timeout
        self._monotonic = monotonic
        self._distrusted = -1.0
        self._failure: _Failure | None = None
        self._reconnection = reconnection or Reconnection(source.address)
        self._skipped = 0
        self._users = threading.Condition()
        self._borrowers = 0
        self._lent = 0
        self._opened = False
        self._closing = False
        self._pool: ConnectionPool[PooledConnection] = ConnectionPool(
            connection_class=PooledConnection,
            kwargs={"manager": self},
            min_size=min_size,
            max_size=max_size,
            open=False,
            name="coremachine",
            timeout=timeout,
            reconnect_timeout=SHORTEST_PAUSE,  # psycopg's own pauses come to no more than this
            reconnect_failed=self._try_again,
        )

    @classmethod
    def from_settings(cls, settings: Settings, source: ConnectionSource | None = None) -> ConnectionPoolManager:
        return cls(
            source or ConnectionSource.from_settings(settings),
            min_size=settings.database_pool_min,
            max_size=settings.database_pool_max,
            timeout=settings.database_pool_timeout,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit mode, outside any transaction. Errors of the body leave translated.

        A transaction that the body leaves open is rolled back. Raises :class:`StoreUnavailable` or one of its
        subclasses where none is to be had in time, and at once after :meth:`close`.
        """
        connection = self._borrow()
        try:
            yield connection
        except (psycopg.Error, UnicodeEncodeError, CoreMachineError) as error:
            if spoils_session(error):
                connection.close()
            if isinstance(error, CoreMachineError):
                raise
            raise translate(error) from error
        finally:
            self._give_back(connection)
            self._leave(lent=1)

    def recreate_pool(self) -> None:
        """Replace every connection, as after a new token: lent ones end their work first and are closed on return.

        One new connection is made first. Where that fails the error is raised and nothing is replaced.
        """
        self._refuse_if_closing()
        self.source.connect().close()
        self._pool.drain()

    def drain(self, timeout: float) -> bool:
        """Lend no more, and wait up to ``timeout`` seconds until every connection is back. Whether they are."""
        with self._users:
            self._closing = True
            return self._users.wait_for(lambda: not self._borrowers, timeout)

    def close(self) -> None:
        """Lend no more and close what is idle; what is lent is closed on return. May be called again."""
        self.drain(0)
        self._reconnection.close()
        self._pool.close(CLOSE_SECONDS)

    def stats(self) -> PoolStats:
        found = self._pool.get_stats()
        with self._users:
            lent, waiting, skipped = self._lent, self._borrowers - self._lent, self._skipped
        return PoolStats(
            minimum=found["pool_min"],
            maximum=found["pool_max"],
            size=found["pool_size"],
            idle=found["pool_available"],
            lent=lent,
            waiting=waiting,
            requests=found.get("requests_num", 0),
            connected=found.get("connections_num", 0) - found.get("connections_errors", 0),
            refused=found.get("connections_errors", 0) - skipped,
            lost=found.get("returns_bad", 0) + found.get("connections_lost", 0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def await_turn(self) -> None:
        """Before a try to connect. Raises what the last one came to where this one is not to be made."""
        if self._reconnection.my_turn():
            return
        with self._users:
            self._skipped += 1
        raise self._no_connection(self._failure.error if self._failure is not None else None)

    def connect_failed(self, error: CoreMachineError) -> None:
        self._failure = _Failure(error, time.monotonic())
        self._reconnection.failed(error)

    def connect_broke_off(self) -> None:
        self._reconnection.broke_off()

    def connect_succeeded(self, connection: PooledConnection) -> None:
        connection.last_used = self._monotonic()
        self._failure = None
        self._reconnection.succeeded()

    def _try_again(self, pool: ConnectionPool[Any]) -> None:
        """Where a connection could not be made and calls wait for one: start anew, with the pauses of our own.

        psycopg's own count of who waits is not asked: it keeps those who gave up.
        """
        if self._borrowers > self._lent:
            pool.check()

    def _borrow(self) -> PooledConnection:
        with self._users:
            self._refuse_if_closing()
            if not self._opened:
                self._pool.open()
                self._opened = True
            self._borrowers += 1
        try:
            with translated():
                connection = self._healthy(time.monotonic() + self._timeout)
        except BaseException:
            self._leave(lent=0)
            raise
        with self._users:
            self._lent += 1
        return connection

    def _leave(self, lent: int) -> None:
        with self._users:
            self._lent -= lent
            self._borrowers -= 1
            if not self._borrowers:
                self._users.notify_all()

    def _refuse_if_closing(self) -> None:
        if self._closing:
            raise StoreUnavailable(CLOSED.message)

    def _healthy(self, deadline: float) -> PooledConnection:
        # psycopg's own way to check, its parameter ``check``, pauses for 1 s, 2 s, 4 s as it meets broken connections.
        while True:
            connection = self._wait(deadline)
            if self._works(connection):
                return connection
            self._give_back(connection)

    def _wait(self, deadline: float) -> PooledConnection:
        started = time.monotonic()
        patience = FIRST_LOOK
        while True:
            try:
                return self._pool.getconn(min(patience, deadline - time.monotonic()))
            except PoolTimeout as error:
                failure = self._failure_since(started)
                if isinstance(failure, StoreMisconfigured) or time.monotonic() >= deadline:
                    raise self._no_connection(failure) from (failure or error)
            patience = FIRST_LOOK if failure else self._timeout

    def _failure_since(self, started: float) -> CoreMachineError | None:
        failure = self._failure
        known = failure is not None and (failure.at >= started or self._reconnection.pausing)
        return failure.error if failure is not None and known else None

    def _no_connection(self, failure: CoreMachineError | None) -> CoreMachineError:
        if failure is not None:
            return type(failure)(failure.message, **failure.details)
        return StoreUnavailable(EXHAUSTED.message if self._lent else AWAY.message)

    def _works(self, connection: PooledConnection) -> bool:
        now = self._monotonic()
        trusted = connection.last_used > self._distrusted and now - connection.last_used < CHECK_AFTER
        try:
            if not trusted or _has_input(connection.fileno()):
                ConnectionPool.check_connection(connection)
        except psycopg.Error:
            connection.close()
            return False
        return True

    def _give_back(self, connection: PooledConnection) -> None:
        now = self._monotonic()
        if connection.closed:
            self._distrusted = now
        connection.last_used = now
        self._pool.putconn(connection)


def _has_input(handle: int) -> bool:
    """Whether a socket has something to read: on an idle connection that is most often its end."""
    if sys.platform == "win32":
        return bool(select.select([handle], [], [], 0)[0])
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))
