"""The installed ``tesseract`` program as an :class:`handlers.document.engine.OcrEngine`, for scripts that the main
engine does not read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from handlers.document.engine import Line, PageText, Quad, Turn, Word
from handlers.document.errors import OcrFailed

if TYPE_CHECKING:
    from docker_worker.ocr.tesseract_program import TesseractProgram
    from handlers.document.engine import Page

SURE_ORIENTATION = 15.0
"""From this confidence on an orientation is taken as certain: printed pages have 20 to 60, and nothing bounds it."""

_DEGREES: Mapping[int, Literal[0, 90, 180, 270]] = {0: 0, 90: 90, 180: 180, 270: 270}


class TesseractEngine:
    """Reads the languages whose trained data are ``data``, each page in a process of its own, ``concurrency`` at most
    at once."""

    def __init__(self, program: TesseractProgram, data: tuple[str, ...], concurrency: int) -> None:
        self._program = program
        self._data = data
        self._concurrency = concurrency
        self._places = threading.BoundedSemaphore(concurrency)

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def turn(self, page: Page) -> Turn:
        sight = self.sight(page)
        return sight.turn if sight is not None else Turn(0, 0.0)

    def sight(self, page: Page) -> Sight | None:
        """What the page's script and orientation are; ``None`` where that cannot be told."""
        if not self._program.tells_orientation:
            return None
        with self._places:
            said = self._program.orientation(page)
        return sight_of(said) if said is not None else None

    def read(self, page: Page) -> PageText:
        height, width = int(page.shape[0]), int(page.shape[1])
        with self._places:
            said = self._program.words(page, self._data)
        return PageText(
            lines=tuple(lines_of(said, width, height)),
            width=width,
            height=height,
            angle=0.0,
            engine=f"tesseract {self._program.version}",
            models=self._data,
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """``script`` is named as Tesseract does; ``script_confidence`` is 0 and more, and nothing bounds it."""

    turn: Turn
    script: str
    script_confidence: float


def sight_of(said: str) -> Sight | None:
    """From what ``--psm 0`` prints. "Rotate" is how far to turn the page clockwise to set it upright."""
    fields = dict(re.findall(r"^([A-Za-z ]+): (.+)$", said, re.MULTILINE))
    try:
        degrees = _DEGREES[-int(fields["Rotate"]) % 360]
        confidence = min(1.0, max(0.0, float(fields["Orientation confidence"]) / SURE_ORIENTATION))
        return Sight(Turn(degrees, confidence), fields["Script"].strip(), float(fields["Script confidence"]))
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Row:
    """A word, with the number of its line: block, paragraph, line."""

    line: tuple[int, int, int]
    word: Word


def lines_of(said: str, width: int, height: int) -> Iterator[Line]:
    """From tab-separated values, whose level 5 is a word. Raises :class:`OcrFailed`."""
    try:
        rows = [row for text in said.splitlines()[1:] if (row := _row(text.split("\t"), width, height)) is not None]
    except (ValueError, IndexError) as error:
        raise OcrFailed("tesseract's result is not a table of words") from error
    for _, group in groupby(rows, key=lambda row: row.line):
        words = tuple(row.word for row in group)
        characters = sum(len(word.text) for word in words)
        confidence = sum((word.confidence or 0.0) * len(word.text) for word in words) / characters
        yield Line(" ".join(word.text for word in words), confidence, _around(words), words)


def _row(fields: list[str], width: int, height: int) -> _Row | None:
    """``None`` for what is no word: a page, block, paragraph or line, or a blank."""
    if int(fields[0]) != 5:
        return None
    block, paragraph, line = (int(field) for field in fields[2:5])
    left, top, across, down = (int(field) for field in fields[6:10])
    # A word holds no white space, so what is left of a row that was split at a tab in the text is one, too.
    text = "".join("\t".join(fields[11:]).split())
    if not text:
        return None
    confidence = min(1.0, max(0.0, float(fields[10]) / 100))
    box = _quad(max(0, left), max(0, top), min(width, left + across), min(height, top + down))
    return _Row((block, paragraph, line), Word(text, box, confidence))


def _quad(left: float, top: float, right: float, bottom: float) -> Quad:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _around(words: tuple[Word, ...]) -> Quad:
    points = [point for word in words for point in word.polygon]
    across, down = [x for x, _ in points], [y for _, y in points]
    return _quad(min(across), min(down), max(across), max(down))
