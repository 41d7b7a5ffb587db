"""The stack as code uses it: a document goes through, and every part comes back after a kill."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.errors import SettingsInvalid
from local.stack import Stack, StackOptions
from local.stack_errors import PartFailed
from local.stack_plan import PARTS, PartName
from testing.documents import sample_page


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(StackOptions(ocr_engine="test")) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stack.url}/api/", trust_env=False, timeout=60) as client:
        yield client


def read_page(client: httpx.Client, key: str) -> dict[str, Any]:
    """The result of a job that reads a page."""
    answer = client.post(
        "documents",
        params={"filename": "page.png"},
        content=sample_page().png,
        headers={"content-type": "image/png", "idempotency-key": key},
    )
    assert answer.status_code == 202, answer.text
    job = answer.json()["job_id"]
    while True:
        answer = client.get(f"jobs/{job}/result")
        if answer.status_code != 409:
            found: dict[str, Any] = answer.json()
            return found
        threading.Event().wait(0.05)


def test_a_document_goes_through(client: httpx.Client) -> None:
    found = read_page(client, "first")
    assert found["status"] == "completed"
    assert found["result"]["text"].startswith("Read by the test engine")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_killed_comes_back_and_work_goes_on(stack: Stack, client: httpx.Client, name: PartName) -> None:
    before, starts = stack.parts[name].pid, stack.parts[name].starts
    stack.kill(name)
    stack.wait_until_up(name)

    assert stack.parts[name].pid != before
    assert stack.parts[name].starts == starts + 1
    assert read_page(client, f"after {name}")["status"] == "completed"
    assert f"{name}: it ended by itself" in stack.log.path("stack").read_text("utf-8")


def test_a_part_that_cannot_start_ends_the_others(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"Values": {"DOCUMENT_MAX_PAGES": "none"}}', "utf-8")
    stack = Stack(StackOptions(settings_file=tmp_path / "settings.json"))
    with pytest.raises(SettingsInvalid, match="DOCUMENT_MAX_PAGES"):
        stack.start()
    assert not any(part.pid for part in stack.parts.values())


def test_the_host_that_cannot_listen_is_said_with_why() -> None:
    with Stack(StackOptions(only=["storage"])) as other:
        taken = int(other.parts["storage"].address.rpartition(":")[2].partition("/")[0])
        with pytest.raises(PartFailed, match=r"host: it did not start:\n.*port"):
            Stack(StackOptions(only=["host"], port=taken)).start()


def test_the_worker_answers_at_its_address(stack: Stack) -> None:
    with httpx.Client(base_url=stack.parts["worker"].address, trust_env=False, timeout=60) as worker:
        assert worker.get("/readyz").json()["status"] == "ready"
        queue = worker.get("/queue/status").json()["queue"]
        assert "\nprocess_resident_memory_bytes " in worker.get("/metrics").text
    assert (queue["queue"], queue["dead_letters"]) == ("long-running-tasks", 0)
