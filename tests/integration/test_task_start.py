"""The worker that is called, over HTTP: a real server, the real client, and who is called back."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from core.context import TaskContext
from core.errors import StoreUnavailable
from core.messages import TaskQueueMessage
from core.model import TaskStatus
from docker_worker.callbacks import CallbackHosts, Callbacks
from docker_worker.http_trigger import HttpTriggeredWorker
from docker_worker.surface.envelope import Envelope, answer_errors
from docker_worker.surface.start import start_router
from infrastructure.task_start.bodies import MAX_BODY_BYTES, PATH, TaskEnded, TaskStart
from infrastructure.task_start.client import TaskStartClient
from infrastructure.task_start.errors import WorkerBusy, WorkerMisconfigured, WorkerUnavailable
from infrastructure.task_start.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, SigningKeys
from testing.clock import SeededIds
from testing.factories import create_single_task
from tests.support.long_task import World

KEYS = SigningKeys(("the key of this side, new", "the key of that side, old"))
SECONDS = 60.0


class Called:
    """Who is called back."""

    def __init__(self) -> None:
        self.calls: Queue[tuple[str, bytes, dict[str, list[str]]]] = Queue()
        called = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): self.headers.get_all(name, []) for name in self.headers}
                called.calls.put((self.path, body, headers))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/done?id=7"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)


class Serving:
    def __init__(self) -> None:
        self.world = World()
        clock = self.world.clock
        self.callbacks = Callbacks(CallbackHosts(("localhost",)), KEYS, clock, SeededIds())
        self.worker = HttpTriggeredWorker(self.world.slot, self.callbacks, jitter=lambda: 0.0)
        app = FastAPI()
        answer_errors(app)
        app.include_router(start_router(self.worker, KEYS, clock))
        app.add_middleware(Envelope, max_body_bytes=1024 * 1024)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="h11", loop="asyncio")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)
        self.client = TaskStartClient(self.url, KEYS, clock)
        self.plain = httpx.Client(base_url=self.url, trust_env=False, timeout=SECONDS)

    def message(self, task_type: str = "long_task") -> TaskQueueMessage:
        """Another task; a job has one of each type."""
        world = self.world
        return create_single_task(world.machine, world.state, task_type, {})

    def body(self) -> bytes:
        return TaskStart(message=self.world.message).model_dump_json().encode()

    def post(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.plain.post(PATH, content=body, headers={"content-type": "application/json", **headers})

    def signed(self, body: bytes) -> dict[str, str]:
        return KEYS.sign("POST", PATH, body, self.world.clock.now())

    def ended(self) -> None:
        """Wait until the task that runs has ended."""
        done = threading.Event()
        while self.world.status.snapshot().current is not None or self.worker._holds is not None:
            done.wait(0.01)


@pytest.fixture
def serving() -> Iterator[Serving]:
    made = Serving()
    made.thread.start()
    made.worker.start()
    try:
        while not (made.server.started and made.worker._taking):
            assert made.thread.is_alive()
            threading.Event().wait(0.01)
        yield made
    finally:
        made.worker.stop()
        made.server.should_exit = True
        made.thread.join(SECONDS)
        made.worker.join(SECONDS)
        made.client.close()
        made.plain.close()
        made.callbacks.close(SECONDS)
        made.socket.close()
    assert not made.thread.is_alive()
    assert not made.worker.alive


@pytest.fixture
def called() -> Iterator[Called]:
    made = Called()
    made.thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        made.thread.join(SECONDS)


def test_a_task_is_begun_at_once_and_its_end_is_called_back_signed(serving: Serving, called: Called) -> None:
    go_on = threading.Event()

    def waits(_context: TaskContext) -> None:
        assert go_on.wait(SECONDS)

    serving.world.during = waits
    message = serving.world.message

    answer = serving.client.start(message, called.url)
    while_running = serving.client.start(message)
    with pytest.raises(WorkerBusy):
        serving.client.start(serving.message())
    go_on.set()
    path, body, headers = called.calls.get(timeout=SECONDS)
    afterwards = serving.client.start(message)

    assert (answer.effect, while_running.effect, afterwards.effect) == ("begun", "running", "ended")
    KEYS.for_callbacks().check("POST", path, body, headers, serving.world.clock.now())
    assert path == "/done?id=7"
    assert TaskEnded.model_validate_json(body) == TaskEnded(
        task_id=message.task_id, attempt=1, effect="applied", outcome="succeeded", error_code=None
    )
    assert (serving.world.task.status, serving.world.calls) == (TaskStatus.COMPLETED, 1)


def test_of_many_who_call_at_once_one_is_taken_and_no_task_runs_twice(serving: Serving) -> None:
    running = threading.Lock()

    def alone(_context: TaskContext) -> None:
        assert running.acquire(blocking=False)
        running.release()

    serving.world.during = alone
    message = serving.world.message

    def call(_number: int) -> str:
        try:
            return serving.client.start(message).effect
        except WorkerBusy as error:
            return error.code

    with ThreadPoolExecutor(16) as threads:
        told = list(threads.map(call, range(64)))
    serving.ended()

    assert told.count("begun") == 1
    assert set(told) <= {"begun", "running", "ended", "WORKER_BUSY"}
    assert (serving.world.calls, serving.world.task.status) == (1, TaskStatus.COMPLETED)


def test_an_old_key_is_taken_while_keys_are_changed(serving: Serving) -> None:
    client = TaskStartClient(serving.url, SigningKeys(KEYS.keys[1:]), serving.world.clock)
    try:
        assert client.start(serving.world.message).effect == "begun"
    finally:
        client.close()


def test_who_has_no_key_is_refused_and_nothing_is_claimed(serving: Serving) -> None:
    client = TaskStartClient(serving.url, SigningKeys(("not the key of either",)), serving.world.clock)
    try:
        with pytest.raises(WorkerMisconfigured, match="SIGNATURE_WRONG"):
            client.start(serving.world.message)
    finally:
        client.close()

    assert serving.world.task.status is TaskStatus.QUEUED


@pytest.mark.parametrize("late", [True, False])
def test_the_body_of_a_call_whose_headers_are_refused_is_not_waited_for(serving: Serving, late: bool) -> None:
    url, now = httpx.URL(serving.url), serving.world.clock.now()
    headers = KEYS.sign("POST", PATH, b"", now - timedelta(minutes=6)) if late else {}
    connection = HTTPConnection(url.host, url.port, timeout=10)
    try:
        connection.putrequest("POST", PATH)
        for name, value in {"content-type": "application/json", "content-length": "100", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 401
    finally:
        connection.close()


def test_what_is_refused_says_why(serving: Serving) -> None:
    body, now = serving.body(), serving.world.clock.now()
    signed = serving.signed(body)
    late = KEYS.sign("POST", PATH, body, now - timedelta(minutes=6))
    unsigned_timestamp = {SIGNATURE_HEADER: signed[SIGNATURE_HEADER]}
    other = json.dumps({"message": {"task_id": "x"}, "more": 1}).encode()
    unknown = TaskStart(message=serving.world.message.model_copy(update={"task_type": "unheard_of"}))
    unheard = unknown.model_dump_json().encode()
    elsewhere = (
        TaskStart(message=serving.world.message, callback_url="https://evil.example/").model_dump_json().encode()
    )
    large = b" " * (MAX_BODY_BYTES + 1)
    twice = body[:-1] + b',"message":' + body[11:]

    told = [
        serving.post(body, {}),
        serving.post(body, unsigned_timestamp),
        serving.post(body, {**signed, TIMESTAMP_HEADER: "soon"}),
        serving.post(body, late),
        serving.post(body + b" ", signed),
        serving.post(large, serving.signed(large)),
        serving.post(body, {**signed, "content-type": "text/plain"}),
        serving.post(b"{", serving.signed(b"{")),
        serving.post(twice, serving.signed(twice)),
        serving.post(other, serving.signed(other)),
        serving.post(unheard, serving.signed(unheard)),
        serving.post(elsewhere, serving.signed(elsewhere)),
    ]

    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in told] == [
        (401, "SIGNATURE_MISSING"),
        (401, "SIGNATURE_MISSING"),
        (400, "SIGNATURE_MALFORMED"),
        (401, "SIGNATURE_EXPIRED"),
        (403, "SIGNATURE_WRONG"),
        (413, "BODY_TOO_LARGE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (400, "MALFORMED_JSON"),
        (400, "MALFORMED_JSON"),
        (422, "START_INVALID"),
        (422, "UNKNOWN_TASK_TYPE"),
        (422, "CALLBACK_REFUSED"),
    ]
    assert all(answer.headers["x-request-id"] == answer.json()["error"]["request_id"] for answer in told)
    assert serving.world.task.status is TaskStatus.QUEUED


def test_a_query_is_part_of_what_is_signed(serving: Serving) -> None:
    body = serving.body()
    answer = serving.plain.post(
        f"{PATH}?a=1", content=body, headers={"content-type": "application/json", **serving.signed(body)}
    )

    assert answer.json()["error"]["code"] == "SIGNATURE_WRONG"


def test_where_the_store_is_away_the_call_is_to_come_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no answer")

    body = serving.body()
    with monkeypatch.context() as patched:
        patched.setattr(serving.world.state, "claim_task", away)
        answer = serving.post(body, serving.signed(body))
        with pytest.raises(WorkerUnavailable, match="STORE_UNAVAILABLE"):
            serving.client.start(serving.world.message)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert serving.client.start(serving.world.message).effect == "begun"


def test_a_worker_that_ends_takes_nothing_and_interrupts_what_runs(serving: Serving) -> None:
    began, told = threading.Event(), threading.Event()

    def runs(context: TaskContext) -> None:
        context.checkpoint.save("first")
        began.set()
        assert told.wait(SECONDS)

    serving.world.during = runs
    serving.client.start(serving.world.message)
    assert began.wait(SECONDS)
    serving.worker.stop()
    with pytest.raises(WorkerUnavailable, match="WORKER_NOT_READY"):
        serving.client.start(serving.message())
    told.set()

    assert serving.worker.join(SECONDS)
    assert (serving.world.task.status, serving.world.task.attempt) == (TaskStatus.QUEUED, 2)
    assert serving.world.outcomes() == ["interrupted"]


def test_a_worker_that_is_not_there_is_told_as_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    world = World()
    client = TaskStartClient(url, KEYS, world.clock)
    try:
        with pytest.raises(WorkerUnavailable, match="ConnectError"):
            client.start(world.message)
    finally:
        client.close()
