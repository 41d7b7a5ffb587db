"""The real app behind the local host, over HTTP: switched off, locked, and answering."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import function_app
from infrastructure.settings import Settings
from local.functions_host.app import FunctionsApplication, endpoint_routes
from local.functions_host.auth import Keys
from local.functions_host.functions import index_app
from local.functions_host.invocation import Invoker
from local.functions_host.routes import RouteTable
from local.functions_host.rules import validate
from local.functions_host.server import serving
from testing.documents import sample_page

ROOT = Path(__file__).parents[2]
KEYS = Keys(master="the-master", host={"default": "the-host"}, functions={})
EXECUTE = "/api/test/execute/hello_world_greeting"
GREETING = {"params": {"index": 0, "message": "Hello!"}}


@contextmanager
def hosted(keys: Keys | None = None, **settings: str) -> Iterator[httpx.Client]:
    app = function_app.create_app(Settings.from_environment({"ENABLE_TEST_ENDPOINTS": "true", **settings}))
    invoker = Invoker(None, threads=4)
    table = RouteTable(endpoint_routes(index_app(app), "api"))
    try:
        with (
            serving(FunctionsApplication(table, invoker, keys)) as url,
            httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
        ):
            yield client
    finally:
        invoker.close()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with hosted() as client:
        yield client


def test_the_real_host_would_take_the_app() -> None:
    app = function_app.create_app(Settings.from_environment({"ENABLE_TEST_ENDPOINTS": "true"}))

    assert not validate(index_app(app))


def test_switched_off_the_endpoints_cannot_be_told_from_routes_that_do_not_exist() -> None:
    with hosted(ENABLE_TEST_ENDPOINTS="false") as off:
        closed = off.post(EXECUTE, json=GREETING)
        missing = off.post("/api/no/such/route", json=GREETING)

    def seen(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
        return answer.status_code, answer.content, sorted((k, v) for k, v in answer.headers.items() if k != "date")

    assert closed.status_code == 404
    assert seen(closed) == seen(missing)


def test_every_endpoint_asks_for_a_function_key() -> None:
    calls = [
        ("POST", EXECUTE),
        ("POST", "/api/test/run/hello_world"),
        ("GET", "/api/test/handlers"),
        ("GET", "/api/test/state"),
        ("GET", "/api/test/messages"),
        ("POST", "/api/test/reset"),
    ]
    with hosted(KEYS) as locked:
        without = [locked.request(method, path, json=GREETING).status_code for method, path in calls]
        wrong = locked.post(EXECUTE, json=GREETING, headers={"x-functions-key": "guess"}).status_code
        state = locked.get("/api/test/state", headers={"x-functions-key": "the-host"}).json()
        right = locked.post(EXECUTE, json=GREETING, headers={"x-functions-key": "the-host"})

    assert without == [401] * len(calls)
    assert wrong == 401
    assert state["executions"] == []
    assert right.status_code == 200


def test_a_handler_answers_over_http(client: httpx.Client) -> None:
    answer = client.post(EXECUTE, json=GREETING)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["handler_result"]["greeting"] == "Hello! (from task 0)"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (EXECUTE, b"{not json", 400, "MALFORMED_JSON"),
        (EXECUTE, b"[1, 2]", 422, "INVALID_REQUEST"),
        (EXECUTE, b'{"surprise": 1}', 422, "INVALID_REQUEST"),
        (EXECUTE, b'{"params": {"index": "x", "message": 7}}', 422, "INVALID_PARAMETERS"),
        (EXECUTE, b" " * 3_000, 413, "BODY_TOO_LARGE"),
        ("/api/test/execute/nope", b"{}", 404, "UNKNOWN_TASK_TYPE"),
        ("/api/test/run/nope", b"{}", 404, "UNKNOWN_JOB_TYPE"),
        (
            "/api/test/run/ocr_document",
            b'{"params": {"source": {"path": "a", "blob": "b"}}}',
            422,
            "INVALID_PARAMETERS",
        ),
        ("/api/test/run/ocr_document", b'{"params": {"source": {"path": "/etc/passwd"}}}', 500, "SOURCE_NOT_ALLOWED"),
    ],
)
def test_a_refusal_has_its_status_and_code_over_http(path: str, body: bytes, status: int, code: str) -> None:
    with hosted(TEST_MAX_BODY_BYTES="2000") as client:
        answer = client.post(path, content=body)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert "Traceback" not in answer.text


def test_over_the_rate_the_answer_is_429_with_retry_after() -> None:
    with hosted(TEST_BURST="1", TEST_RATE_PER_MINUTE="1") as client:
        client.post(EXECUTE, json=GREETING)
        refused = client.post(EXECUTE, json=GREETING)

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["error"]["code"] == "RATE_LIMITED"


def test_a_missing_model_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    page = base64.b64encode(sample_page(seed=1).png).decode()
    body = {"params": {"source": {"content_base64": page}}}
    with hosted(OCR_MODEL_ROOT=str(tmp_path)) as client:
        answer = client.post("/api/test/run/ocr_document", json=body)

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "DEPENDENCY_MISSING"
    assert "docker_worker.models" in answer.json()["error"]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_importing_the_app_brings_no_ocr_package_and_little_memory() -> None:
    script = (
        "import sys, function_app\n"
        "print(*sorted({'paddleocr', 'paddlex', 'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)))\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    environment = {**os.environ, "ENABLE_TEST_ENDPOINTS": "true"}

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    loaded, kilobytes = done.stdout.splitlines()
    assert loaded == ""
    assert int(kilobytes) < 100 * 1024
