"""Documents read by a stack whose parts are killed one after the other while they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psycopg
from PIL import Image

from benchmarks.stack_client import StackClient
from benchmarks.stack_truth import count_ended, faults, look
from local.stack import Stack, StackOptions
from local.stack_plan import PARTS, PartName

UPLOADERS = 3
LOOK_SECONDS = 0.1
UP_SECONDS = 120.0
MAX_DELAY = 0.5
AHEAD = 20
"""Documents that are uploaded before others are done, so that uploads are under way when something is killed."""

REST_SECONDS = 90.0
"""For what is done after a run has ended: the reconciler passes twice a minute, over rows that are ten seconds old."""

MOST_PAGES = 3


@dataclass(frozen=True, slots=True)
class KillPlan:
    """``patience``: seconds for which nothing may end before the run is judged as it is. What a killed process held is
    tried again when its lease has run out, which is the handler's timeout and half a minute after it was claimed.
    """

    documents: int = 200
    times: int = 1
    seed: int = 1
    patience: float = 720.0


class Kill(NamedTuple):
    """A part, how many documents were done then, and the seconds until it was ready again."""

    part: PartName
    done: int
    down: float


@dataclass(slots=True)
class KillReport:
    documents: int
    pages: int
    kills: list[Kill] = field(default_factory=list)
    finished: int = 0
    tasks: int = 0
    attempts: int = 0
    calls_repeated: int = 0
    dead_letters: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def measured(self) -> dict[str, object]:
        return {
            "kill_documents": self.documents,
            "kill_pages": self.pages,
            "kill_finished": self.finished,
            "kills": len(self.kills),
            "kill_parts": len({kill.part for kill in self.kills}),
            "kill_tasks": self.tasks,
            "kill_attempts": self.attempts,
            "kill_calls_repeated": self.calls_repeated,
            "kill_dead_letters": self.dead_letters,
            "kill_faults": len(self.faults),
            "kill_seconds": round(self.seconds, 1),
            "kill_down_seconds": {kill.part: round(kill.down, 2) for kill in self.kills},
        }


class Document(NamedTuple):
    name: str
    content: bytes
    pages: int


def documents(count: int, chosen: Random) -> list[Document]:
    """Small pictures of one to three pages, no two alike."""
    return [_document(number, chosen.randint(1, MOST_PAGES)) for number in range(count)]


def run(plan: KillPlan) -> KillReport:
    chosen = Random(plan.seed)  # noqa: S311 # to repeat
    sent = documents(plan.documents, chosen)
    report = KillReport(plan.documents, sum(document.pages for document in sent))
    with (
        TemporaryDirectory(prefix="stack-kill-") as folder,
        Stack(StackOptions(data=Path(folder), ocr_engine="test")) as stack,
        ThreadPoolExecutor(UPLOADERS) as pool,
    ):
        started = time.monotonic()
        clients = _Clients(stack.url, stack.key, plan.patience)
        uploads = [pool.submit(clients.upload, number, document) for number, document in enumerate(sent)]
        try:
            _Killer(stack, plan, chosen, report, clients.let).run()
        finally:
            clients.let(plan.documents)
        expected = {upload.result(): document.pages for upload, document in zip(uploads, sent, strict=True)}
        report.seconds = time.monotonic() - started
        report.calls_repeated = clients.repeated()
        _judge(stack, expected, report)
    return report


class _Clients:
    """One client for each thread that uploads."""

    def __init__(self, url: str, key: str, patience: float) -> None:
        self._service = (url, key, patience)
        self._own = threading.local()
        self._all: list[StackClient] = []
        self._done = 0
        self._changed = threading.Condition()

    def let(self, done: int) -> None:
        """So many documents are done."""
        with self._changed:
            self._done = done
            self._changed.notify_all()

    def upload(self, number: int, document: Document) -> str:
        with self._changed:
            self._changed.wait_for(lambda: number < self._done + AHEAD)
        client = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = StackClient(*self._service)
            self._all.append(client)
        return str(client.upload(document.name, document.content, document.name))

    def repeated(self) -> int:
        return sum(client.repeated for client in self._all)


class _Killer:
    """Kills each part ``times`` times, in an order of the seed's, spread over the documents."""

    def __init__(
        self, stack: Stack, plan: KillPlan, chosen: Random, report: KillReport, tell: Callable[[int], None]
    ) -> None:
        self._stack = stack
        self._tell = tell
        self._plan = plan
        self._random = chosen
        self._report = report
        self._done = 0
        self._moved = time.monotonic()

    def run(self) -> None:
        """Until every document is done, or nothing has ended for as long as the plan has patience."""
        victims = self._victims()
        for number, part in enumerate(victims):
            if not self._wait_for(self._plan.documents * (number + 1) // (len(victims) + 1)):
                return
            time.sleep(self._random.uniform(0, MAX_DELAY))
            self._kill(part)
        self._wait_for(self._plan.documents)

    def _victims(self) -> Sequence[PartName]:
        victims = list(PARTS) * self._plan.times
        self._random.shuffle(victims)
        return victims

    def _kill(self, part: PartName) -> None:
        began = time.monotonic()
        self._stack.kill(part)
        self._stack.wait_until_up(part, UP_SECONDS)
        down = time.monotonic() - began
        self._report.kills.append(Kill(part, self._done, down))
        print(f"  {part} killed with {self._done} documents done, ready again after {down:.1f} s", flush=True)

    def _wait_for(self, documents: int) -> bool:
        while self._look() < documents:
            if time.monotonic() - self._moved > self._plan.patience:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _look(self) -> int:
        try:
            done = count_ended(self._stack.settings)
        except psycopg.OperationalError:
            return self._done
        if done != self._done:
            self._done, self._moved = done, time.monotonic()
            self._tell(done)
        return done


def _judge(stack: Stack, expected: Mapping[str, int], report: KillReport) -> None:
    until = time.monotonic() + REST_SECONDS
    while (truth := look(stack.settings, expected)).leftovers and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    report.faults = list(faults(truth, expected))
    report.finished = sum(status == "completed" for _, _, status, _ in truth.runs)
    report.tasks, report.attempts = len(truth.tasks), sum(task.attempts for task in truth.tasks)
    with StackClient(stack.url, stack.key) as client:
        report.dead_letters = client.dead_letters()


def _document(number: int, pages: int) -> Document:
    images = [_picture(number, page) for page in range(pages)]
    written = BytesIO()
    if pages == 1:
        images[0].save(written, "PNG")
        return Document(f"document-{number:04d}.png", written.getvalue(), 1)
    images[0].save(written, "TIFF", save_all=True, append_images=images[1:])
    return Document(f"document-{number:04d}.tiff", written.getvalue(), pages)


def _picture(number: int, page: int) -> Image.Image:
    """White, with the number and the page as bits in its corner."""
    image = Image.new("L", (96, 64), 255)
    for bit in range(16):
        if (number * (MOST_PAGES + 1) + page) >> bit & 1:
            image.paste(0, (bit * 4, 0, bit * 4 + 4, 8))
    return image
