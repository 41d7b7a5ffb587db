from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from core.errors import CoreMachineError
from core.ids import JobId, TaskId
from core.messages import TaskQueueMessage
from infrastructure.settings import Settings, SettingsInvalid
from infrastructure.task_start.bodies import PATH, parse_start
from infrastructure.task_start.calls import MAX_ANSWER_BYTES, WHOLE_SECONDS, CallFailed, Calls
from infrastructure.task_start.client import TaskStartClient, worker_url
from infrastructure.task_start.errors import StartRefused, WorkerBusy, WorkerMisconfigured, WorkerUnavailable
from infrastructure.task_start.signature import SigningKeys
from testing.clock import EPOCH, FakeClock

KEYS = SigningKeys(("a key of sixteen letters",))
JOB = JobId("a" * 64)
MESSAGE = TaskQueueMessage(
    job_id=JOB, run=1, job_type="j", stage=1, task_id=TaskId(f"{JOB}:1:1:t"), task_type="t", attempt=2
)

Answers = Callable[[httpx.Request], httpx.Response]


def client(answers: Answers, url: str = "https://worker.example/base/", **more: object) -> TaskStartClient:
    calls = Calls(httpx.MockTransport(answers), **more)  # type: ignore[arg-type]
    return TaskStartClient(url, KEYS, FakeClock(), calls)


def told(status: int, body: object) -> Answers:
    return lambda _request: httpx.Response(status, json=body)


def refusal(status: int, code: str) -> Answers:
    return told(status, {"error": {"code": code, "message": "m", "details": {}}})


@pytest.mark.parametrize(("status", "effect"), [(202, "begun"), (200, "running")])
def test_the_message_is_posted_signed_and_the_answer_told(status: int, effect: str) -> None:
    seen: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status, json={"task_id": MESSAGE.task_id, "attempt": 2, "effect": effect, "more": 1})

    assert client(answers).start(MESSAGE, "https://me.example/done").effect == effect

    (request,) = seen
    assert str(request.url) == "https://worker.example/base/task/start"
    asked = parse_start(request.content)
    assert (asked.message, asked.callback_url) == (MESSAGE, "https://me.example/done")
    headers = {name: request.headers.get_list(name) for name in request.headers}
    KEYS.check("POST", PATH, request.content, headers, EPOCH)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (refusal(409, "WORKER_BUSY"), WorkerBusy),
        (refusal(409, "SOMETHING_ELSE"), WorkerUnavailable),
        (refusal(503, "STORE_UNAVAILABLE"), WorkerUnavailable),
        (refusal(401, "SIGNATURE_EXPIRED"), WorkerMisconfigured),
        (refusal(403, "SIGNATURE_WRONG"), WorkerMisconfigured),
        (refusal(422, "UNKNOWN_TASK_TYPE"), WorkerMisconfigured),
        (refusal(422, "MESSAGE_VERSION_UNSUPPORTED"), WorkerMisconfigured),
        (refusal(400, "SIGNATURE_MALFORMED"), StartRefused),
        (refusal(422, "MESSAGE_INVALID"), StartRefused),
        (told(403, "a gateway's page"), WorkerUnavailable),
        (told(404, {"error": {"code": "ROUTE_NOT_FOUND"}}), WorkerUnavailable),
        (told(302, {}), WorkerUnavailable),
        (told(200, {"not": "ours"}), WorkerUnavailable),
        (told(202, []), WorkerUnavailable),
        (told(500, {"error": "text"}), WorkerUnavailable),
        (lambda _: httpx.Response(202, content=b"[" * 50_000), WorkerUnavailable),
        (lambda _: httpx.Response(422, content=b"[" * 50_000), WorkerUnavailable),
        (lambda _: httpx.Response(202, content=b"{}", headers={"content-encoding": "gzip"}), WorkerUnavailable),
        (lambda _: httpx.Response(202, content=b"x" * (MAX_ANSWER_BYTES + 1)), WorkerUnavailable),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(answers: Answers, error: type[CoreMachineError]) -> None:
    with pytest.raises(CoreMachineError) as raised:
        client(answers).start(MESSAGE)

    assert type(raised.value) is error
    assert raised.value.retryable is (error is not StartRefused)


