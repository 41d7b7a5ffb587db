"""How right a reading is: character error rate, words found in any order, words found in their place.

Texts are first put into Unicode NFC and runs of white space, line and page ends included, become one space. A not sign
(U+00AC), by which some transcribers mark a word divided at the end of a line, counts as the hyphen that is printed
there. Nothing else is folded: quotation marks, dashes, accents and letter case count.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from benchmarks.document_pages.truth import Point, Quad, TruthWord


@dataclass(frozen=True, slots=True)
class Found:
    """``hits`` of the ``wanted`` and of the ``given`` words agree."""

    hits: int = 0
    wanted: int = 0
    given: int = 0

    @property
    def f1_percent(self) -> float:
        """Of precision and recall; 100 where there was nothing to find and nothing was found."""
        return 100.0 if not self.wanted + self.given else 200 * self.hits / (self.wanted + self.given)

    def __add__(self, other: Found) -> Found:
        return Found(self.hits + other.hits, self.wanted + other.wanted, self.given + other.given)


@dataclass(frozen=True, slots=True)
class Score:
    """``errors`` is the Levenshtein distance in characters; ``boxes`` is ``None`` where the truth has no boxes."""

    errors: int
    characters: int
    words: Found
    boxes: Found | None = None

    @property
    def cer_percent(self) -> float:
        return 100 * self.errors / max(1, self.characters)


def normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text.replace("\u00ac", "-")).split())


def score(truth: str, read: str) -> Score:
    reference, found = normalised(truth), normalised(read)
    return Score(Levenshtein.distance(reference, found), len(reference), words_found(reference, found))


def words_found(truth: str, read: str) -> Found:
    """The words in any order: each counts as often as it is there."""
    wanted, given = Counter(normalised(truth).split()), Counter(normalised(read).split())
    return Found((wanted & given).total(), wanted.total(), given.total())


def boxes_found(truth: Sequence[TruthWord], read: Sequence[TruthWord]) -> Found:
    """A word is found where the same word was read in its place: the middle of the one box lies in the other, since
    engines draw boxes of the ink, of the line's height, or wider."""
    places: dict[str, list[TruthWord]] = defaultdict(list)
    for word in read:
        places[normalised(word.text)].append(word)
    hits = 0
    for word in truth:
        candidates = places[normalised(word.text)]
        taken = next((other for other in candidates if _same_place(word, other)), None)
        if taken is not None:
            candidates.remove(taken)
            hits += 1
    return Found(hits, len(truth), len(read))


def total(scores: Iterable[Score]) -> Score:
    """Over all together: characters and words weigh the same, whatever page they are on."""
    errors = characters = 0
    words, boxes, boxed = Found(), Found(), False
    for one in scores:
        errors, characters, words = errors + one.errors, characters + one.characters, words + one.words
        if one.boxes is not None:
            boxes, boxed = boxes + one.boxes, True
    return Score(errors, characters, words, boxes if boxed else None)


def _same_place(one: TruthWord, other: TruthWord) -> bool:
    return _holds(one.polygon, other.centre) or _holds(other.polygon, one.centre)


def _holds(polygon: Quad, point: Point) -> bool:
    """Whether ``point`` is within the upright box around ``polygon``."""
    across, down = [x for x, _ in polygon], [y for _, y in polygon]
    return min(across) <= point[0] <= max(across) and min(down) <= point[1] <= max(down)
