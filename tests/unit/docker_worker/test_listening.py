"""Where a worker listens."""

from __future__ import annotations

import socket

import pytest

from docker_worker.process import AddressUnavailable, _listening


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
