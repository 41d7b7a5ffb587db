"""Fits what a confidence means: ``python -m benchmarks.ocr_calibration --quality accurate --data DIR``.

Pages are generated (:mod:`benchmarks.document_pages`) clean and with one to three things that spoil them, and taken
from DIR where it is given (images with their text beside them, :mod:`benchmarks.ocr`). Each is read with the engine's
confidences. Printed are the points for :data:`handlers.document.reading.calibration.CALIBRATIONS`, the weights of
:func:`handlers.document.reading.gate.badness`, and how well both hold on pages that they were not fitted on: the
calibration error over ten bins of equal width (ECE), and which share of pages with a word error over 20 % the gate
finds at which share of false alarms. ``--samples FILE`` keeps what was read, and reads nothing where FILE is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.document_pages.__main__ import chosen_fonts
from benchmarks.document_pages.degrade import CONDITIONS, Shot
from benchmarks.document_pages.pages import KINDS, made_page
from benchmarks.report import Goal, at_least, finish, parser
from core.errors import CoreMachineError
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.engine import EngineChoice, OcrEngine, PageText, Quality, Turn, Word
from handlers.document.reading.calibration import Points, at
from handlers.document.reading.records import ReadingOptions
from handlers.document.reading.whole import read_with_evidence
from handlers.document.warnings import WarningCode

if TYPE_CHECKING:
    import numpy.typing as npt

    from benchmarks.document_pages.fonts import Fonts
    from handlers.document.engine import Page

    Floats = npt.NDArray[np.float64]

GOALS = (
    Goal("ece", "<=", 0.05),
    Goal("found_at_5_percent_alarms", ">=", 0.95),
)
BAD_FROM = 0.20
SPOILERS = ("blur", "motion", "noise", "jpeg", "dark", "shadow", "faint", "small")
REPEATED = frozenset({"blur", "motion", "noise", "jpeg", "small"})
AGAIN, PHOTOGRAPHED = 0.45, 0.3
BINS, POINTS, FOLDS = 10, 10, 5
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class PageSample:
    """``words`` are the engine's confidences, and whether each word is right; ``error`` the share of the page's words
    that are wrong or missing; ``missed`` as in :class:`handlers.document.reading.gate.Evidence`. ``unread`` says that
    nothing was read of a page that has print, which is told whatever the evidence."""

    name: str
    words: tuple[tuple[float, bool], ...]
    error: float
    missed: float
    unread: bool


@dataclass(frozen=True, slots=True)
class RawEngine:
    """``engine`` without its models' names, by which its confidences would be mapped."""

    engine: OcrEngine

    @property
    def concurrency(self) -> int:
        return self.engine.concurrency

    def turn(self, page: Page) -> Turn:
        return self.engine.turn(page)

    def read(self, page: Page) -> PageText:
        return replace(self.engine.read(page), models=())


def generated(fonts: Fonts, seed: int, count: int) -> Iterator[tuple[str, Page, str]]:
    """Each page's name, pixels and text. Every fourth is clean; the others have one, two or three spoilers, the first
    up to three times over where that still leaves print to see. Some of all are photographed then."""
    kinds = [kind for kind in KINDS if kind != "hindi"]
    for number in range(count):
        kind = kinds[number % len(kinds)]
        made = made_page(fonts, seed, number, kind, "clean")
        pixels = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_COLOR)
        draw = Random(f"{seed}/{number}")  # noqa: S311 - the same pages each time
        spoilers = draw.sample(SPOILERS, number % 4)
        if spoilers and spoilers[0] in REPEATED and draw.random() < AGAIN:
            spoilers += spoilers[:1] * draw.choice((1, 2))
        if draw.random() < PHOTOGRAPHED:
            spoilers.append("photo")
        shot = Shot(np.asarray(pixels, np.uint8), (), 200.0)
        for spoiler in spoilers:
            shot = CONDITIONS[spoiler](shot, draw)
        yield f"{kind} {number} {' '.join(spoilers)}", shot.pixels, made.truth.text


def in_folder(folder: Path) -> Iterator[tuple[str, Page, str]]:
    for path in sorted(folder.iterdir()):
        truth = path.with_suffix(".txt")
        if path.suffix.lower() in SUFFIXES and truth.is_file():
            pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            yield path.stem, np.asarray(pixels, np.uint8), truth.read_text(encoding="utf-8").replace("\u00ac", "-")


