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

CELL = 8
BITS = 10


def document(pages: int) -> bytes:
    """A TIFF of so many pages, up to 1,023."""
    images = [_picture(number) for number in range(1, pages + 1)]
    written = BytesIO()
    images[0].save(written, "TIFF", save_all=True, append_images=images[1:])
    return written.getvalue()


class CountingReader(Upright):
    """Reads the number of a page from its picture, and writes down for which ``job`` it did, before it answers."""

    def __init__(self, reads: Path) -> None:
        self._reads = reads
        self.job = ""

    def read(self, page: Page) -> PageText:
        number = sum(1 << bit for bit in range(BITS) if page[CELL // 2, bit * CELL + CELL // 2].max() < 128)
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
    image = Image.new("L", (BITS * CELL, 64), 255)
    for bit in range(BITS):
        if number >> bit & 1:
            image.paste(0, (bit * CELL, 0, (bit + 1) * CELL, CELL))
    return image
