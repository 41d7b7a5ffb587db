"""Pages of print as a detector gives them: pieces of text with where they stand, seeded, in reading order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from handlers.document.engine import Line, Quad, Word

WIDTH, HEIGHT = 1_700.0, 2_200.0
SIZE = 24.0
"""The height of a detected line of body text; a character is 0.42 of it wide."""

PITCH = 1.35
CHARACTER = 0.42

_SYLLABLES = ("ka", "lo", "mi", "ren", "tos", "vel", "dar", "sin", "mor", "pal", "ent", "ris", "ome", "tal", "qui")


def box(left: float, top: float, width: float, height: float) -> Quad:
    return ((left, top), (left + width, top), (left + width, top + height), (left, top + height))


def piece(text: str, left: float, top: float, size: float = SIZE, width: float | None = None) -> Line:
    """A piece whose width is that of its text, unless it is given."""
    return Line(text, 0.95, box(left, top, width or len(text) * CHARACTER * size, size))


def with_words(line: Line) -> Line:
    """The line with its words, each as wide as its share of the characters."""
    (left, top), (right, _), (_, bottom), _ = line.polygon
    step = (right - left) / len(line.text)
    words, start = [], 0
    for part in line.text.split():
        start = line.text.index(part, start)
        words.append(Word(part, box(left + start * step, top, len(part) * step, bottom - top), 0.9))
        start += len(part)
    return Line(line.text, line.confidence, line.polygon, tuple(words))


class Printer:
    """Sets text; every random choice is of ``seed``."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def word(self) -> str:
        return "".join(self.random.choices(_SYLLABLES, k=self.random.randint(1, 4)))

    def text(self, characters: int) -> str:
        words = [self.word()]
        while sum(map(len, words)) + len(words) < characters:
            words.append(self.word())
        return " ".join(words)

    def paragraphs(
        self, left: float, top: float, width: float, lines: int, *, size: float = SIZE, ragged: bool = False
    ) -> list[Line]:
        """A column of print: paragraphs of three to nine lines, their first indented, their last short."""
        characters = int(width / (CHARACTER * size))
        set_lines: list[Line] = []
        until_end = self.random.randint(3, 9)
        first = True
        for index in range(lines):
            last = until_end == 1 or index == lines - 1
            indent = size if first else 0.0
            share = self.random.uniform(0.2, 0.9) if last else self.random.uniform(0.8, 1.0) if ragged else 1.0
            words = self.text(max(4, int(characters * share)))
            y = top + index * size * PITCH + self.random.uniform(-0.04, 0.04) * size
            set_lines.append(piece(words, left + indent, y, size, max(3 * size, width * share - indent)))
            first = last
            until_end = self.random.randint(3, 9) if last else until_end - 1
        return set_lines

    def shuffled(self, pieces: Sequence[Line]) -> list[Line]:
        return self.random.sample(pieces, len(pieces))


def texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]
