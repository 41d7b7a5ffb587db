"""OCR engines that do what they are told: one that reads, one that finds nothing, and the faults by name.

Each is a :class:`handlers.document.engine.OcrEngine`; :func:`always` makes a provider of one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from handlers.document.engine import EngineProvider, Line, OcrEngine, PageText, Quad, Turn, Word
from handlers.document.errors import OcrFailed

if TYPE_CHECKING:
    from handlers.document.engine import Page


def always(engine: OcrEngine) -> EngineProvider:
    """A provider that gives ``engine`` for every choice."""
    return lambda choice: engine


class Upright:
    """What the scripted engines share: every page stands upright, and is read alone."""

    concurrency = 1

    def turn(self, page: Page) -> Turn:
        return Turn(0, 1.0)


class ReadsText(Upright):
    """Reads the given lines on every page, evenly spaced from top to bottom. ``pages`` are the shapes it saw."""

    def __init__(self, lines: Sequence[str], confidence: float = 0.97, orientation_unsure: bool = False) -> None:
        self._lines = tuple(lines)
        self._confidence = confidence
        self._orientation_unsure = orientation_unsure
        self.pages: list[tuple[int, ...]] = []

    def read(self, page: Page) -> PageText:
        self.pages.append(page.shape)
        read = scripted(page, self._lines, self._confidence)
        return replace(read, orientation_unsure=self._orientation_unsure)


class ReadsNothing(Upright):
    """Finds no text on any page."""

    def read(self, page: Page) -> PageText:
        return scripted(page, ())


@dataclass(frozen=True, slots=True)
class Crashes(Upright):
    """Raises ``error``."""

    error: Exception = field(default_factory=lambda: OcrFailed("the scripted engine crashed"))

    def read(self, page: Page) -> PageText:
        raise self.error


class Hangs(Upright):
    """Waits until ``released`` is set, at most ``bound`` seconds; then it reads nothing, or fails at the bound.

    ``entered`` is set once a call waits.
    """

    def __init__(self, bound: float = 60.0) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()
        self._bound = bound

    def read(self, page: Page) -> PageText:
        self.entered.set()
        if not self.released.wait(self._bound):
            raise OcrFailed(f"the scripted engine was not released within {self._bound} seconds")
        return scripted(page, ())


class ExhaustsMemory(Upright):
    """Raises a real :class:`MemoryError`, by asking for more than any address space has."""

    def read(self, page: Page) -> PageText:
        return scripted(page, (str(len(bytearray(1 << 62))),))


class ReturnsGarbage(Upright):
    """Gives what no engine may give; ``kind`` is one of :data:`GARBAGE`."""

    def __init__(self, kind: str) -> None:
        self._spoil = GARBAGE[kind]

    def read(self, page: Page) -> PageText:
        spoilt: PageText = self._spoil(scripted(page, ("a line",)))
        return spoilt


def scripted(page: Page, lines: Sequence[str], confidence: float = 0.97) -> PageText:
    """A result that keeps the Protocol: ``lines`` from top to bottom of ``page``, each with its words."""
    height, width = int(page.shape[0]), int(page.shape[1])
    step = height / max(1, len(lines))
    return PageText(
        lines=tuple(_line(text, width, step * n, step * (n + 0.8), confidence) for n, text in enumerate(lines)),
        width=width,
        height=height,
        angle=0.0,
        engine="scripted",
        models=(),
    )


def _line(text: str, width: int, top: float, bottom: float, confidence: float) -> Line:
    left, cell = width * 0.1, width * 0.8 / max(1, len(text))
    words, start = [], 0
    for word in text.split():
        at = text.index(word, start)
        start = at + len(word)
        words.append(Word(word, _box(left + at * cell, left + start * cell, top, bottom), confidence))
    return Line(text, confidence, _box(left, left + len(text) * cell, top, bottom), tuple(words))


def _box(left: float, right: float, top: float, bottom: float) -> Quad:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _with(**changes: Any) -> Callable[[PageText], Any]:
    return lambda result: replace(result, **changes)


def _with_line(**changes: Any) -> Callable[[PageText], Any]:
    return lambda result: replace(result, lines=(replace(result.lines[0], **changes),))


GARBAGE: Mapping[str, Callable[[PageText], Any]] = {
    "none": lambda result: None,
    "dictionary": lambda result: {"rec_texts": []},
    "other_page": lambda result: replace(result, width=result.width + 1),
    "angle_nan": _with(angle=float("nan")),
    "lines_none": _with(lines=None),
    "line_is_text": _with(lines=("a line",)),
    "text_blank": _with_line(text="  "),
    "text_none": _with_line(text=None),
    "confidence_nan": _with_line(confidence=float("nan")),
    "confidence_percent": _with_line(confidence=97.0),
    "polygon_of_three": _with_line(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),
    "polygon_off_page": _with_line(polygon=_box(0.0, 1e9, 0.0, 1.0)),
    "words_are_text": _with_line(words=("a", "line")),
    "words_are_one_text": _with_line(words="a line"),
}
