"""What a page says and where, as it lies beside the page: ``NAME.txt`` and ``NAME.json``.

The JSON is ``{"version": 1, "kind": …, "condition": …, "pages": [{"width", "height", "unit", "angle", "text",
"words": [{"text", "polygon"}]}]}``. ``unit`` is ``pixel`` for images and ``inch`` for PDFs; a polygon is eight numbers,
x and y of four corners, clockwise from the one at which the word's upper left is. ``angle`` is how far the page's
content is turned clockwise, in degrees in (-180, 180], ``null`` where a photo has none that is exact. Everything is in
reading order, a line of print a line of text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Point: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Point, Point, Point, Point]
PAGE_BREAK = "\n\f"


@dataclass(frozen=True, slots=True)
class TruthWord:
    text: str
    polygon: Quad

    @property
    def centre(self) -> Point:
        return sum(x for x, _ in self.polygon) / 4, sum(y for _, y in self.polygon) / 4


@dataclass(frozen=True, slots=True)
class TruthPage:
    width: float
    height: float
    unit: str
    text: str
    words: tuple[TruthWord, ...]
    angle: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    kind: str
    condition: str
    pages: tuple[TruthPage, ...]

    @property
    def text(self) -> str:
        return PAGE_BREAK.join(page.text for page in self.pages)


class TruthBroken(Exception):
    """A JSON file of word boxes that is not in the form above."""


def write_truth(truth: Truth, stem: Path) -> None:
    """``stem`` with ``.txt`` and with ``.json``."""
    Path(f"{stem}.txt").write_text(truth.text + "\n", encoding="utf-8")
    content = {
        "version": 1,
        "kind": truth.kind,
        "condition": truth.condition,
        "pages": [_page_json(page) for page in truth.pages],
    }
    Path(f"{stem}.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def read_truth(path: Path) -> Truth:
    """Raises :class:`TruthBroken` and :class:`OSError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pages = tuple(_page_of(page) for page in content["pages"])
        return Truth(str(content.get("kind", "")), str(content.get("condition", "")), pages)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TruthBroken(f"{path.name} is not a file of word boxes: {error!r}") from error


def _page_json(page: TruthPage) -> dict[str, object]:
    return {
        "width": round(page.width, 4),
        "height": round(page.height, 4),
        "unit": page.unit,
        "angle": page.angle,
        "text": page.text,
        "words": [{"text": word.text, "polygon": _flat(word.polygon, page.unit)} for word in page.words],
    }


def _flat(polygon: Quad, unit: str) -> list[float]:
    digits = 1 if unit == "pixel" else 4
    return [round(number, digits) for point in polygon for number in point]


def _page_of(page: Any) -> TruthPage:
    words = tuple(TruthWord(str(word["text"]), _quad(word["polygon"])) for word in page["words"])
    text = page.get("text")
    return TruthPage(
        width=float(page["width"]),
        height=float(page["height"]),
        unit=str(page.get("unit", "pixel")),
        text=" ".join(word.text for word in words) if text is None else str(text),
        words=words,
        angle=page.get("angle"),
    )


def _quad(numbers: Sequence[float]) -> Quad:
    x1, y1, x2, y2, x3, y3, x4, y4 = (float(number) for number in numbers)
    return ((x1, y1), (x2, y2), (x3, y3), (x4, y4))
