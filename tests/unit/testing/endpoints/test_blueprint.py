"""The test endpoints behind the local host: what of a request gets to the service, and how its answer goes out."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from testing.endpoints.blueprint import create_test_blueprint
from testing.endpoints.limits import HarnessLimits
from testing.endpoints.service import Answer, HarnessService
from testing.factories import Registries
from tests.support.streamed_app import functions_of, streamed_app

GREETING = {"params": {"index": 0, "message": "Grüße"}}


@pytest.fixture
def client() -> TestClient:
    service = HarnessService(Registries.hello_world(), HarnessLimits(max_body_bytes=1_000))
    return TestClient(streamed_app(create_test_blueprint(service)), base_url="http://test/api/test")


def test_every_function_asks_for_a_key() -> None:
    functions = functions_of(create_test_blueprint(HarnessService(Registries.hello_world())))

    assert {function.auth_level for function in functions} == {"function"}
    assert len(functions) == 6


def test_a_body_in_pieces_is_one_body_and_text_goes_out_as_it_is(client: TestClient) -> None:
    body = json.dumps(GREETING).encode()

    answer = client.post("/execute/hello_world_greeting", content=iter([body[:7], b"", body[7:]]))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "Grüße (from task 0)".encode() in answer.content


def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(client: TestClient) -> None:
    statuses = [
        client.post("/run/hello_world", content=iter([b"{}", b" " * (size - 2)])).status_code for size in (1_000, 1_001)
    ]

    assert statuses == [200, 413]


def test_of_a_body_over_the_limit_all_is_read_and_little_is_kept() -> None:
    kept: list[int] = []

    class Service(HarnessService):
        def run(self, job_type: str, body: bytes) -> Answer:
            kept.append(len(body))
            return super().run(job_type, body)

    service = Service(Registries.hello_world(), HarnessLimits(max_body_bytes=1_000))
    app = streamed_app(create_test_blueprint(service))
    left = [{"type": "http.request", "body": b" " * 500, "more_body": more} for more in [False, *[True] * 99]]
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    async def post(path: str) -> None:
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
        await app({**scope, "query_string": b"", "headers": []}, receive, send)

    asyncio.run(post("/api/test/run/hello_world"))

    assert (sent[0]["status"], left) == (413, [])
    assert 1_000 < kept[0] <= 1_500


def test_a_call_is_shown_by_its_id_and_the_newest_without_one(client: TestClient) -> None:
    first = client.post("/run/hello_world", json={"params": {"n": 1}}).json()["execution_id"]
    second = client.post("/run/hello_world", json={"params": {"n": 2}}).json()["execution_id"]

    def shown(query: str) -> str:
        return str(client.get(f"/messages{query}").json()["execution_id"])

    assert [shown(f"?execution_id={first}"), shown(""), shown("?execution_id=")] == [first, second, second]
    assert client.get("/state?execution_id=nope").status_code == 404
    assert client.post("/reset").json() == {"success": True, "forgotten": 2}
    assert client.get("/handlers").json()["job_types"][0]["job_type"] == "hello_world"
