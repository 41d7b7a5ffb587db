"""A server that answers each path as a test wrote it down, byte for byte, and keeps what it was asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS = 30.0

TLS_HANDSHAKE = b"\x16"
"""What a caller sends first who expects TLS."""

Answer = bytes | Callable[[socket.socket], None]


def answer(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """Whole and true, unless ``headers`` say otherwise; an underscore is a hyphen."""
    told = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


class DocumentServer:
    """One connection after the other, one answer each; a path that nobody wrote down is 404."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.heads: list[str] = []
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    @contextmanager
    def running(self) -> Iterator[DocumentServer]:
        self._thread.start()
        try:
            yield self
        finally:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(SECONDS)
                self._handle(connection)

    def _handle(self, connection: socket.socket) -> None:
        if self._tls is None:
            self._reply(connection)
            return
        with self._tls.wrap_socket(connection, server_side=True) as secured:
            self._reply(secured)

    def _reply(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(4096)
            if not piece:
                return
            head += piece
            if head.startswith(TLS_HANDSHAKE):
                connection.sendall(answer(b"Bad Request", status=400))
                return
        self.heads.append(head.decode("latin-1"))
        given = self.answers.get(self.paths[-1], answer(status=404))
        if isinstance(given, bytes):
            connection.sendall(given)
        else:
            given(connection)
