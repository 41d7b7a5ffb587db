"""A document of scripted pages, and reading it as a task does, for tests of what can happen meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from core.outcome import Interrupted
from handlers.document.engine import Line, OcrEngine, PageText, Quad, Turn, Word
from handlers.document.errors import DecodeFailed
from handlers.document.files import DocumentInfo, PagePixels, PageSize, TextLayer
from handlers.document.formats import Format
from handlers.document.page_ledger import PageLedger, was_finished
from handlers.document.page_store import PageStore
from handlers.document.reading import PageQuality, PageReading
from handlers.document.recognise import PageCrew, Surroundings
from handlers.document.records import PageRecord
from tests.support.documents import JOB, Context

QUALITY = PageQuality(1.0, None, None, None, 0.0, 255.0, None, None, 0.0, None, 0.0)
BOX: Quad = ((0.0, 0.0), (5.0, 0.0), (5.0, 1.0), (0.0, 1.0))


class Pages:
    """A :class:`handlers.document.files.DocumentFile`, whose page n is n pixels wide. Those in ``damaged`` do not
    decode, those in ``texts`` bring their text along.
    """

    def __init__(self, count: int, damaged: Collection[int] = (), texts: Collection[int] = ()) -> None:
        self.info = DocumentInfo(Format.TIFF, 1, tuple(PageSize(n, n, 10) for n in range(1, count + 1)))
        self._damaged = damaged
        self._texts = texts

    def text_layer(self, number: int) -> TextLayer | None:
        return TextLayer((line(number),), 5.0, 10.0) if number in self._texts else None

    def pixels(self, number: int) -> PagePixels:
        if number in self._damaged:
            raise DecodeFailed(f"page {number} is damaged", page=number)
        return PagePixels(np.zeros((10, number, 3), np.uint8), number, 10, "pixel", 1.0, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def line(number: int) -> Line:
    return Line(f"page {number}", 1.0, BOX, (Word("page", BOX, 1.0), Word(str(number), BOX, 1.0)))


class Counts:
    """An engine that reads ``concurrency`` pages at once, for :class:`Task`."""

    def __init__(self, concurrency: int = 1) -> None:
        self.concurrency = concurrency

    def turn(self, page: object) -> Turn:
        return Turn(0, 1.0)

    def read(self, page: object) -> PageText:
        raise AssertionError("the task's own way of reading is scripted")


@dataclass
class Task:
    """Reads pages attempt by attempt. ``during`` is called with the number of each page that is read, in the thread
    that reads it; what it raises is the engine's. ``most`` is how many were read at once."""

    file: Pages
    pages: list[int]
    concurrency: int = 1
    fail_fast: bool = False
    during: Callable[[int], None] = lambda _number: None
    context: Context = field(default_factory=Context)
    engines: int = 0
    read: list[int] = field(default_factory=list)
    most: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def store(self) -> PageStore:
        return PageStore(self.context.blobs, JOB)

    def attempt(self) -> Interrupted | None:
        context = self.context.make()
        left = [number for number in self.pages if not was_finished(number, context.checkpoint)]
        around = Surroundings(
            context, self.file, self._engine, self._read, self.store, lambda: "layers 1", self.fail_fast
        )
        return PageCrew(around, PageLedger(context, len(self.pages), left)).run()

    def records(self) -> list[PageRecord | None]:
        return [self.store.find(number) for number in self.pages]

    def statuses(self) -> list[str]:
        return [record.status if record is not None else "" for record in self.records()]

    def _engine(self) -> OcrEngine:
        self.engines += 1
        return Counts(self.concurrency)

    def _read(self, engine: OcrEngine, page: PagePixels) -> PageReading:
        number = int(page.width)
        with self._lock:
            self._at_once += 1
            self.most = max(self.most, self._at_once)
            self.read.append(number)
        try:
            self.during(number)
        finally:
            with self._lock:
                self._at_once -= 1
        return PageReading(PageText((line(number),), number, 10, 0.0, "scripted 1", ("model",)), QUALITY)
