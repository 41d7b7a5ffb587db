"""One answer or one error a call, over a real connection."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.client.address import Service
from local.client.errors import CallRefused, FileUnusable, KeyRefused, ServiceNotReached
from local.client.http import LONGEST_WAIT, PATIENCE, Http
from tests.unit.local.client.fake_service import Call, FakeService, Reply, answer, error


class Waits:
    """Notes what is waited, and moves a clock by it; ``stop_at`` tells the command to end there."""

    def __init__(self, stop_at: int = 1_000) -> None:
        self.seconds: list[float] = []
        self._stop_at = stop_at

    def clock(self) -> float:
        return 1.0 + sum(self.seconds)

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return len(self.seconds) >= self._stop_at


def client(service: FakeService, waits: Waits | None = None, key: str = "") -> Http:
    return client_of(service.url, waits, key)


def client_of(url: str, waits: Waits | None = None, key: str = "") -> Http:
    waits = waits or Waits()
    return Http(Service(url, key), waits, waits.clock, silent_seconds=10.0)


@contextmanager
def raw_server(reply: bytes, read: int = 0) -> Iterator[str]:
    """Takes one connection, reads ``read`` bytes of it, says ``reply`` and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                got = 0
                while got < read:
                    got += len(connection.recv(min(65_536, read - got)))
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_WR)
                while read and connection.recv(65_536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def test_an_error_has_its_code_its_message_and_the_request_id(service: FakeService) -> None:
    service.routes["GET .*"] = lambda _: error(409, "RUN_NOT_ENDED", "not yet")

    with pytest.raises(CallRefused, match=r"RUN_NOT_ENDED: not yet \(request req-7\)") as caught:
        client(service).get("jobs/x/result")
    assert (caught.value.status, caught.value.exit_code) == (409, 1)


def test_what_an_error_says_cannot_command_the_terminal(service: FakeService) -> None:
    service.routes["GET .*"] = lambda _: error(400, "BAD\x1b[2J", "a\nb")

    with pytest.raises(CallRefused) as caught:
        client(service).get("x")
    assert str(caught.value) == "BAD\\x1b[2J: a\\nb (request req-7)"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {}}', b"\xff"])
def test_an_error_that_is_not_the_services_has_its_status(service: FakeService, body: bytes) -> None:
    service.routes["GET .*"] = lambda _: Reply(502, body, {"X-Request-Id": "abc"})

    with pytest.raises(CallRefused, match=r"HTTP_502.*\(request abc\)"):
        client(service).get("x")


def test_the_key_is_sent_and_a_missing_one_is_wrong_use(service: FakeService) -> None:
    service.key = "right"
    service.routes["GET .*"] = lambda _: answer(200, {})

    assert client(service, key="right").get("x").status == 200
    with pytest.raises(KeyRefused, match="--key") as caught:
        client(service, key="wrong").get("x")
    assert caught.value.exit_code == 2
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_said(service: FakeService, status: int) -> None:
    replies = iter([error(status, "BUSY", Retry_After="7"), error(status, "BUSY"), answer(200, {"n": 1})])
    service.routes["POST .*"] = lambda _: next(replies)
    waits = Waits()

    assert json.loads(client(service, waits).post("jobs/submit/x", {}).body) == {"n": 1}
    assert waits.seconds == [7.0, 1.0]


def test_it_is_not_asked_for_ever_nor_waited_for_long(service: FakeService) -> None:
    service.routes["GET .*"] = lambda _: error(503, "BUSY", Retry_After="86400")
    waits = Waits()

    with pytest.raises(CallRefused, match="BUSY"):
        client(service, waits).get("x")
    assert waits.seconds == [LONGEST_WAIT] * round(PATIENCE / LONGEST_WAIT)


def test_a_date_counts_from_the_answers_own(service: FakeService) -> None:
    dates = {"Date": "Thu, 31 Jan 2030 12:00:00 GMT", "Retry-After": "Thu, 31 Jan 2030 12:00:09 GMT"}
    with raw_server(_raw(503, {**dates, "Content-Length": "0"})) as url, pytest.raises(CallRefused) as caught:
        client_of(url, Waits(stop_at=1)).get("x")

    assert caught.value.retry_after == 9.0


