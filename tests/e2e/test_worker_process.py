"""The worker as a process: what signals do to it, and that nothing is lost or done twice by them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from benchmarks.kill_worker_pages import READS, document
from benchmarks.stack_client import StackClient
from local.stack import Stack, StackOptions
from local.stack_build import WORKER_READY
from local.stack_process import ROOT, Command, Late, ModuleProcess

PAGES = 80
FEW_PAGES = 2
PATIENCE = 120.0
COUNTING = "benchmarks.kill_worker_child"
STUBBORN = "tests.support.stubborn_child"


class Worker:
    """A worker at the stack's queue, with a child of the test's own."""

    def __init__(self, stack: Stack, child: str, **environment: str) -> None:
        self.lines: list[str] = []
        command = Command("tests.support.worker_with_child", [], WORKER_READY, stack.options.environment)
        self._process = ModuleProcess(command, self.lines.append)
        self._process.begin(Late(environment={**stack.settings, "WORKER_CHILD": child, **environment}))
        ready = self._process.wait_until_ready(threading.Event())
        assert ready is not None
        self._http = httpx.Client(base_url=ready["url"], trust_env=False, timeout=10.0)

    def get(self, path: str) -> httpx.Response:
        return self._http.get(path)

    @property
    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/health").json()
        return found

    def progress(self) -> float:
        return (self.health["current"] or {}).get("percent") or 0.0

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def interrupt_its_group(self) -> None:
        """As Ctrl-C in a terminal."""
        self._process.kill(signal.SIGINT)

    def ended(self, within: float) -> int:
        """The exit code, of a process that ends by itself in so many seconds."""
        began = time.monotonic()
        until(lambda: self._process.code is not None)
        assert time.monotonic() - began < within, "\n".join(self.lines)
        code = self._process.code
        assert code is not None
        return code

    def close(self) -> None:
        self._http.close()
        self._process.stop(10.0)


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it did not come to that"
        threading.Event().wait(0.02)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for pages in (PAGES, FEW_PAGES):
        (folder / f"{pages}.tiff").write_bytes(document(pages))
    return folder


@pytest.fixture(scope="module")
def stack(documents: Path) -> Iterator[Stack]:
    environment = {
        **os.environ,
        "DOCKER_HTTP_PORT": "0",
        "DOCKER_WARM_UP": "none",
        "OCR_ENGINE": "test",
        "DOCUMENT_SOURCE_ROOTS": str(documents),
    }
    with Stack(StackOptions(ocr_engine="test", without=["worker"], environment=environment)) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[StackClient]:
    with StackClient(stack.url, stack.key) as client:
        yield client


@pytest.fixture
def reads(tmp_path: Path) -> Path:
    return tmp_path / "reads"


@pytest.fixture
def workers(stack: Stack) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def make(child: str, **environment: str) -> Worker:
        made.append(Worker(stack, child, **environment))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def submit(client: StackClient, documents: Path, key: str, pages: int = FEW_PAGES) -> str:
    """A job whose pages are one task."""
    source = {"path": str(documents / f"{pages}.tiff")}
    return client.submit("ocr_document", {"source": source, "preview": False, "pages_per_task": pages}, key)


def pages_read(reads: Path) -> list[int]:
    return [int(line.split()[1]) for line in reads.read_text("utf-8").splitlines()]


def attempts(stack: Stack, job: str) -> list[tuple[Any, ...]]:
    query = (
        "SELECT attempts.attempt, outcome, charged FROM coremachine.attempts"
        " JOIN coremachine.tasks USING (run_key, stage, name) JOIN coremachine.runs USING (run_key)"
        " WHERE job_id = %s AND stage = 2 ORDER BY 1"
    )
    with psycopg.connect(stack.settings["DATABASE_URL"], autocommit=True) as connection:
        return connection.execute(query, [job]).fetchall()


@pytest.mark.parametrize("by", ["SIGTERM", "Ctrl-C"])
def test_a_task_that_is_told_to_stop_goes_on_at_the_next_page_elsewhere(
    stack: Stack, client: StackClient, documents: Path, reads: Path, workers: Callable[..., Worker], by: str
) -> None:
    first = workers(COUNTING, **{READS: str(reads)})
    job = submit(client, documents, by, PAGES)
    until(lambda: first.progress() > 5)
    first.signal(signal.SIGTERM) if by == "SIGTERM" else first.interrupt_its_group()

    assert first.ended(within=5.0) == 0
    done = pages_read(reads)
    assert 0 < len(done) < PAGES
    [(_, outcome, charged)] = attempts(stack, job)
    assert (outcome, charged) == ("interrupted", 0)

    workers(COUNTING, **{READS: str(reads)})
    assert client.wait(job, 0.1, PATIENCE)["status"] == "completed"
    assert sorted(pages_read(reads)) == list(range(1, PAGES + 1)), "each page once"


def test_a_worker_without_work_ends_at_once_in_the_middle_of_its_poll(workers: Callable[..., Worker]) -> None:
    worker = workers(COUNTING, DOCKER_POLL_SECONDS="30", **{READS: "/dev/null"})
    until(lambda: worker.health["worker"]["polls"] > 0)
    worker.signal(signal.SIGTERM)
    assert worker.ended(within=5.0) == 0


def test_a_task_that_ignores_the_request_is_killed_in_time_and_goes_on_elsewhere(
    stack: Stack, client: StackClient, documents: Path, reads: Path, workers: Callable[..., Worker]
) -> None:
    stubborn = workers(STUBBORN, DOCKER_GRACE_SECONDS="8")
    job = submit(client, documents, "stubborn")
    until(lambda: stubborn.progress() == 10)
    began = time.monotonic()
    stubborn.signal(signal.SIGTERM)
    until(lambda: stubborn.get("/readyz").status_code == 503)
    draining = stubborn.get("/readyz")
    assert draining.json()["error"]["code"] == "WORKER_NOT_READY"
    assert draining.json()["error"]["details"]["phase"] == "draining"
    assert (stubborn.get("/health").status_code, stubborn.health["state"]) == (200, "draining")
    assert stubborn.get("/livez").status_code == 200

    assert stubborn.ended(within=8.0) == 0
    assert time.monotonic() - began > 3.0, "it had its time"
    assert any("worker_hurries" in line for line in stubborn.lines)
    [(_, outcome, charged)] = attempts(stack, job)
    assert (outcome, charged) == ("interrupted", 0)

    workers(COUNTING, **{READS: str(reads)})
    assert client.wait(job, 0.1, PATIENCE)["status"] == "completed"


def test_a_second_signal_does_not_wait_for_the_task(
    stack: Stack, client: StackClient, documents: Path, reads: Path, workers: Callable[..., Worker]
) -> None:
    stubborn = workers(STUBBORN, DOCKER_GRACE_SECONDS="300")
    job = submit(client, documents, "second signal")
    until(lambda: stubborn.progress() == 10)
    stubborn.signal(signal.SIGTERM)
    until(lambda: stubborn.health["phase"] == "draining")
    stubborn.signal(signal.SIGTERM)

    assert stubborn.ended(within=5.0) == 0
    assert [outcome for _, outcome, _ in attempts(stack, job)] == ["interrupted"]
    workers(COUNTING, **{READS: str(reads)})
    assert client.wait(job, 0.1, PATIENCE)["status"] == "completed"


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for it."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts_is_not_forgotten(stack: Stack, number: signal.Signals) -> None:
    environment: Mapping[str, str] = {**stack.options.environment, **stack.settings, "OCR_ENGINE": "test"}
    command = [sys.executable, "-X", "faulthandler", "-m", "docker_worker"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        try:
            until(lambda: catches(process.pid, signal.SIGTERM))
            process.send_signal(number)
            process.send_signal(number)
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0, said.decode()


def run_to_its_end(stack: Stack, module: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**stack.options.environment, **stack.settings, "OCR_ENGINE": "test", **more}
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_a_worker_whose_loop_has_died_ends_so_that_it_is_started_again(stack: Stack) -> None:
    ended = run_to_its_end(stack, "tests.support.worker_whose_loop_dies")
    assert ended.returncode == 1, ended.stderr
    assert "worker_loop_ended" in ended.stderr
    assert "worker_thread_ended" in ended.stderr
    assert "loop=queue-worker error=RuntimeError" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_port_that_is_taken_is_said_and_takes_no_task(stack: Stack) -> None:
    taken = stack.url.rpartition(":")[2]
    ended = run_to_its_end(stack, "docker_worker", DOCKER_HTTP_PORT=taken)
    assert ended.returncode == 1
    assert "code=ADDRESS_UNAVAILABLE" in ended.stderr
    assert "worker_ready" not in ended.stderr
