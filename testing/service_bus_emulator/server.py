"""The emulator as a server: its connections, its limits, and the clock of its broker."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from testing.service_bus_emulator.amqp.errors import CONNECTION_FORCED, ConnectionLost
from testing.service_bus_emulator.broker.faults import FaultPlan
from testing.service_bus_emulator.broker.namespace import Namespace
from testing.service_bus_emulator.cbs import AccessKey
from testing.service_bus_emulator.connection import Connection

DEFAULT_KEY = AccessKey("RootManageSharedAccessKey", "SAS_KEY_VALUE")
"""The official emulator's."""

_GOODBYE = 1.0  # seconds for all to hear that the emulator ends
_INBOX = 64 * 1024  # bytes that are read at a time
_LATE = 0.02  # seconds that what comes due may be late, so that not every message sets the alarm anew


@dataclass(frozen=True, slots=True)
class Limits:
    """``idle_seconds`` is what Service Bus tells its clients; a connection is open after ``handshake_seconds``."""

    idle_seconds: float = 240.0
    handshake_seconds: float = 20.0
    connections: int = 5000


def utc_now() -> datetime:
    return datetime.now(UTC)


class Server:
    """Begin with :meth:`listen` in a running loop, end with :meth:`close`.

    ``keys`` are at least one. ``token_now`` is what tokens are judged by, where the broker's time is a made-up one.
    """

    def __init__(
        self,
        namespace: Namespace,
        *,
        keys: Iterable[AccessKey] = (DEFAULT_KEY,),
        now: Callable[[], datetime] = utc_now,
        token_now: Callable[[], datetime] | None = None,
        limits: Limits | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        self.namespace = namespace
        self.keys = {key.name: key for key in keys}
        self.now = now
        self.token_now = token_now or now
        self.started_at = now()
        self.limits = limits or Limits()
        self.faults = faults or FaultPlan()
        self.inbox = memoryview(bytearray(_INBOX))
        self._connections: set[Connection] = set()
        self._nobody_left = asyncio.Event()
        self._nobody_left.set()
        self._alarm: asyncio.TimerHandle | None = None
        self._is_touched = False
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None, "listen first"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    def connection_string(self, host: str = "127.0.0.1") -> str:
        key = next(iter(self.keys.values()))
        return (
            f"Endpoint=sb://{host}:{self.port};SharedAccessKeyName={key.name};SharedAccessKey={key.key};"
            "UseDevelopmentEmulator=true"
        )

    async def listen(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, ssl=tls, backlog=1024)
        self.touched()

    async def close(self) -> None:
        """Take no more connections, and say goodbye to those that there are."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close(ConnectionLost(CONNECTION_FORCED, "the emulator ends"))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._nobody_left.wait(), _GOODBYE)
        for connection in list(self._connections):
            connection.abort()
        await self._nobody_left.wait()
        self._cancel_alarm()

    # For connections

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        if len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        self._nobody_left.clear()
        return True

    def gone(self, connection: Connection) -> None:
        """What it held is given back; the deliveries count."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if not self._connections:
            self._nobody_left.set()
        now = self.now()
        for queue in self.namespace:
            queue.release_all(connection, now, counted=True)
            queue.dead_letter_queue.release_all(connection, now, counted=True)
        self.touched()

    # Time

    def touched(self) -> None:
        """Something may come due earlier than was known."""
        if not self._is_touched:
            self._is_touched = True
            asyncio.get_running_loop().call_later(_LATE, self._set_alarm)

    def wake(self) -> None:
        """Do what came due by now: for a clock that does not move by itself, and at the alarm."""
        self.namespace.advance(self.now())
        token_now = self.token_now()
        for connection in list(self._connections):
            connection.expire(token_now)
        self._set_alarm()

    def _set_alarm(self) -> None:
        self._is_touched = False
        self._cancel_alarm()
        waits = [wait for wait in (self._until_due(), self._until_expiry()) if wait is not None]
        if waits:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, min(waits)), self.wake)

    def _until_due(self) -> float | None:
        now = self.now()
        due = self.namespace.next_event(now)
        return None if due is None else (due - now).total_seconds()

    def _until_expiry(self) -> float | None:
        expiries = [connection.next_expiry for connection in self._connections]
        first = min((at for at in expiries if at is not None), default=None)
        return None if first is None else (first - self.token_now()).total_seconds()

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
