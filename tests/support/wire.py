"""A network without a wire: what was connected to, under which name, and what was answered there."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence

import httpcore


class FakeNetwork(httpcore.NetworkBackend):
    """Each connection answers once, with the bytes that ``answer`` gives. TLS is a note of the name that was asked for.

    An address that is ``silent`` refuses connections. For one thread.
    """

    def __init__(self, answer: Callable[[], Sequence[bytes]], silent: Iterable[str] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self.server_names: list[str | None] = []
        self.sent: list[bytes] = []
        self.open = 0
        self._answer = answer
        self._silent = frozenset(silent)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        if host in self._silent:
            raise httpcore.ConnectError("refused")
        self.open += 1
        return _Stream(self, list(self._answer()))


class _Stream(httpcore.NetworkStream):
    def __init__(self, network: FakeNetwork, pieces: list[bytes]) -> None:
        self._network = network
        self._pieces = pieces
        self._closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._network.sent.append(buffer)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._network.open -= 1

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._network.server_names.append(server_hostname)
        return self

    def get_extra_info(self, info: str) -> object:
        return None
