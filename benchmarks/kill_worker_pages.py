"""A document whose pages say their number, and an engine that reads it and keeps count."""

from __future__ import annotations

import os
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from handlers.document.engine import PageText
from testing.ocr_engines import Upright, scripted

if TYPE_CHECKING:
    from handlers.document.engine import Page

READS = "KILL_WORKER_READS"
"""The variable that names the file in which each reading of a page is a line: the job, and the page's number."""

SIZE = (64, 64)
BASE, STEP = 200, 32
"""A page is of one colour: red and green are 200 and the number's two halves, of five bits each."""


def document(pages: int) -> bytes:
    """A TIFF of so many pages, up to 1,023."""
    images = [_picture(number) for number in range(1, pages + 1)]
    written = BytesIO()
    images[0].save(written, "TIFF", save_all=True, append_images=images[1:])
    return written.getvalue()


class CountingReader(Upright):
    """Reads the number of a page from its colour, and writes down for which ``job`` it did, before it answers."""

    def __init__(self, reads: Path) -> None:
        self._reads = reads
        self.job = ""

    def read(self, page: Page) -> PageText:
        _, green, red = (int(value) for value in page[0, 0])
        number = (green - BASE) * STEP + red - BASE
        handle = os.open(self._reads, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{self.job} {number}\n".encode())
        finally:
            os.close(handle)
        return scripted(page, (f"This is page {number},", "which was read once."))


def reads_by_job(path: Path) -> Counter[str]:
    """How many pages were read for each job."""
    return Counter(line.partition(" ")[0] for line in path.read_text("ascii").splitlines())


def _picture(number: int) -> Image.Image:
    return Image.new("RGB", SIZE, (BASE + number % STEP, BASE + number // STEP, 255))
