"""How well and how fast pages are read: ``python -m benchmarks.ocr --data DIR [--peers]``.

DIR holds images and PDFs, each with its text in ``NAME.txt``, with its word boxes in ``NAME.json`` (their form is in
:mod:`benchmarks.document_pages.truth`), or with both. Without ``--data`` sample pages are made. What is counted how
:mod:`benchmarks.ocr_scores` says. The kind of a page is its folder's name or, right under DIR, the start of its own.

Each reader has a process of its own. It is asked for one page after the other, which gives the readings, the
seconds and CPU-seconds a page, and the cold start: from the start of the process to the first page read. Then
it is asked for all of them at once, over and over up to ``--pages``, which gives pages a second. Ours reads through
the pipeline's own path, a PDF's text layer first, as many pages at once as its engine does. Peers get the pixels of
the same pages as PNGs; one that reads page after page is timed with its own defaults, and again as one
single-thread process a core, and the faster counts. Memory is that of the whole process tree.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ocr_cases import Case, NothingMeasured, cases_in, limited, sample_cases
from benchmarks.ocr_measure import Measured, measure, measure_peer
from benchmarks.ocr_peers import decoded, peer_python, peers
from benchmarks.ocr_process import Request
from benchmarks.ocr_table import print_pages, print_report
from benchmarks.report import Goal, at_least, finish, parser
from core.errors import CoreMachineError
from docker_worker.models import DEFAULT_ROOT
from handlers.document.engine import Quality
from handlers.document.files import open_document
from handlers.document.limits import DocumentLimits

GOALS = (Goal("cer_percent", "<=", 0.7, "%"), Goal("peak_resident_mib", "<=", 750.0, "MiB"))
"""The whole worker has 900 MB, of which its parent takes 110."""


def pages_of(cases: Sequence[Case]) -> list[list[Request]]:
    """Raises :class:`core.errors.CoreMachineError`."""
    found = []
    for case in cases:
        with open_document(case.path.read_bytes(), DocumentLimits()) as file:
            found.append([Request(case.path, size.number) for size in file.info.pages])
    return found


def run(options: argparse.Namespace, folder: Path) -> list[Measured]:
    """Raises :class:`NothingMeasured`."""
    found = list(sample_cases(folder)) if options.data is None else cases_in(options.data)
    cases = limited(found, options.kinds)
    try:
        command = [sys.executable, "-m", "benchmarks.ocr_reader", "--quality", options.quality.value]
        command += ["--models", str(options.models)]
        readers = [measure("ours", command, cases, pages_of(cases), options.pages)]
        if options.peers:
            python, pages = peer_python(), list(decoded(cases, folder))
            readers += [measure_peer(peer, python, cases, pages, options.pages) for peer in peers()]
    except CoreMachineError as error:
        raise NothingMeasured(str(error)) from error
    return readers


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    wanted = parser("Character error rate, words found, speed and memory of the OCR pipeline")
    wanted.add_argument(
        "--data", type=Path, help="a folder of images and PDFs with their truth (default: sample pages)"
    )
    wanted.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help="only pages of these kinds")
    wanted.add_argument("--pages", type=at_least(1), default=1, help="read at least so many at once, over and over")
    wanted.add_argument("--peers", action="store_true", help="other OCR packages on the same pages, in the same run")
    wanted.add_argument("--quality", type=Quality, choices=list(Quality), default=Quality.ACCURATE)
    wanted.add_argument("--models", type=Path, default=DEFAULT_ROOT, help="the OCR models (default: %(default)s)")
    return wanted.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exits 1 where ``--check`` finds a goal missed, and 2 where nothing could be measured."""
    options = _options(arguments)
    with TemporaryDirectory(prefix="ocr-pages-") as name:
        try:
            readers = run(options, Path(name))
        except NothingMeasured as error:
            print(f"benchmarks.ocr: {error}", file=sys.stderr)
            return 2
    print_pages(readers[0])
    print_report(readers)
    if hasattr(os, "getloadavg"):
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, quality {options.quality.value}")
    return finish(options, {**readers[0].figures(), "readers": [asdict(reader) for reader in readers]}, GOALS)


if __name__ == "__main__":
    sys.exit(main())
