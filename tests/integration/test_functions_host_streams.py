"""HTTP streams in the local host: the function has the server's own request, and its response goes through."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from local.functions_host.app import FunctionsApplication, endpoint_routes
from local.functions_host.auth import Keys
from local.functions_host.invocation import Invoker
from local.functions_host.routes import RouteTable
from local.functions_host.rules import validate
from local.functions_host.server import serving
from tests.support.fixture_apps import STREAMS, indexed_app

LIMIT = 100_000


@contextmanager
def streams_host(timeout: timedelta | None = None, keys: Keys | None = None) -> Iterator[httpx.Client]:
    invoker = Invoker(timeout, threads=2)
    functions = indexed_app(STREAMS)
    assert validate(functions) == []
    try:
        with (
            serving(
                FunctionsApplication(RouteTable(endpoint_routes(functions, "api")), invoker, keys, body_limit=LIMIT)
            ) as url,
            httpx.Client(base_url=f"{url}/api", timeout=20, trust_env=False) as client,
        ):
            yield client
    finally:
        invoker.close()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with streams_host() as client:
        yield client


def test_the_function_has_the_request_and_its_response_goes_through(client: httpx.Client) -> None:
    answer = client.put(
        "/SEEN/7/a%20b/c?x=1&x=2", content=b"\x00body", headers={"X-One": "1", "x-ms-invocation-id": "forged"}
    )
    assert answer.status_code == 200
    assert answer.headers["x-two"] == "2"
    assert answer.json() == {
        "method": "PUT",
        "path": "/api/SEEN/7/a b/c",
        "query": {"x": "2"},
        "path_params": {"id": "7", "rest": "a b/c"},
        "header": "1",
        "own_id": True,
        "body": "\x00body",
    }


def test_a_body_is_read_as_it_comes(client: httpx.Client) -> None:
    pieces = [bytes([number]) * 20_000 for number in range(4)]

    def body() -> Iterator[bytes]:
        yield pieces[0]
        assert client.get("/arrived").status_code == 204
        yield from pieces[1:]

    seen = client.post("/digest", content=body()).json()
    assert seen["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_an_answer_begins_before_it_has_ended(client: httpx.Client) -> None:
    with client.stream("GET", "/parts") as answer:
        parts = answer.iter_bytes()
        assert next(parts) == b"first"
        assert client.post("/release").status_code == 204
        assert b"".join(parts) == b"second"


def test_a_multipart_file(client: httpx.Client) -> None:
    answer = client.post("/upload", files={"file": ("a.pdf", b"x" * 5000)})
    assert answer.json() == {"name": "a.pdf", "size": 5000}


@pytest.mark.parametrize("path", ["/digest", "/patient"])
def test_over_the_limit_it_is_413_whatever_the_function_makes_of_it(client: httpx.Client, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    at_limit = client.post(path, content=b"x" * LIMIT)
    declared = client.post(path, content=b"x" * (LIMIT + 1))
    chunked = client.post(path, content=chunks())
    assert (at_limit.status_code, declared.status_code, chunked.status_code) == (200, 413, 413)
    assert declared.content == chunked.content == b""
    assert client.get("/sync").status_code == 201


def test_a_client_that_goes_away_ends_the_function_and_is_no_error(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level("INFO", logger="local.functions_host"),
        socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20) as connection,
    ):
        connection.sendall(b"POST /api/digest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nonly this")
        connection.shutdown(socket.SHUT_RDWR)
        while not any("the client went away" in record.getMessage() for record in caplog.records):
            client.get("/sync")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("sync", 201, "sync"),
        ("unannotated", 200, '{"method":"GET"}'),
        ("model", 200, '{"x":1,"y":2}'),
        ("text", 200, '"é"'),
        ("teapot", 418, '{"detail":"short and stout"}'),
        ("nothing", 500, ""),
        ("classic_answer", 500, ""),
        ("split", 500, ""),
        ("status", 500, ""),
        ("raises", 500, ""),
        ("unknown", 404, ""),
    ],
)
def test_what_becomes_of_what_it_returns_or_raises(client: httpx.Client, path: str, status: int, body: str) -> None:
    answer = client.get(f"/{path}")
    assert (answer.status_code, answer.text) == (status, body)
    assert "injected" not in answer.headers


def test_an_answer_that_breaks_off_is_seen_by_the_client_and_told_in_the_log(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/broken")
    assert "Function 'broken' raised while its answer was sent" in caplog.text
    assert "RuntimeError: a secret of the implementation" in caplog.text


def test_what_fails_after_the_answer_is_told_in_the_log(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/after").text == "answered"
    while "Function 'after' raised while its answer was sent" not in caplog.text:
        client.get("/sync")
    assert "RuntimeError: after the answer" in caplog.text


def test_a_function_that_runs_out_of_time_is_a_500() -> None:
    with streams_host(timeout=timedelta(milliseconds=50)) as client:
        assert client.get("/slow").status_code == 500


def test_keys_are_asked_for() -> None:
    with streams_host(keys=Keys(master="m")) as client:
        assert client.get("/locked").status_code == 401
        assert client.get("/locked", headers={"x-functions-key": "m"}).text == "open"
