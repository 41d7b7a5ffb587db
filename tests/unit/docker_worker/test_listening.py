"""Where a worker listens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from docker_worker.process import _SERVER, MAX_CONNECTIONS, AddressUnavailable, _listening


@pytest.mark.parametrize(
    ("host", "callers"),
    [("127.0.0.1", ["127.0.0.1"]), ("0.0.0.0", ["127.0.0.1"]), ("::1", ["::1"]), ("::", ["::1", "127.0.0.1"])],
)
def test_it_is_reached_at_each_address_that_is_meant(host: str, callers: list[str]) -> None:
    with _listening(host, 0) as listening:
        port = listening.getsockname()[1]
        for caller in callers:
            socket.create_connection((caller, port), timeout=10).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "a..example", "x" * 64])
def test_where_it_cannot_listen_is_said(host: str) -> None:
    with pytest.raises(AddressUnavailable, match="DOCKER_HTTP_HOST"):
        _listening(host, 0)


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server as the worker's, whose app says yes."""
    app = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("yes"))])
    server = uvicorn.Server(uvicorn.Config(app, **_SERVER))
    with _listening("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def status(port: int) -> int:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().status


def test_of_too_many_connections_none_is_served_until_there_are_fewer(port: int) -> None:
    with ExitStack() as idle:
        for _ in range(MAX_CONNECTIONS - 2):
            idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        assert status(port) == 200
        idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        assert status(port) == 503

    while status(port) != 200:
        pass