def sampled(engine: OcrEngine, name: str, pixels: Page, truth: str) -> PageSample:
    reading, evidence = read_with_evidence(RawEngine(engine), pixels, ReadingOptions())
    words = [word for line in reading.text.lines for word in line.words or ()]
    right = _right(words, truth.split())
    expected = len(truth.split())
    wrong = max(expected, len(words)) - sum(right)
    confidences = (float(word.confidence or 0.0) for word in words)
    unread = not words and WarningCode.UNREADABLE in [warning.code for warning in reading.warnings]
    return PageSample(
        name, tuple(zip(confidences, right, strict=True)), wrong / max(1, expected), evidence.missed, unread
    )


def _right(words: Sequence[Word], truth: Sequence[str]) -> list[bool]:
    """Whether each word is among those of the truth that no surer word has taken."""
    left = Counter(truth)
    right = [False] * len(words)
    for n in sorted(range(len(words)), key=lambda n: -(words[n].confidence or 0.0)):
        if left[words[n].text] > 0:
            left[words[n].text] -= 1
            right[n] = True
    return right


def fitted_points(samples: Sequence[PageSample]) -> Points:
    """Isotonic regression by pooling neighbours that fall, at places with the same number of words between them."""
    confidences, right = _columns(samples)
    steps = np.quantile(confidences, np.linspace(0, 1, POINTS * 4 + 1))
    edges = np.unique(np.round(steps, 3))
    means: list[list[float]] = []
    for low, high in pairwise(edges):
        inside = (confidences > low) & (confidences <= high)
        if inside.any():
            means.append([float(confidences[inside].mean()), float(right[inside].mean()), float(inside.sum())])
        while len(means) > 1 and means[-1][1] < means[-2][1]:
            x, y, n = means.pop()
            before = means[-1]
            total = before[2] + n
            means[-1] = [(before[0] * before[2] + x * n) / total, (before[1] * before[2] + y * n) / total, total]
    return _thinned([(round(x, 3), round(y, 3)) for x, y, _ in means])


def _thinned(points: Sequence[tuple[float, float]]) -> Points:
    """Points that differ from their neighbour in both coordinates by a hundredth at least, and the ends."""
    kept = [points[0]]
    for point in points[1:]:
        if point[0] - kept[-1][0] >= 0.002 and point[1] - kept[-1][1] >= 0.004:
            kept.append(point)
    return tuple(kept)


def calibration_error(samples: Sequence[PageSample], points: Points | None) -> float:
    """The mean distance of confidence and share of right words in bins of equal width, weighted by words."""
    confidences, right = _columns(samples)
    if points is not None:
        confidences = np.array([at(float(value), points) for value in confidences])
    bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
    distance = sum(
        (bins == n).sum() * abs(confidences[bins == n].mean() - right[bins == n].mean())
        for n in range(BINS)
        if (bins == n).any()
    )
    return float(distance) / len(confidences)


def _columns(samples: Sequence[PageSample]) -> tuple[Floats, Floats]:
    table = np.array([word for sample in samples for word in sample.words], np.float64)
    return table[:, 0], table[:, 1]


def features(samples: Sequence[PageSample], points: Points) -> Floats:
    """A row a page: 1, doubt, and missed. Of one without words the verdict does not rest on these: there is all doubt
    or none."""
    rows = []
    for sample in samples:
        doubts = [1 - at(confidence, points) for confidence, _ in sample.words] or [float(sample.unread)]
        rows.append([1.0, sum(doubts) / len(doubts), sample.missed if sample.words else 0.0])
    return np.array(rows)


def fitted_gate(table: Floats, bad: Floats) -> Floats:
    """Logistic regression by Newton's method, with a little weight on small weights; none of the evidence may speak for
    a page."""
    weights = np.zeros(table.shape[1])
    use = np.ones(table.shape[1], bool)
    for _ in range(60):
        likely = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        slope = table.T @ (likely - bad) + 0.02 * weights * np.array([0, 1, 1])
        bend = (table.T * (likely * (1 - likely) + 1e-6)) @ table + 0.02 * np.diag([1e-6, 1, 1])
        step = np.zeros_like(weights)
        step[use] = np.linalg.solve(bend[np.ix_(use, use)], slope[use])
        weights = weights - step
        use[1:] &= weights[1:] >= 0
        weights[1:] = np.maximum(weights[1:], 0)
    return weights


