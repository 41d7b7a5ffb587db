"""Are pages turned the right way up, and straightened? ``python -m benchmarks.ocr_orientation --check``.

Generated pages of all kinds and conditions (:mod:`benchmarks.document_pages`) are read in each of the four positions,
with the real engine, and turned by angles from -15 to 15 degrees. The pages' own angle is taken off; photos, which have
none that is exact, stand upright within some degrees, and count for orientation alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.document_pages.__main__ import chosen_fonts
from benchmarks.document_pages.degrade import CONDITIONS, Shot, turned_by
from benchmarks.document_pages.fonts import NoFonts
from benchmarks.document_pages.pages import KINDS, made_page
from benchmarks.report import Goal, at_least, finish, parser
from core.errors import CoreMachineError
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.engine import EngineChoice, OcrEngine, Quality
from handlers.document.reading.ink import ink_of
from handlers.document.reading.records import ReadingOptions
from handlers.document.reading.skew import skew_of
from handlers.document.reading.whole import read_whole

if TYPE_CHECKING:
    from handlers.document.engine import Page

GOALS = (
    Goal("wrong_turns", "<=", 0),
    Goal("largest_skew_left", "<=", 0.1, "degrees"),
)
SKEWS = (-15.0, -11.3, -6.7, -2.1, -0.4, 0.0, 0.7, 3.9, 8.6, 15.0)


@dataclass(frozen=True, slots=True)
class Subject:
    """``angle`` is how far the page's content is turned clockwise, ``None`` where that is not exact."""

    name: str
    pixels: Page
    angle: float | None


def subjects(options: argparse.Namespace) -> Iterator[Subject]:
    fonts = chosen_fonts(options.fonts)
    kinds = [kind for kind in KINDS if kind != "hindi"]
    conditions = list(CONDITIONS)
    for number in range(options.pages):
        kind, condition = kinds[number % len(kinds)], conditions[number % len(conditions)]
        made = made_page(fonts, options.seed, number, kind, condition)
        pixels = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_COLOR)
        yield Subject(made.name, np.asarray(pixels, np.uint8), made.truth.pages[0].angle)


def wrong_turns(engine: OcrEngine, subject: Subject) -> list[str]:
    """The positions in which the page was read in another than its own, in words."""
    wrong = []
    for quarters in range(4):
        page = np.ascontiguousarray(np.rot90(subject.pixels, -quarters))
        found = read_whole(engine, page, ReadingOptions()).text.angle
        true = (subject.angle or 0.0) + 90.0 * quarters
        if abs((found - true + 180.0) % 360.0 - 180.0) > 45.0:
            wrong.append(f"{subject.name} turned by {true} was read at {found}")
    return wrong


def skews_left(subject: Subject) -> Iterator[tuple[float, str]]:
    """By how many degrees the skew that is measured is off, for each of :data:`SKEWS`; 90 where none is."""
    base = (subject.angle or 0.0) % 90.0
    own = base - 90.0 if base > 45.0 else base
    upright = turned_by(Shot(subject.pixels, (), 200.0), -own).pixels if own else subject.pixels
    for degrees in SKEWS:
        page = turned_by(Shot(upright, (), 200.0), degrees).pixels if degrees else upright
        found = skew_of(ink_of(page))
        yield (90.0 if found is None else abs(found.degrees - degrees)), f"{subject.name} turned by {degrees}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    wanted = parser("Pages turned upright and straightened")
    wanted.add_argument("--pages", type=at_least(1), default=30, help="each in four positions (default: %(default)s)")
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--quality", type=Quality, choices=list(Quality), default=Quality.FAST)
    wanted.add_argument("--fonts", default="pinned", help="as for benchmarks.document_pages (default: %(default)s)")
    wanted.add_argument("--models", type=Path, default=DEFAULT_ROOT, help="the OCR models (default: %(default)s)")
    return wanted.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 1 where ``--check`` finds a goal missed, and 2 where nothing could be measured."""
    options = _options(arguments)
    try:
        engine = PaddleEngines(options.models)(EngineChoice(options.quality))
        pages = list(subjects(options))
        wrong = [turn for page in pages for turn in wrong_turns(engine, page)]
    except (CoreMachineError, NoFonts) as error:
        print(f"benchmarks.ocr_orientation: {error}", file=sys.stderr)
        return 2
    left = sorted((skew for page in pages if page.angle is not None for skew in skews_left(page)), reverse=True)
    print(*wrong, sep="\n")
    for error_left, what in left[:5]:
        print(f"{error_left:.3f} degrees left: {what}")
    measured = {
        "pages": len(pages),
        "turns": 4 * len(pages),
        "wrong_turns": len(wrong),
        "largest_skew_left": round(left[0][0], 3),
        "mean_skew_left": round(sum(skew for skew, _ in left) / len(left), 3),
    }
    for name, value in measured.items():
        print(f"{name}: {value}")
    return finish(options, measured, GOALS)


if __name__ == "__main__":
    sys.exit(main())
