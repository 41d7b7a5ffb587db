"""The seam to an OCR engine: what it is given, what it gives, and how it fails.

Positions are pixels of the page as it was given to the engine, x to the right and y down, with (0, 0) the
upper left corner of the first pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeGuard

from handlers.document.errors import OcrFailed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Page: TypeAlias = npt.NDArray[np.uint8]

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]

POSITION_TOLERANCE = 2.0
"""How far outside the page a corner may lie, in pixels: engines round and pad."""


DOUBTFUL_BELOW = 0.80
"""A mean or line confidence that a reader should be warned of. Pages of print that are read well have 0.95 and more; a
page that was read upside down has 0.5 to 0.75."""


class Quality(StrEnum):
    """``accurate`` takes the larger models, ``fast`` the smaller ones."""

    ACCURATE = "accurate"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine a document is read with.

    ``languages`` are what it is written in, as BCP 47 primary subtags in lower case ("en", "zh", "hi"); none
    leaves it to the engine, which reads every script that it knows.
    """

    quality: Quality = Quality.ACCURATE
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """How far the content of a page is turned clockwise: 90 where its text runs downwards.

    ``confidence`` is 0..1; 0.0, with 0 degrees, says that it could not be told.
    """

    degrees: Literal[0, 90, 180, 270]
    confidence: float


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without white space. ``confidence`` is 0..1, ``None`` where the engine has none a word.

    ``polygon`` is good for finding the word and not for cutting it out: PaddleX derives it from the time steps at
    which the recogniser was sure of a character, so that it starts late, and a word of one letter is a sliver.
    """

    text: str
    polygon: Quad
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of print; never empty, never white space only.

    ``confidence`` is 0..1. ``polygon`` runs clockwise from the corner where the text's upper left is, as the
    text reads: on a page that lies on its side it starts elsewhere than in the page's upper left. ``words``
    are in the order of ``text``, ``None`` where the engine does not know them.
    """

    text: str
    confidence: float
    polygon: Quad
    words: tuple[Word, ...] | None = None


@dataclass(frozen=True, slots=True)
class PageText:
    """What was read on one page: ``lines`` in reading order, none where there is no text.

    ``width`` and ``height`` are the given page's, in pixels, and all polygons refer to it. ``angle`` is how
    far the content is turned clockwise, in degrees in (-180, 180]: 90 is a page whose text runs downwards.
    ``engine`` and ``models`` name what read it, with versions. ``orientation_unsure`` says that which way up the
    page stands could not be told from it, and the angle is what gave the better reading. A page without text has
    the angle 0. ``unread_script`` names the script that most of the page is in where no engine that is installed reads
    it, as Unicode does ("Cyrillic"); ``lines`` are what was read of it all the same. ``pieces`` is in how many places
    the engine saw text, whether it could read it or not; 0 where it does not say.
    """

    lines: tuple[Line, ...]
    width: int
    height: int
    angle: float
    engine: str
    models: tuple[str, ...]
    orientation_unsure: bool = False
    unread_script: str | None = None
    pieces: int = 0

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


class OcrEngine(Protocol):
    """Reads the text of pages.

    Its methods may be called from several threads at once. It keeps nothing of a page after a call, does not
    change it, and gives the same result for the same page, whatever else it is reading. A page is HxWx3 uint8
    BGR, at least 1x1.

    Its methods raise :class:`OcrFailed` where the engine broke or gave something that is not understood, and
    :class:`core.errors.DependencyMissing` where a package or model that it needs is not installed.
    :class:`MemoryError` passes through.
    """

    @property
    def concurrency(self) -> int:
        """How many pages it reads at once, at least 1. Calls beyond that wait for their turn."""
        ...

    def turn(self, page: Page) -> Turn:
        """Which way up ``page`` stands: cheap beside reading it."""
        ...

    def read(self, page: Page) -> PageText:
        """Read ``page``, which stands upright within some degrees; it is not turned.

        Gives the pieces of text as they were detected, with their words, in no particular order and not joined
        to lines of the page, and the angle 0. A page without text is a :class:`PageText` without lines.
        """
        ...


EngineProvider: TypeAlias = Callable[[EngineChoice], OcrEngine]
"""Gives an engine that is ready; the same choice gives the same engine.

Raises :class:`handlers.document.errors.LanguageNotSupported` where nothing that is installed reads one of the
languages, :class:`core.errors.DependencyMissing` where a package or model is not installed, and
:class:`OcrFailed` where the engine cannot be built.
"""


def read_page(engine: OcrEngine, page: Page) -> PageText:
    """``engine.read(page)``, with what it gives held against the Protocol. Raises :class:`OcrFailed`."""
    result: object = engine.read(page)
    problem = _problem(result, int(page.shape[1]), int(page.shape[0]))
    if problem is not None or not isinstance(result, PageText):
        raise OcrFailed(f"the OCR engine gave a result that cannot be used: {problem}")
    return result


def mean_confidence(lines: tuple[Line, ...]) -> float | None:
    """The lines' confidence, each weighted by its characters; ``None`` without text."""
    characters = sum(len(line.text) for line in lines)
    if not characters:
        return None
    return sure_characters(lines) / characters


def sure_characters(lines: tuple[Line, ...]) -> float:
    """The number of characters, each counted by its line's confidence."""
    return sum(line.confidence * len(line.text) for line in lines)


def _problem(result: object, width: int, height: int) -> str | None:
    """What is wrong with ``result``, whatever it is; ``None`` where nothing is."""
    if not isinstance(result, PageText):
        return f"it is a {type(result).__name__}"
    if (result.width, result.height) != (width, height):
        return f"it is for a page of {result.width} x {result.height}, not {width} x {height}"
    if not _is_number(result.angle) or not -180 < result.angle <= 180:
        return f"the angle is {result.angle!r}"
    lines: object = result.lines
    if not isinstance(lines, tuple):
        return f"its lines are a {type(lines).__name__}"
    problems = (
        f"line {n}: {found}" for n, line in enumerate(lines, 1) if (found := _line_problem(line, width, height))
    )
    return next(problems, None)


def _line_problem(line: object, width: int, height: int) -> str | None:
    if not isinstance(line, Line):
        return f"it is a {type(line).__name__}"
    if not _is_share(line.confidence):
        return f"the confidence is {line.confidence!r}"
    words: object = line.words
    if not isinstance(words, tuple | None):
        return f"its words are a {type(words).__name__}"
    return _piece_problem(line, width, height) or next(
        (f"a word: {found}" for word in words or () if (found := _word_problem(word, width, height))), None
    )


def _word_problem(word: object, width: int, height: int) -> str | None:
    if not isinstance(word, Word):
        return f"it is a {type(word).__name__}"
    if word.confidence is not None and not _is_share(word.confidence):
        return f"the confidence is {word.confidence!r}"
    return _piece_problem(word, width, height)


def _piece_problem(piece: Line | Word, width: int, height: int) -> str | None:
    text: object = piece.text
    if not isinstance(text, str) or not text.strip():
        return "it has no text"
    if not _is_quad(piece.polygon, width, height):
        return "the polygon is not four points of the page"
    return None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_quad(polygon: object, width: int, height: int) -> bool:
    return (
        isinstance(polygon, tuple) and len(polygon) == 4 and all(_is_on_page(point, width, height) for point in polygon)
    )


def _is_on_page(point: object, width: int, height: int) -> bool:
    if not isinstance(point, tuple) or len(point) != 2:
        return False
    slack = POSITION_TOLERANCE
    return all(
        _is_number(value) and -slack <= value <= side + slack
        for value, side in zip(point, (width, height), strict=True)
    )
