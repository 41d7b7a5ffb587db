"""Two workers at one queue, one of them frozen in the middle of a task and continued when the task is another's."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from benchmarks.kill_worker_pages import document
from benchmarks.stack_client import StackClient
from local.stack import Stack, StackOptions
from local.stack_process import Command, Late, ModuleProcess

TASKS = 500
LEASE = 2.0
READY = re.compile(r"\bworker_ready\b.*?(?P<url>http://[^\s\"]+)")
PATIENCE = 300.0


class WorkerProcess:
    """``python -m docker_worker`` at the stack's queue, with what it logged."""

    def __init__(self, stack: Stack) -> None:
        self.lines: list[str] = []
        self._process = ModuleProcess(Command("docker_worker", [], READY, stack.options.environment), self.lines.append)
        self._process.begin(Late(environment={**stack.settings, "OCR_ENGINE": "test"}))
        ready = self._process.wait_until_ready(threading.Event())
        assert ready is not None
        self._http = httpx.Client(base_url=ready["url"], timeout=10.0)

    def current(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._http.get("/health").json()["current"]
        return found

    def ended(self) -> str:
        return self._http.get("/metrics").text

    def freeze(self) -> None:
        for process in self._tree():
            process.suspend()
        until(lambda: all(process.status() == psutil.STATUS_STOPPED for process in self._tree()))

    def thaw(self) -> None:
        for process in self._tree():
            process.resume()

    def end(self) -> int:
        self._http.close()
        with suppress(psutil.NoSuchProcess):
            self.thaw()
        return self._process.stop(30.0)

    def _tree(self) -> list[psutil.Process]:
        parent = psutil.Process(self._process.pid)
        return [*parent.children(recursive=True), parent]


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it did not come to that"
        threading.Event().wait(0.02)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "pages.tiff").write_bytes(document(TASKS))
    environment = {
        **os.environ,
        "LEASE_SECONDS": f"{LEASE:g}",
        "DOCKER_HTTP_PORT": "0",
        "DOCUMENT_SOURCE_ROOTS": str(tmp_path),
    }
    with Stack(StackOptions(ocr_engine="test", without=["worker"], environment=environment)) as running:
        yield running


def rows(stack: Stack, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.settings["DATABASE_URL"], autocommit=True) as connection:
        return connection.execute(query, values).fetchall()


def freeze_in_a_task(stack: Stack, worker: WorkerProcess) -> int:
    """The fencing token of the task in whose middle it was frozen."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        task = worker.current()
        if task is None:
            continue
        worker.freeze()
        if rows(stack, "SELECT 1 FROM coremachine.leases WHERE token = %s", task["token"]):
            return int(task["token"])
        worker.thaw()
    raise AssertionError("it was never caught in a task")


def test_every_task_is_done_once_and_the_thawed_workers_write_is_refused(stack: Stack, tmp_path: Path) -> None:
    with StackClient(stack.url, stack.key) as client:
        frozen, other = WorkerProcess(stack), WorkerProcess(stack)
        try:
            source = {"path": str(tmp_path / "pages.tiff")}
            params = {"source": source, "preview": False, "pages_per_task": 1}
            job = client.submit("ocr_document", params, "once")
            token = freeze_in_a_task(stack, frozen)
            until(lambda: bool(rows(stack, "SELECT 1 FROM coremachine.attempts WHERE token = %s", token)))
            frozen.thaw()
            until(lambda: 'coremachine_worker_attempts_total{outcome="lease_lost"} 1.0' in frozen.ended())
            ended = client.wait(job, 0.2, PATIENCE)
        finally:
            codes = [frozen.end(), other.end()]

    completed = rows(
        stack,
        "SELECT name, count(*) FILTER (WHERE outcome = 'completed') FROM coremachine.attempts WHERE stage = 2"
        " GROUP BY name",
    )
    assert ended["status"] == "completed"
    assert len(completed) == TASKS
    assert {count for _, count in completed} == {1}
    assert rows(stack, "SELECT outcome FROM coremachine.attempts WHERE token = %s", token) == [("lease_expired",)]
    assert codes == [0, 0]
