"""A server between client and PostgreSQL that loses one exchange of theirs, or answers it itself with an error.

An exchange is what the client sends up to a Sync or a Query, and the answer up to ReadyForQuery
(https://www.postgresql.org/docs/current/protocol-flow.html). Signing in is not counted.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import ExitStack, suppress
from enum import Enum
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

SYNC, QUERY, TERMINATE, READY = b"S", b"Q", b"X", b"Z"


class Fault(Enum):
    """What becomes of the exchange."""

    REQUEST_LOST = "the connection ends before the server gets it"
    ANSWER_LOST = "the connection ends once the server has done it"
    DISK_FULL = "it is answered with SQLSTATE 53100 and never gets to the server"


class PostgresProxy:
    """Listens on loopback while it is open; ``conninfo`` leads through it. For one session after the other."""

    def __init__(self, url: str) -> None:
        self._target = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._left = 0
        self._status = b"I"
        host, port = self._listener.getsockname()
        self.conninfo = make_conninfo(url, host=host, hostaddr=host, port=port, sslmode="disable")

    def arm(self, fault: Fault, exchange: int) -> None:
        """Let this befall the ``exchange``-th from now on, counted from 1."""
        with self._lock:
            self._fault, self._left = fault, exchange

    def disarm(self) -> bool:
        """Let nothing happen any more; whether it was still to come."""
        with self._lock:
            fault, self._fault = self._fault, None
            return fault is not None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with ExitStack() as sessions:
            while True:
                try:
                    client, _ = self._listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=self._session, args=[client])
                sessions.callback(thread.join)
                sessions.callback(_hang_up, client)
                thread.start()

    def _session(self, client: socket.socket) -> None:
        with client, self._connect() as server, suppress(OSError, EOFError):
            self._status = b"I"
            server.sendall(_startup(client))
            _forward_answer(server, client, signing_in=True)
            while (request := _request(client)) is not None:
                if not self._exchange(client, server, request):
                    return

    def _exchange(self, client: socket.socket, server: socket.socket, request: bytes) -> bool:
        """Whether the session goes on."""
        fault = self._next_fault()
        if fault is Fault.REQUEST_LOST:
            return False
        if fault is Fault.DISK_FULL:
            if b"COMMIT" in request:  # a commit that fails ends the transaction
                server.sendall(_query("ROLLBACK"))
                self._status = _answer(server)[-1:]
            client.sendall(_disk_full(b"I" if self._status == b"I" else b"E"))
            return True
        server.sendall(request)
        answer = _answer(server)
        self._status = answer[-1:]
        if fault is Fault.ANSWER_LOST:
            return False
        client.sendall(answer)
        return True

    def _next_fault(self) -> Fault | None:
        with self._lock:
            if self._fault is None:
                return None
            self._left -= 1
            if self._left:
                return None
            fault, self._fault = self._fault, None
            return fault

    def _connect(self) -> socket.socket:
        host, port = self._target.get("host", "localhost"), int(self._target.get("port", "5432"))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server


def _hang_up(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def _read(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _message(peer: socket.socket) -> bytes:
    """One message: a letter, the length with its own four bytes, and the rest."""
    head = _read(peer, 5)
    return head + _read(peer, struct.unpack("!I", head[1:])[0] - 4)


def _startup(client: socket.socket) -> bytes:
    """The first message has no letter."""
    head = _read(client, 4)
    return head + _read(client, struct.unpack("!I", head)[0] - 4)


def _forward_answer(server: socket.socket, client: socket.socket, *, signing_in: bool) -> None:
    """Everything up to ReadyForQuery; while the client signs in, what it says to a question as well."""
    while True:
        message = _message(server)
        client.sendall(message)
        if message[:1] == READY:
            return
        if signing_in and message[:1] == b"R" and struct.unpack("!I", message[5:9])[0] in {3, 5, 10, 11}:
            server.sendall(_message(client))


def _request(client: socket.socket) -> bytes | None:
    """``None`` where the client ends the session."""
    messages = []
    while True:
        message = _message(client)
        if message[:1] == TERMINATE:
            return None
        messages.append(message)
        if message[:1] in {SYNC, QUERY}:
            return b"".join(messages)


def _answer(server: socket.socket) -> bytes:
    messages = []
    while True:
        messages.append(_message(server))
        if messages[-1][:1] == READY:
            return b"".join(messages)


def _query(statement: str) -> bytes:
    return QUERY + struct.pack("!I", len(statement) + 5) + statement.encode() + b"\0"


def _disk_full(status: bytes) -> bytes:
    fields = b"SERROR\0VERROR\0C53100\0Mcould not extend file: No space left on device\0\0"
    ready = READY + struct.pack("!I", 5) + status
    return b"E" + struct.pack("!I", len(fields) + 4) + fields + ready
