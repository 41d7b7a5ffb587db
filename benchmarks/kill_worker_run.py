"""Workers that are killed, or their tasks' processes, while they read documents page by page."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, TypeVar

import httpx
import psutil
import psycopg

from benchmarks.kill_worker_load import Documents, Load
from benchmarks.kill_worker_pages import READS, reads_by_job
from benchmarks.kill_worker_truth import count_ended
from benchmarks.stack_client import StackClient, StackFailed
from local.stack import Stack, StackOptions
from local.stack_process import Command, Late, ModuleProcess

WORKER = "benchmarks.kill_worker_process"
READY = re.compile(r"\bworker_ready\b.*?(?P<url>http://[^\s\"]+)")
LOOK_SECONDS = 0.02
GONE_SECONDS = 10.0
T = TypeVar("T")

Victim = Literal["worker", "child"]
Engine = Literal["test", "paddle"]


@dataclass(frozen=True, slots=True)
class KillPlan:
    """``kills`` is how many are to hit a task that runs; ``lease`` the seconds of a lease.

    One of the ``workers`` has nothing to do, so that what is measured is not how long the others are busy. A kill comes
    ``within`` so many seconds of the task's being seen, and no task gets more than ``kills_a_task``: with two none can
    run out of the three attempts that it has, should each hit it before its first page.
    """

    kills: int = 1_000
    pages: int = 50
    workers: int = 3
    lease: float = 3.0
    seed: int = 1
    engine: Engine = "test"
    kills_a_task: int = 2
    within: float = 1.0
    patience: float = 300.0


class Kill(NamedTuple):
    """Whom, when, and the task and attempt that were under way."""

    victim: Victim
    at: datetime
    job_id: str
    attempt: int


@dataclass(slots=True)
class Disturbed:
    """What the run left: the blobs of an undisturbed job and of each other, by name, and what their processes noted,
    of which ``reads`` are the numbers of lines.
    """

    plan: KillPlan
    reference: Mapping[str, bytes] = field(default_factory=dict)
    blobs: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    survivors: int = 0
    notes: Sequence[str] = ()
    reads: Mapping[str, int] = field(default_factory=dict)
    reads_of_undisturbed: int = 0
    seconds: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)


class Run:
    """One stack, its workers and their end. ``load`` is documents of many pages where there is none."""

    def __init__(self, plan: KillPlan, load: Load | None = None) -> None:
        self._plan = plan
        self._load = load or Documents(plan.pages, scanned=plan.engine == "paddle")
        self._found = Disturbed(plan)
        self._lock = threading.Lock()
        self._killed: Counter[str] = Counter()

    def disturb(self, judge: Callable[[Disturbed], T]) -> T:
        """What ``judge`` says of what was found, while the stack still runs."""
        plan = self._plan
        with TemporaryDirectory(prefix="kill-worker-") as name:
            folder = Path(name)
            reads = folder / "reads"
            self._load.prepare(folder)
            options = StackOptions(ocr_engine=plan.engine, without=["worker"], environment=_environment(plan, folder))
            with Stack(options) as stack, StackClient(stack.url, stack.key) as client:
                crew = [_Lane(stack, self._load.child, reads, folder / f"worker-{n}.log") for n in range(plan.workers)]
                try:
                    crew[0].start()
                    self._found.reference, undisturbed = self._undisturbed(stack, client)
                    for lane in crew[1:]:
                        lane.start()
                    self._kill_all(stack, client, crew)
                    self._found.notes = reads.read_text("ascii").splitlines()
                    self._found.reads = reads_by_job(self._found.notes)
                    self._found.reads_of_undisturbed = self._found.reads[undisturbed]
                finally:
                    for lane in crew:
                        lane.stop()
                self._found.settings = stack.settings
                return judge(self._found)

    def _undisturbed(self, stack: Stack, client: StackClient) -> tuple[Mapping[str, bytes], str]:
        job_id = self._load.submit(stack.settings, client, "undisturbed")
        client.wait(job_id, 0.1, self._plan.patience)
        return self._load.blobs(stack.settings, job_id), job_id

    def _kill_all(self, stack: Stack, client: StackClient, crew: Sequence[_Lane]) -> None:
        began = time.monotonic()
        jobs: list[str] = []
        done = threading.Event()
        with ThreadPoolExecutor(len(crew)) as pool:
            randoms = [Random(self._plan.seed + number) for number in range(len(crew))]  # noqa: S311 # to repeat
            killers = [pool.submit(self._killer, *one, done) for one in zip(crew, randoms, strict=True)]
            try:
                moved, ended = time.monotonic(), 0
                while not done.is_set() or ended < len(jobs):
                    while not done.is_set() and len(jobs) - ended < max(1, len(crew) - 1):
                        jobs.append(self._load.submit(stack.settings, client, f"document {len(jobs)}"))
                    now = _ended(stack, jobs, ended)
                    moved, ended = (time.monotonic(), now) if now != ended else (moved, ended)
                    if time.monotonic() - moved > self._plan.patience:
                        raise StackFailed(f"no job has ended in {self._plan.patience:.0f} s: {ended} of {len(jobs)}")
                    time.sleep(LOOK_SECONDS * 5)
            finally:
                done.set()
        for killer in killers:
            killer.result()
        self._found.seconds = time.monotonic() - began
        self._found.blobs = {job_id: self._load.blobs(stack.settings, job_id) for job_id in jobs}

    def _killer(self, lane: _Lane, chosen: Random, done: threading.Event) -> None:
        while not done.is_set():
            lane.wait_until_ready()
            task = lane.wait_for_task(done)
            if task is None:
                return
            done.wait(chosen.uniform(0.0, self._plan.within))
            self._kill(lane, chosen.choice(("worker", "child")))
            with self._lock:
                if len(self._found.kills) >= self._plan.kills:
                    done.set()

    def _kill(self, lane: _Lane, victim: Victim) -> None:
        task = lane.current()
        if task is None or not self._may_kill(task["job_id"]):
            return
        at, survivors = lane.kill(victim)
        with self._lock:
            self._found.survivors += survivors
            self._found.kills.append(Kill(victim, at, task["job_id"], task["attempt"]))
            if len(self._found.kills) % 50 == 0:
                print(f"  {len(self._found.kills)} kills", flush=True)

    def _may_kill(self, job_id: str) -> bool:
        with self._lock:
            self._killed[job_id] += 1
            return self._killed[job_id] <= self._plan.kills_a_task


class _Lane:
    """One worker after the other; the next has imported what it needs before the one before is killed."""

    def __init__(self, stack: Stack, child: str, reads: Path, log: Path) -> None:
        self._stack = stack
        self._child = child
        self._environment = {**stack.options.environment, READS: str(reads)}
        self._log = log.open("a", encoding="utf-8")
        self._http = httpx.Client(timeout=2.0)
        self._url = ""
        self._spare = self._prepare()
        self._worker: ModuleProcess | None = None

    def start(self) -> None:
        self._worker, self._spare = self._spare, self._prepare()
        self._worker.begin(Late(environment=dict(self._stack.settings)))
        self._url = ""

    def wait_until_ready(self) -> None:
        assert self._worker is not None
        if not self._url:
            found = self._worker.wait_until_ready(threading.Event())
            assert found is not None
            self._url = found["url"]

    def current(self) -> dict[str, Any] | None:
        """The task that runs here: its job, its attempt, when it began."""
        with suppress(httpx.TransportError):
            task = self._http.get(f"{self._url}/health").json()["current"]
            return task and {**task, "job_id": task["task_id"].partition(":")[0]}
        return None

    def wait_for_task(self, done: threading.Event) -> dict[str, Any] | None:
        while not done.is_set():
            task = self.current()
            if task is not None:
                return task
            done.wait(LOOK_SECONDS)
        return None

    def kill(self, victim: Victim) -> tuple[datetime, int]:
        """When, and how many of its processes outlived a killed worker for ten seconds."""
        assert self._worker is not None
        process = psutil.Process(self._worker.pid)
        children = process.children(recursive=True)
        if victim == "child":
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            return datetime.now(UTC), 0
        process.send_signal(signal.SIGKILL)
        at = datetime.now(UTC)
        killed, self._worker = self._worker, None
        self.start()
        _, alive = psutil.wait_procs(children, GONE_SECONDS)
        killed.stop(GONE_SECONDS)
        return at, len(alive)

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop(40.0)
        self._spare.stop(GONE_SECONDS)
        self._http.close()
        self._log.close()

    def _prepare(self) -> ModuleProcess:
        imports = ("docker_worker.process",)
        return ModuleProcess(Command(WORKER, [self._child], READY, self._environment, imports), self._say)

    def _say(self, line: str) -> None:
        with suppress(ValueError):  # the log is closed
            self._log.write(f"{line}\n")


def _environment(plan: KillPlan, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "OCR_ENGINE": plan.engine,
        "LEASE_SECONDS": f"{plan.lease:g}",
        "DOCKER_HTTP_PORT": "0",
        "DOCUMENT_SOURCE_ROOTS": str(folder),
    }


def _ended(stack: Stack, jobs: Sequence[str], before: int) -> int:
    try:
        return count_ended(stack.settings, jobs)
    except psycopg.OperationalError:
        return before