def held_out(samples: Sequence[PageSample]) -> tuple[float, Floats]:
    """The calibration error, and each page's likelihood of being bad, by maps fitted on the other folds."""
    errors, badness = [], np.zeros(len(samples))
    for fold in range(FOLDS):
        rest = [sample for n, sample in enumerate(samples) if n % FOLDS != fold]
        own = [n for n in range(len(samples)) if n % FOLDS == fold]
        points = fitted_points(rest)
        weights = fitted_gate(features(rest, points), _bad(rest))
        tested = [samples[n] for n in own]
        errors.append(calibration_error([one for one in tested if one.words], points))
        badness[own] = features(tested, points) @ weights
    return float(np.mean(errors)), badness


def _bad(samples: Sequence[PageSample]) -> Floats:
    return np.array([float(sample.error > BAD_FROM) for sample in samples])


def found_at(badness: Floats, bad: Floats, alarms: float) -> tuple[float, float]:
    """The share of bad pages that is found where ``alarms`` of the good ones are taken for bad, and the threshold."""
    good = np.sort(badness[bad == 0])
    threshold = float(good[min(len(good) - 1, int(np.ceil((1 - alarms) * len(good))))])
    return float((badness[bad == 1] > threshold).mean()), threshold


def read_samples(options: argparse.Namespace) -> list[PageSample]:
    if options.samples is not None and options.samples.is_file():
        kept = json.loads(options.samples.read_text(encoding="utf-8"))
        return [PageSample(**one | {"words": tuple((c, r) for c, r in one["words"])}) for one in kept]
    engine = PaddleEngines(options.models)(EngineChoice(options.quality))
    pages = generated(chosen_fonts(options.fonts), options.seed, options.count)
    samples = [sampled(engine, *page) for page in pages]
    samples += [sampled(engine, *page) for page in (in_folder(options.data) if options.data else ())]
    if options.samples is not None:
        options.samples.write_text(json.dumps([asdict(sample) for sample in samples]), encoding="utf-8")
    return samples


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    wanted = parser("What a word's confidence means, and which pages were read badly")
    wanted.add_argument("--data", type=Path, help="a folder of images with their texts, beside the generated pages")
    wanted.add_argument("--quality", type=Quality, choices=list(Quality), default=Quality.ACCURATE)
    wanted.add_argument("--count", type=at_least(40), default=160, help="pages to generate (default: %(default)s)")
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--fonts", default="pinned", help="as for benchmarks.document_pages (default: %(default)s)")
    wanted.add_argument("--models", type=Path, default=DEFAULT_ROOT, help="the OCR models (default: %(default)s)")
    wanted.add_argument("--samples", type=Path, help="a file for what was read")
    return wanted.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 1 where ``--check`` finds a goal missed, and 2 where nothing could be read."""
    options = _options(arguments)
    try:
        samples = read_samples(options)
    except (CoreMachineError, OSError) as error:
        print(f"benchmarks.ocr_calibration: {error}", file=sys.stderr)
        return 2
    points, bad = fitted_points(samples), _bad(samples)
    ece, badness = held_out(samples)
    found, _ = found_at(badness, bad, 0.05)
    weights = fitted_gate(features(samples, points), bad)
    _, threshold = found_at(features(samples, points) @ weights, bad, 0.05)
    measured = {
        "quality": options.quality.value,
        "pages": len(samples),
        "bad_pages": int(bad.sum()),
        "words": sum(len(sample.words) for sample in samples),
        "raw_ece": round(calibration_error(samples, None), 4),
        "ece": round(ece, 4),
        "found_at_5_percent_alarms": round(found, 3),
        "points": points,
        "weights": [round(float(value), 2) for value in weights],
        "threshold": round(1 / (1 + float(np.exp(-threshold))), 3),
    }
    for name, value in measured.items():
        print(f"{name}: {value}")
    return finish(options, measured, GOALS)


if __name__ == "__main__":
    sys.exit(main())
