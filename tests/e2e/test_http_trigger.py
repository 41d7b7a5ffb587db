"""The whole stack with the worker called by a function, and not asking a queue."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.postgres import LOOPBACK
from local.stack import Stack, StackOptions
from testing.documents import sample_page

SECONDS = 60.0
KEY = "a key that function and worker share"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DOCKER_ORCHESTRATION_MODE": "http_trigger",
        "DOCKER_HTTP_PORT": str(port),
        "DOCKER_WORKER_URL": f"http://{LOOPBACK}:{port}",
        "DOCKER_TRIGGER_KEYS": KEY,
        "DOCKER_WARM_UP": "none",
        "LEASE_SECONDS": "5",
    }
    with Stack(StackOptions(ocr_engine="test", environment=environment)) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/", trust_env=False, timeout=SECONDS) as client:
        yield client


def submit(client: httpx.Client, key: str) -> str:
    answer = client.post(
        "documents",
        params={"filename": "page.png"},
        content=sample_page().png,
        headers={"content-type": "image/png", "idempotency-key": key},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def result(client: httpx.Client, job: str) -> dict[str, Any]:
    while True:
        answer = client.get(f"jobs/{job}/result")
        if answer.status_code != 409:
            found: dict[str, Any] = answer.json()
            return found
        threading.Event().wait(0.05)


def worker_health(stack: Stack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.parts['worker'].address}/health", trust_env=False, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_document_is_read_by_the_worker_that_a_function_called(stack: Stack, client: httpx.Client) -> None:
    found = result(client, submit(client, "first"))

    assert found["status"] == "completed"
    assert found["result"]["text"].startswith("Read by the test engine")
    assert "task_handed_over" in stack.log.path("host").read_text("utf-8")
    assert worker_health(stack)["worker"]["mode"] == "http_trigger"


def test_documents_that_find_the_worker_busy_or_gone_are_read_all_the_same(stack: Stack, client: httpx.Client) -> None:
    jobs = [submit(client, f"one of many, {number}") for number in range(6)]
    stack.kill("worker")
    stack.wait_until_up("worker")

    assert [result(client, job)["status"] for job in jobs] == ["completed"] * len(jobs)
    assert client.get("deadletters").json()["items"] == []


def test_nobody_without_the_key_starts_anything(stack: Stack) -> None:
    answer = httpx.post(f"{stack.parts['worker'].address}/task/start", json={}, trust_env=False, timeout=SECONDS)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "SIGNATURE_MISSING")