def test_the_workers_reason_is_told() -> None:
    with pytest.raises(StartRefused) as raised:
        client(refusal(422, "MESSAGE_INVALID")).start(MESSAGE)

    assert raised.value.details == {"status": 422, "worker_code": "MESSAGE_INVALID"}


def test_keys_clocks_and_versions_that_differ_are_for_a_person_to_mend(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WorkerMisconfigured, match="SIGNATURE_WRONG"):
        client(refusal(403, "SIGNATURE_WRONG")).start(MESSAGE)

    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [("ERROR", "worker_refuses")]


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.PoolTimeout])
def test_no_answer_is_a_worker_that_is_not_there(error: type[httpx.TransportError]) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        raise error("10.0.0.1 says no", request=request)

    with pytest.raises(WorkerUnavailable) as raised:
        client(answers).start(MESSAGE)
    assert "10.0.0.1" not in raised.value.message


def test_an_answer_that_trickles_in_is_given_up() -> None:
    times = iter([0.0, WHOLE_SECONDS, WHOLE_SECONDS + 1])

    def trickle() -> Iterator[bytes]:
        yield from (b"{", b" ", b"}")

    with pytest.raises(WorkerUnavailable, match="took more than"):
        client(lambda _: httpx.Response(202, content=trickle()), monotonic=lambda: next(times)).start(MESSAGE)


class Dripping:
    """Listens, and answers with the bytes of ``pieces``, one after each look at the clock."""

    def __init__(self, pieces: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.url = httpx.URL(f"http://127.0.0.1:{self.listener.getsockname()[1]}/")
        self._pieces = pieces
        self._peer: socket.socket | None = None
        self.looks = 0

    def monotonic(self) -> float:
        """A second later each time. Before the third look the connection is made, and asked for its answer."""
        self.looks += 1
        if self.looks > 3:
            if self._peer is None:
                self._peer = self.listener.accept()[0]
            at = min(self.looks - 4, len(self._pieces) - 1)
            self._peer.sendall(self._pieces[at : at + 1])
        return float(self.looks)

    def close(self) -> None:
        self.listener.close()
        if self._peer is not None:
            self._peer.close()


def test_a_head_that_trickles_in_is_given_up() -> None:
    server = Dripping(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100)
    calls = Calls(whole_seconds=20.0, monotonic=server.monotonic)
    try:
        with pytest.raises(CallFailed, match="Timeout"):
            calls.post(server.url, b"{}", {})
    finally:
        calls.close()
        server.close()
    assert 15 < server.looks < 25


def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def answers(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://elsewhere.example/"})

    with pytest.raises(WorkerUnavailable, match="307"):
        client(answers).start(MESSAGE)
    assert len(seen) == 1


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    calls = Calls()
    try:
        assert not any(calls._client._mounts.values())
    finally:
        calls.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://worker.example",
        "https://worker.example:8443/prefix/",
        "http://localhost:8080",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080",
        "http://10.1.2.3",
        "http://worker:8080",
        "http://worker.internal",
        "http://worker.namespace.svc.cluster.local",
    ],
)
def test_a_workers_url(url: str) -> None:
    assert worker_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "worker",
        "/task",
        "ftp://worker",
        "http://worker.example",
        "http://8.8.8.8",
        "http://internal.example",
        "https://user:secret@worker.example",
        "https://worker.example?key=secret",
        "https://worker.example#a",
        "https://worker.example:99999",
        "https://",
    ],
)
def test_what_is_no_workers_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="DOCKER_WORKER_URL") as refused:
        worker_url(url)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DOCKER_WORKER_URL": "https://worker.example"},
        {"DOCKER_TRIGGER_KEYS": "k" * 16},
        {"DOCKER_WORKER_URL": "https://worker\x7f.example", "DOCKER_TRIGGER_KEYS": "k" * 16},
    ],
)
def test_settings_that_name_no_worker_are_for_a_person_to_mend_and_bury_nothing(environment: dict[str, str]) -> None:
    with pytest.raises(WorkerMisconfigured) as raised:
        TaskStartClient.from_settings(Settings.from_environment(environment), FakeClock())
    assert raised.value.retryable


def test_a_body_that_starts_a_task_is_read_back_whole() -> None:
    body = json.dumps({"message": json.loads(MESSAGE.encode())}).encode()

    assert parse_start(body).message == MESSAGE
