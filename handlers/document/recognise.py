"""Reading some pages of one document in several threads, so that whoever is stopped goes on behind what was read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from core.boundary import guarded
from core.context import StopReason, TaskContext
from core.errors import LeaseLost
from core.outcome import Failed, Interrupted, describe
from handlers.document.engine import OcrEngine
from handlers.document.errors import PageCrashed, PageNotStored, PageTooSlow, is_of_the_document
from handlers.document.files import DocumentFile, PagePixels, PageSize, TextLayer
from handlers.document.page_ledger import PageLedger
from handlers.document.page_store import PageStore
from handlers.document.reading import PageReading
from handlers.document.records import PageRecord, failed_record, layer_record, page_record
from handlers.document.results import PageSummary, summary_of

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often the task's own thread looks whether the pages under way have outlasted their time, or its own."""

READING_SECONDS = 300.0
"""How long reading a page may take; a dense page of 24 megapixels takes a tenth of it on a slow core."""

Read = Callable[[OcrEngine, PagePixels], PageReading]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What reading pages takes: an open document, ``engine`` that is asked for where a page needs one, and a ``store``.

    A page that fails ends the task where ``fail_fast`` says so. ``layer_reader`` names what takes text out of a page.
    Reading a page may take ``seconds``.
    """

    context: TaskContext
    file: DocumentFile
    engine: Callable[[], OcrEngine]
    read: Read
    store: PageStore
    layer_reader: Callable[[], str]
    fail_fast: bool = False
    seconds: float = READING_SECONDS


class PageCrew:
    """Threads that read pages: as many at once as the engine reads, while another page is fetched for the next.

    One thread begins, and reads alone what is to be read alone; the others join it once a page needs the engine. A
    page that brings its text along needs none. What may be read twice after a crash is a page for each that the
    engine reads at once.

    Nothing can end a thread. So a page that takes too long is left behind with its thread: the task is interrupted as
    one whose process is to be made anew, and the page is read once more, alone, before it is given up.
    """

    def __init__(self, around: Surroundings, ledger: PageLedger) -> None:
        self._around = around
        self._ledger = ledger
        self._changed = threading.Condition()
        self._active = 0
        self._error: BaseException | None = None
        self._desk: _Desk | None = None
        self._grown = self._overdue = False
        self._reading: dict[int, datetime] = {}
        self._stuck: set[int] = set()
        self._left_behind: set[int] = set()
        self.summaries: dict[int, PageSummary] = {}

    def run(self) -> Interrupted | None:
        """Read the pages; ``None`` once all are finished.

        Raises what ended the task, after every thread has come to its end.
        """
        self._start(1)
        with self._changed:
            while self._active > len(self._stuck & self._reading.keys()):
                self._changed.wait(LOOK_SECONDS)
                self._see_deadline()
                self._see_slow()
            self._left_behind = self._stuck & self._reading.keys()
        if self._error is not None:
            raise self._error
        if self._ledger.all_finished:
            return None
        return Interrupted(self._around.context.stop_reason or StopReason.MEMORY)

    def _see_slow(self) -> None:
        now = self._around.context.clock.now()
        slow = [page for page, begun in self._reading.items() if (now - begun).total_seconds() > self._around.seconds]
        if late := set(slow) - self._stuck:
            self._stuck |= late
            self._ledger.close()
            self._guard(lambda: self._ledger.blame_slow(late))

    def _see_deadline(self) -> None:
        """The process is killed soon, and another must know why."""
        if self._overdue or self._around.context.stop_reason != StopReason.DEADLINE:
            return
        self._overdue = True
        self._guard(self._ledger.blame_slow)

    def _start(self, threads: int) -> None:
        with self._changed:
            self._active += threads
        for _ in range(threads):
            threading.Thread(target=self._thread, name="page-reader", daemon=True).start()

    def _thread(self) -> None:
        try:
            self._guard(self._loop)
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            ended = guarded(call)
        except LeaseLost as lost:
            self._end(lost)
        else:
            if isinstance(ended, Failed):
                self._end(ended.cause)

    def _end(self, error: BaseException | None) -> None:
        self._ledger.close()
        with self._changed:
            self._error = self._error or error

    def _loop(self) -> None:
        number = self._ledger.begin()
        while number is not None:
            number = self._page(number)
            self._grow()

    def _page(self, number: int) -> int | None:
        """Read a page; the next one."""
        if self._ledger.gave_up(number):
            given_up = self._given_up(number)
            return self._failed(number, Failed(describe(given_up), given_up))
        file = self._around.file
        layer = guarded(file.text_layer, number)
        if isinstance(layer, TextLayer):
            return self._keep(layer_record(number, layer, self._around.layer_reader()), 0.0)
        if isinstance(layer, Failed):
            return self._failed(number, layer)
        pixels = guarded(file.pixels, number)
        if isinstance(pixels, Failed):
            return self._failed(number, pixels)
        return self._read(number, pixels)

    def _read(self, number: int, pixels: PagePixels) -> int | None:
        desk = self._at_desk()
        if not self._take_place(desk):
            self._ledger.drop(number)
            return None
        try:  # until the page is stored, so that no more are lost than the engine reads at once
            started = time.perf_counter()
            reading = self._timed(number, desk.engine, pixels)
            if number in self._left_behind:
                return None
            if isinstance(reading, Failed):
                return self._failed(number, reading)
            seconds = round(time.perf_counter() - started, 3)
            return self._keep(page_record(number, reading, pixels), seconds)
        finally:
            desk.places.release()

    def _take_place(self, desk: _Desk) -> bool:
        """Whether there is one to read at, and the task goes on. A page that is stuck keeps its place."""
        while not desk.places.acquire(timeout=LOOK_SECONDS):
            if self._stuck:
                return False
        if self._around.context.should_stop or self._stuck:
            desk.places.release()
            return False
        return True

    def _timed(self, number: int, engine: OcrEngine, pixels: PagePixels) -> PageReading | Failed:
        with self._changed:
            self._reading[number] = self._around.context.clock.now()
        reading = guarded(self._around.read, engine, pixels)
        with self._changed:
            del self._reading[number]
        return reading

    def _keep(self, record: PageRecord, seconds: float) -> int | None:
        number = record.page
        if not self._around.store.put(record):
            raise PageNotStored(f"page {number} was not found in the blob store as it was written", page=number)
        self.summaries[number] = summary_of(record)
        return self._ledger.finish(number, seconds)

    def _failed(self, number: int, failed: Failed) -> int | None:
        """Memory that ran out in one thread may have been taken by another, so that page is read again, alone."""
        cause = failed.cause
        assert cause is not None
        if isinstance(cause, MemoryError):
            self._ledger.blame(number)
            self._ledger.close()
            return None
        if self._around.fail_fast or not is_of_the_document(cause):
            raise cause
        _log.warning("page_failed", extra={"page": number, "code": failed.error.code})
        return self._keep(failed_record(self._size(number), failed.error.code, failed.error.message), 0.0)

    def _given_up(self, number: int) -> PageCrashed | PageTooSlow:
        if self._ledger.was_slow(number):
            return PageTooSlow(f"page {number} could not be read in the time that it may take", page=number)
        return PageCrashed(f"processes that read page {number} died, or ran out of memory", page=number)

    def _size(self, number: int) -> PageSize:
        return self._around.file.info.pages[number - 1]

    def _at_desk(self) -> _Desk:
        """The first thread comes here before there are others."""
        if self._desk is None:
            engine = self._around.engine()
            self._desk = _Desk(engine, threading.Semaphore(engine.concurrency))
            self._grow()
        return self._desk

    def _grow(self) -> None:
        """Once there is an engine, and nothing is to be read alone any more."""
        if self._grown or self._desk is None or self._ledger.suspicious:
            return
        self._grown = True
        self._start(self._desk.engine.concurrency)


class _Desk(NamedTuple):
    engine: OcrEngine
    places: threading.Semaphore
