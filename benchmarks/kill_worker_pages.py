"""The documents that are read while workers are killed, and engines that keep count of what they read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from handlers.document.engine import OcrEngine, PageText, Turn
from testing.documents import sample_page
from testing.ocr_engines import Upright, scripted

if TYPE_CHECKING:
    from handlers.document.engine import Page

READS = "KILL_WORKER_READS"
"""The variable that names the file of :class:`Reads`."""

SIZE = (64, 64)
BASE, STEP = 200, 32
"""A page is of one colour: red and green are 200 and the number's two halves, of five bits each."""


def document(pages: int) -> bytes:
    """A TIFF of so many pages, up to 1,023."""
    images = [_picture(number) for number in range(1, pages + 1)]
    written = BytesIO()
    images[0].save(written, "TIFF", save_all=True, append_images=images[1:])
    return written.getvalue()


def letters(pages: int) -> bytes:
    """A PDF of so many scanned letters, each of its own, for the real engine."""
    first, *rest = (sample_page(seed).image for seed in range(pages))
    written = BytesIO()
    first.save(written, "PDF", save_all=True, append_images=rest, resolution=150.0)
    return written.getvalue()


class Reads:
    """A file in which each reading is a line: the ``job``'s id, and the page's number, 0 where it is not known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.job = ""

    def note(self, page: int = 0) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{self.job} {page}\n".encode())
        finally:
            os.close(handle)


class NumberReader(Upright):
    """Reads the number of a page from its colour, and writes down that it did, before it answers."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def read(self, page: Page) -> PageText:
        _, green, red = (int(value) for value in page[0, 0])
        number = (green - BASE) * STEP + red - BASE
        self._reads.note(number)
        return scripted(page, (f"This is page {number},", "which was read once."))


class CountedEngine:
    """``engine``, of which each reading is written down before it answers."""

    def __init__(self, engine: OcrEngine, reads: Reads) -> None:
        self._engine, self._reads = engine, reads

    @property
    def concurrency(self) -> int:
        return self._engine.concurrency

    def turn(self, page: Page) -> Turn:
        return self._engine.turn(page)

    def read(self, page: Page) -> PageText:
        self._reads.note()
        return self._engine.read(page)


def reads_by_job(notes: Iterable[str]) -> Counter[str]:
    """How often a page was read for each job."""
    return Counter(line.partition(" ")[0] for line in notes)


def _picture(number: int) -> Image.Image:
    return Image.new("RGB", SIZE, (BASE + number % STEP, BASE + number // STEP, 255))