def test_what_makes_something_new_is_not_sent_twice(service: FakeService) -> None:
    service.routes["POST .*"] = lambda _: error(503, "BUSY", Retry_After="1")

    with pytest.raises(CallRefused):
        client(service).post("jobs/x/replay", {}, repeat=False)
    assert len(service.calls) == 1


def test_the_end_of_the_command_ends_the_waiting(service: FakeService) -> None:
    service.routes["GET .*"] = lambda _: error(503, "BUSY")

    with pytest.raises(CallRefused):
        client(service, Waits(stop_at=1)).get("x")
    assert len(service.calls) == 1


def test_nobody_there_is_said_with_how_to_start_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ServiceNotReached, match="python -m local up") as caught:
        client_of(f"http://127.0.0.1:{port}").get("x")
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab"])
def test_somebody_else_on_the_port_is_not_the_service(said: bytes) -> None:
    with raw_server(said) as url, pytest.raises(ServiceNotReached):
        client_of(url, Waits(stop_at=1)).get("x")


def test_a_redirect_is_not_followed_with_the_key(service: FakeService) -> None:
    service.routes["GET .*"] = lambda _: Reply(302, b"", {"Location": f"{service.url}/elsewhere"})

    with pytest.raises(CallRefused, match="302"):
        client(service, key="k").get("x")
    assert service.paths() == ["/api/x"]


def test_not_modified_is_an_answer(service: FakeService) -> None:
    service.routes["GET .*"] = lambda call: Reply(304, b"", {"ETag": call.headers["if-none-match"]})

    assert client(service).get("x", {"if-none-match": '"1"'}).status == 304


def test_an_upload_is_the_files_bytes_and_is_repeated_from_its_beginning(service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(range(256)) * 4_000)
    bodies: list[bytes] = []
    replies = iter([error(429, "UPLOADS_BUSY", Retry_After="1"), answer(202, {})])

    def take(call: Call) -> Reply:
        bodies.append(call.body)
        return next(replies)

    service.routes["POST .*"] = take
    client(service).upload("documents", path, "image/png")

    assert bodies == [path.read_bytes()] * 2


def test_why_an_upload_was_refused_is_read_though_the_service_stopped_reading(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(32 * 1024 * 1024)
    body = json.dumps({"error": {"code": "BODY_TOO_LARGE", "message": "m", "request_id": "r"}}).encode()
    refusal = _raw(413, {"Content-Length": str(len(body)), "Connection": "close"}) + body

    with raw_server(refusal, read=100_000) as url, pytest.raises(CallRefused, match="BODY_TOO_LARGE"):
        client_of(url, Waits(stop_at=1)).upload("documents", path, "image/png")


def test_a_file_that_is_not_there_is_unusable(service: FakeService, tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="No such file"):
        client(service).upload("documents", tmp_path / "none", "image/png")


def test_a_download_that_breaks_off_is_not_taken_for_a_file() -> None:
    with (
        raw_server(_raw(200, {"Content-Length": "10"}) + b"abc") as url,
        pytest.raises(ServiceNotReached),
    ):
        client_of(url, Waits(stop_at=1)).download("jobs/x/files/a", list)


def test_a_download_that_broke_off_is_made_again_from_its_beginning(service: FakeService) -> None:
    replies = iter([Reply(200, b"abc", {"Content-Length": "10"}), Reply(200, b"abcdefghij")])
    service.routes["GET .*"] = lambda _: next(replies)

    assert client(service).download("jobs/x/files/a", b"".join) == b"abcdefghij"


def test_a_service_that_was_there_is_waited_for(service: FakeService) -> None:
    replies = iter([answer(200, {}), Reply(200, b"", {"Content-Length": "9"}), answer(200, {"back": True})])
    service.routes["GET .*"] = lambda _: next(replies)
    waits = Waits()
    http = client(service, waits)

    http.get("x")
    assert json.loads(http.get("x").body) == {"back": True}
    assert waits.seconds == [1.0]


def test_and_not_for_ever(service: FakeService) -> None:
    service.routes["GET .*"] = lambda _: answer(200, {})
    waits = Waits()
    http = client(service, waits)
    http.get("x")
    service.routes["GET .*"] = lambda _: Reply(200, b"", {"Content-Length": "9"})

    with pytest.raises(ServiceNotReached):
        http.get("x")
    assert sum(waits.seconds) == PATIENCE


def _raw(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()
