"""Connections whose every read and write ends with the call that they are for."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpcore
import httpx

_until: ContextVar[float] = ContextVar("until")


@contextmanager
def ends_at(until: float) -> Iterator[None]:
    """What this thread waits for within, it waits for until then, by the clock of the transport that it uses."""
    token = _until.set(until)
    try:
        yield
    finally:
        _until.reset(token)


class BoundedTransport(httpx.HTTPTransport):
    """For calls within :func:`ends_at`. An answer of which a byte comes now and then is no reason to wait for it."""

    def __init__(self, authorities: ssl.SSLContext, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(verify=authorities, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=authorities,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Network(monotonic),
        )


class _Network(httpcore.SyncBackend):
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._monotonic, timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self._monotonic)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, monotonic: Callable[[], float]) -> None:
        self._stream = stream
        self._monotonic = monotonic

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._monotonic, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._monotonic, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._monotonic, timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._monotonic)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(monotonic: Callable[[], float], timeout: float | None, too_late: type[httpcore.TimeoutException]) -> float:
    left = _until.get() - monotonic()
    if left <= 0:
        raise too_late("the call has taken its time")
    return left if timeout is None else min(left, timeout)
