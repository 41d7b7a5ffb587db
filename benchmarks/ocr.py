"""How well and how fast pages are read: ``python -m benchmarks.ocr --data DIR``.

DIR holds images (``NAME.png``, ``NAME.jpg``, …), each with its text in ``NAME.txt``. Without ``--data`` sample
pages are made. A child process reads the pages through the pipeline's own decoding and engine, so that its
peak resident memory is that of reading and nothing else.

CER is the Levenshtein distance over characters, divided by the length of the reference, over all pages
together where it says "in all". Both texts are first put into Unicode NFC and runs of white space, line ends
included, become one space. A not sign (U+00AC), by which some transcribers mark a word divided at the end of a
line, counts as the hyphen that is printed there. Nothing else is folded: quotation marks, dashes, accents
and letter case count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from benchmarks.report import Goal, finish, parser
from core.errors import CoreMachineError
from docker_worker.models import DEFAULT_ROOT
from docker_worker.ocr.paddle_engine import PaddleEngines
from handlers.document.decode import decode_page
from handlers.document.engine import EngineChoice, Quality, read_page
from handlers.document.errors import DocumentError
from handlers.document.limits import DocumentLimits
from testing.documents import sample_page

if TYPE_CHECKING:
    from handlers.document.engine import Page

GOALS = (Goal("cer_percent", "<=", 1.5, "%"),)
SAMPLE_PAGES = 4
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
PACKAGES = ("paddleocr", "paddlex", "onnxruntime", "opencv-python-headless", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Case:
    """A page to be read: ``image`` is the file's bytes, of which the first page counts; ``text`` the truth."""

    name: str
    image: bytes
    text: str


@dataclass(frozen=True, slots=True)
class PageScore:
    name: str
    cer_percent: float
    errors: int
    characters: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """``build_seconds`` is from the import of the engine to its first call; memory is MiB (2**20 bytes)."""

    quality: str
    cer_percent: float
    seconds_a_page: float
    cpu_seconds_a_page: float
    build_seconds: float
    peak_resident_mib: float
    versions: dict[str, str]
    pages: list[PageScore]


class NothingMeasured(Exception):
    """The data, the models or the packages are not there, or not what they should be. The text is for the user."""


def normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text.replace("\u00ac", "-")).split())


def score(name: str, truth: str, read: str, seconds: float, cpu_seconds: float) -> PageScore:
    reference = normalised(truth)
    errors = Levenshtein.distance(reference, normalised(read))
    return PageScore(
        name=name,
        cer_percent=round(100 * errors / max(1, len(reference)), 3),
        errors=errors,
        characters=len(reference),
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
    )


def cases_in(folder: Path) -> list[Case]:
    """The images in ``folder`` that have a text. Raises :class:`NothingMeasured`."""
    try:
        cases = [
            Case(path.stem, path.read_bytes(), truth.read_text(encoding="utf-8"))
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in IMAGE_SUFFIXES and (truth := path.with_suffix(".txt")).is_file()
        ]
    except OSError as error:
        raise NothingMeasured(f"{error.filename}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NothingMeasured(f"{folder} has a text that is not UTF-8") from error
    if not cases:
        raise NothingMeasured(f"{folder} has no image with its text beside it")
    return cases


def sample_cases(count: int = SAMPLE_PAGES) -> Iterator[Case]:
    for seed in range(count):
        page = sample_page(seed)
        yield Case(f"sample_{seed}", page.png, page.text)


def read_all(cases: Sequence[Case], quality: Quality, models: Path, results: Connection) -> None:
    """The child's work: a :class:`Report` goes through ``results``, or in words why there is none."""
    try:
        results.send(_read_all(cases, quality, models))
    except CoreMachineError as error:
        results.send(str(error))


def _read_all(cases: Sequence[Case], quality: Quality, models: Path) -> Report:
    started = time.perf_counter()
    engine = PaddleEngines(models)(EngineChoice(quality))
    build_seconds = time.perf_counter() - started
    pages = []
    for case in cases:
        page = _decoded(case)
        wall, cpu = time.perf_counter(), time.process_time()
        text = read_page(engine, page).text
        pages.append(score(case.name, case.text, text, time.perf_counter() - wall, time.process_time() - cpu))
    return _report(quality, pages, build_seconds)


def _decoded(case: Case) -> Page:
    try:
        return decode_page(case.image, 1, DocumentLimits())
    except DocumentError as error:
        raise DocumentError(f"{case.name}: {error}") from error


def measure(cases: Sequence[Case], quality: Quality, models: Path) -> Report:
    """Read ``cases`` in a fresh process. Raises :class:`NothingMeasured`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=read_all, args=(cases, quality, models, theirs))
    child.start()
    theirs.close()
    try:
        outcome: Report | str = ours.recv()
    except EOFError as error:
        raise NothingMeasured("the process that reads the pages ended without a report") from error
    finally:
        child.join()
    if isinstance(outcome, str):
        raise NothingMeasured(outcome)
    return outcome


def _report(quality: Quality, pages: list[PageScore], build_seconds: float) -> Report:
    errors, characters = sum(page.errors for page in pages), sum(page.characters for page in pages)
    # ru_maxrss is KiB on Linux and bytes on macOS (getrusage(2)).
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Report(
        quality=quality.value,
        cer_percent=round(100 * errors / max(1, characters), 3),
        seconds_a_page=round(sum(page.seconds for page in pages) / len(pages), 3),
        cpu_seconds_a_page=round(sum(page.cpu_seconds for page in pages) / len(pages), 3),
        build_seconds=round(build_seconds, 3),
        peak_resident_mib=round(peak, 1),
        versions={"python": sys.version.split()[0]} | {package: version(package) for package in PACKAGES},
        pages=pages,
    )


def _print(report: Report) -> None:
    for page in report.pages:
        print(f"{page.name:48} CER {page.cer_percent:6.2f} %  {page.seconds:6.2f} s")
    print(f"{'in all':48} CER {report.cer_percent:6.2f} %  {report.seconds_a_page:6.2f} s a page")
    print(f"{report.cpu_seconds_a_page} CPU-seconds a page; the engine was ready after {report.build_seconds} s")
    print(f"peak resident memory {report.peak_resident_mib} MiB, quality {report.quality}, {len(report.pages)} pages")
    print(", ".join(f"{name} {number}" for name, number in report.versions.items()))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    wanted = parser("Character error rate, speed and memory of the OCR pipeline")
    wanted.add_argument("--data", type=Path, help="a folder of images with their texts (default: sample pages)")
    wanted.add_argument("--quality", type=Quality, choices=list(Quality), default=Quality.ACCURATE)
    wanted.add_argument("--models", type=Path, default=DEFAULT_ROOT, help="the OCR models (default: %(default)s)")
    return wanted.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 1 where ``--check`` finds a goal missed, and 2 where nothing could be measured."""
    options = _options(arguments)
    try:
        cases = list(sample_cases()) if options.data is None else cases_in(options.data)
        report = measure(cases, options.quality, options.models)
    except NothingMeasured as error:
        print(f"benchmarks.ocr: {error}", file=sys.stderr)
        return 2
    _print(report)
    return finish(options, asdict(report), GOALS)


if __name__ == "__main__":
    sys.exit(main())
