"""Connections whose every look-up, read and write ends with the call that they are for."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore
import httpx

from infrastructure.outbound.addresses import Pinned

_until: ContextVar[float] = ContextVar("until")

Left = Callable[[float | None, type[httpcore.TimeoutException]], float]


@contextmanager
def ends_at(until: float) -> Iterator[None]:
    """What this thread waits for within, it waits for until then, by the clock of the transport that it uses."""
    token = _until.set(until)
    try:
        yield
    finally:
        _until.reset(token)


def authorities() -> ssl.SSLContext:
    """Of servers: those of the system, and those that ship with Python's HTTP clients."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class BoundedTransport(httpx.HTTPTransport):
    """For calls within :func:`ends_at`. An answer of which a byte comes now and then is no reason to wait for it.

    Where it is ``pinned``, a connection is made to an address that was looked at, under the name that was given, and a
    call may raise :class:`infrastructure.outbound.addresses.LeadsInside`. ``kept`` connections at most wait for the
    next call to the same host.
    """

    def __init__(
        self,
        trusted: ssl.SSLContext,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        pinned: Pinned | None = None,
        kept: int = 20,
        network: httpcore.NetworkBackend | None = None,
    ) -> None:
        super().__init__(verify=trusted, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted,
            max_connections=100,
            max_keepalive_connections=kept,
            keepalive_expiry=5.0,
            network_backend=_Network(network or httpcore.SyncBackend(), pinned, monotonic),
        )


class _Network(httpcore.NetworkBackend):
    def __init__(self, network: httpcore.NetworkBackend, pinned: Pinned | None, monotonic: Callable[[], float]) -> None:
        self._network = network
        self._pinned = pinned
        self._monotonic = monotonic

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """To the first address that answers."""
        failed: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in self._addresses(host, port, timeout):
            left = self._left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._network.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Stream(stream, self._left)
        assert failed is not None
        raise failed

    def _addresses(self, host: str, port: int, timeout: float | None) -> Iterable[str]:
        if self._pinned is None:
            return [host]
        left = self._left(timeout, httpcore.ConnectTimeout)
        try:
            return self._pinned.addresses(host, port, left)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the look-up has taken its time") from error
        except OSError as error:
            raise httpcore.ConnectError("the name was not found") from error

    def _left(self, timeout: float | None, too_late: type[httpcore.TimeoutException]) -> float:
        left = _until.get() - self._monotonic()
        if left <= 0:
            raise too_late("the call has taken its time")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, left: Left) -> None:
        self._stream = stream
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Closes itself where it raises, since nobody knows of it yet."""
        try:
            left = self._left(timeout, httpcore.ConnectTimeout)
        except httpcore.ConnectTimeout:
            self._stream.close()
            raise
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._left)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
