"""A page before it is drawn: what stands where, in points (1/72 inch), with x to the right and y down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from benchmarks.document_pages.fonts import Face

Colour: TypeAlias = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Run:
    """Text on one base line, from ``x``, up to it, or around it. ``size`` is the font's, in points."""

    text: str
    x: float
    baseline: float
    size: float
    face: Face
    anchor: Literal["left", "right", "middle"] = "left"
    ink: Colour = BLACK

    @property
    def length(self) -> float:
        return self.face.length(self.text, self.size)

    @property
    def left(self) -> float:
        match self.anchor:
            case "left":
                return self.x
            case "right":
                return self.x - self.length
            case "middle":
                return self.x - self.length / 2

    def words(self) -> Iterator[tuple[str, float]]:
        """Each word with the x at which it starts."""
        position = 0
        for word in self.text.split():
            position = self.text.index(word, position)
            yield word, self.left + self.face.length(self.text[:position], self.size)
            position += len(word)


@dataclass(frozen=True, slots=True)
class Mark:
    """A rectangle: a rule where it is thin, an area where it has a fill, a frame where it has an outline."""

    x: float
    y: float
    width: float
    height: float
    fill: Colour | None = None
    outline: Colour | None = None
    stroke: float = 0.7


@dataclass(slots=True)
class Sheet:
    """``lines`` are in reading order, the runs of a line from left to right. ``marks`` lie under the text."""

    width: float
    height: float
    paper: Colour = WHITE
    lines: list[tuple[Run, ...]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def add(self, *runs: Run) -> None:
        """A line of print. What its faces lack is not printed, and so is no part of the text."""
        self.lines.append(tuple(replace(run, text=run.face.printable(run.text)) for run in runs))

    def rule(self, x: float, y: float, length: float, stroke: float = 0.7) -> None:
        self.marks.append(Mark(x, y, length, stroke, fill=(60, 60, 60)))

    @property
    def runs(self) -> Iterator[Run]:
        for line in self.lines:
            yield from line

    @property
    def text(self) -> str:
        """One line of print a line."""
        return "\n".join(" ".join(run.text for run in line) for line in self.lines)


def wrapped(text: str, face: Face, size: float, width: float) -> Iterator[str]:
    """``text`` in lines of at most ``width`` points, unless a word alone is longer."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and face.length(longer, size) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def justified(
    words: Sequence[str], x: float, width: float, baseline: float, size: float, face: Face
) -> tuple[Run, ...]:
    """The words of a line, spread to fill ``width``."""
    lengths = [face.length(word, size) for word in words]
    gap = (width - sum(lengths)) / max(1, len(words) - 1)
    return tuple(
        Run(word, left, baseline, size, face) for word, left in zip(words, _starts(lengths, x, gap), strict=True)
    )


def _starts(lengths: Iterable[float], x: float, gap: float) -> Iterator[float]:
    for length in lengths:
        yield x
        x += length + gap
