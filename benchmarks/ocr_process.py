"""A process that reads pages, asked by lines of JSON, with what it and its children cost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import psutil

from benchmarks.document_pages.truth import Quad, TruthWord
from benchmarks.ocr_cases import NothingMeasured

LOOK_SECONDS = 0.1
ROOT = Path(__file__).resolve().parent.parent


class Request(NamedTuple):
    """``number`` counts pages from 1. ``scale`` takes the positions that are read to the truth's unit."""

    path: Path
    number: int = 1
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``seconds`` are those from the request to the answer, ``cpu_seconds`` those of the whole tree meanwhile."""

    text: str
    words: tuple[TruthWord, ...]
    seconds: float
    cpu_seconds: float


class ReadingProcess:
    """A context manager. ``seconds_since_start`` goes on from the process's start; memory is in MiB (2**20 bytes)."""

    def __init__(self, command: Sequence[str]) -> None:
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        self._watched = psutil.Process(self._process.pid)
        self._ended = threading.Event()
        self._samples: list[float] = []
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._watch.join()

    @property
    def seconds_since_start(self) -> float:
        return time.perf_counter() - self._started

    @property
    def peak_mib(self) -> float:
        return max(self._samples, default=0.0)

    @property
    def resident_mib(self) -> float:
        return self._samples[-1] if self._samples else 0.0

    def versions(self) -> dict[str, str]:
        self._send({"id": 0})
        found: dict[str, str] = self._receive()["versions"]
        return found

    def read(self, request: Request) -> Answer:
        """Raises :class:`NothingMeasured` where the page cannot be read."""
        wall, cpu = time.perf_counter(), self._cpu_seconds()
        self._ask(1, request)
        said = self._receive()
        return _answer(said, request.scale, time.perf_counter() - wall, self._cpu_seconds() - cpu)

    def read_many(self, requests: Sequence[Request]) -> Iterator[float]:
        """Ask for all at once; at each answer the process's resident memory. Answers come in any order."""
        threading.Thread(target=self._ask_all, args=(requests,), daemon=True).start()
        for _ in requests:
            _check(self._receive())
            yield self.resident_mib

    def _ask_all(self, requests: Sequence[Request]) -> None:
        for number, request in enumerate(requests, 1):
            self._ask(number, request)

    def _ask(self, number: int, request: Request) -> None:
        self._send({"id": number, "path": str(request.path), "page": request.number})

    def _send(self, request: dict[str, object]) -> None:
        assert self._process.stdin is not None
        # A process that has ended is told of where its answer is missed.
        with suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NothingMeasured("the process that reads the pages ended without an answer")
        said: dict[str, Any] = json.loads(line)
        _check(said)
        return said

    def _tree(self) -> Iterator[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            yield self._watched
            yield from self._watched.children(recursive=True)

    def _cpu_seconds(self) -> float:
        """With that of children that have ended, such as those of Tesseract."""
        times = self._watched.cpu_times()
        ended = times.children_user + times.children_system if sys.platform == "linux" else 0.0
        return float(times.user + times.system + ended)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            size = 0.0
            for process in self._tree():
                with suppress(psutil.NoSuchProcess):
                    size += process.memory_info().rss / 2**20
            if size:
                self._samples.append(size)


def _check(said: dict[str, Any]) -> None:
    if "error" in said:
        raise NothingMeasured(str(said["error"]))


def _answer(said: dict[str, Any], scale: float, seconds: float, cpu_seconds: float) -> Answer:
    words = tuple(TruthWord(text, _quad(numbers, scale)) for text, numbers in said["words"])
    return Answer(said["text"], words, seconds, cpu_seconds)


def _quad(numbers: Sequence[float], scale: float) -> Quad:
    x1, y1, x2, y2, x3, y3, x4, y4 = (float(number) * scale for number in numbers)
    return ((x1, y1), (x2, y2), (x3, y3), (x4, y4))
