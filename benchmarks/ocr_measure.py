"""One reader over all pages: right, fast, and of which size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median

from benchmarks.document_pages.truth import PAGE_BREAK
from benchmarks.ocr_cases import Case
from benchmarks.ocr_peers import Peer
from benchmarks.ocr_process import Answer, ReadingProcess, Request
from benchmarks.ocr_scores import Found, Score, boxes_found, score, total

CORES = 2
LEAST_FOR_DRIFT = 40
"""Pages at once from which memory is compared: a quarter of them is warm-up, and quarters of the rest are medians."""


@dataclass(frozen=True, slots=True)
class FileScore:
    name: str
    kind: str
    condition: str
    pages: int
    score: Score
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one reader did. ``way`` says how it was given all pages at once; ``drift_percent`` is ``None`` where the
    pages were too few to say."""

    name: str
    versions: dict[str, str]
    files: tuple[FileScore, ...]
    cold_start_seconds: float
    pages_per_s: float
    way: str
    peak_resident_mib: float
    drift_percent: float | None

    @property
    def total(self) -> Score:
        return total(file.score for file in self.files)

    @property
    def pages(self) -> int:
        return sum(file.pages for file in self.files)

    def by(self, key: Callable[[FileScore], str]) -> dict[str, Score]:
        groups = sorted({key(file) for file in self.files} - {""})
        return {group: total(file.score for file in self.files if key(file) == group) for group in groups}

    def figures(self) -> dict[str, object]:
        whole = self.total
        return {
            "cer_percent": round(whole.cer_percent, 3),
            "word_f1_percent": round(whole.words.f1_percent, 2),
            "box_f1_percent": None if whole.boxes is None else round(whole.boxes.f1_percent, 2),
            "seconds_a_page": round(sum(file.seconds for file in self.files) / self.pages, 3),
            "cpu_seconds_a_page": round(sum(file.cpu_seconds for file in self.files) / self.pages, 3),
            "pages_per_s": round(self.pages_per_s, 3),
            "cold_start_seconds": round(self.cold_start_seconds, 2),
            "peak_resident_mib": round(self.peak_resident_mib, 1),
            "drift_percent": None if self.drift_percent is None else round(self.drift_percent, 2),
        }


def measure(
    name: str, command: Sequence[str], cases: Sequence[Case], pages: Sequence[Sequence[Request]], at_least: int
) -> Measured:
    """Raises :class:`benchmarks.ocr_cases.NothingMeasured`."""
    with ReadingProcess(command) as process:
        versions = process.versions()
        first = process.read(pages[0][0])
        cold = process.seconds_since_start
        files = []
        for position, (case, requests) in enumerate(zip(cases, pages, strict=True)):
            known = [first] if position == 0 else []
            files.append(file_score(case, [*known, *(process.read(request) for request in requests[len(known) :])]))
        many = _repeated(pages, at_least)
        started = time.perf_counter()
        sizes = list(process.read_many(many))
        seconds = time.perf_counter() - started
        peak = process.peak_mib
    return Measured(name, versions, tuple(files), cold, len(many) / seconds, "at once", peak, drift(sizes))


def measure_peer(
    peer: Peer, python: Path, cases: Sequence[Case], pages: Sequence[Sequence[Request]], at_least: int
) -> Measured:
    """With its own defaults, and for pages a second also as one single-thread process a core."""
    own = replace(measure(peer.name, peer.command(python, 0), cases, pages, at_least), way="its defaults")
    split, peak = _in_processes(peer.command(python, 1), _repeated(pages, at_least))
    if split <= own.pages_per_s:
        return own
    way = f"{CORES} processes of one thread, {peak:.0f} MiB together"
    return replace(own, pages_per_s=split, way=way)


def file_score(case: Case, answers: Sequence[Answer]) -> FileScore:
    whole = score(case.text, PAGE_BREAK.join(answer.text for answer in answers))
    if case.words is not None and any(answer.words for answer in answers):
        found = (boxes_found(words, answer.words) for words, answer in zip(case.words, answers, strict=True))
        whole = replace(whole, boxes=sum(found, Found()))
    return FileScore(
        name=case.name,
        kind=case.kind,
        condition=case.condition,
        pages=len(answers),
        score=whole,
        seconds=round(sum(answer.seconds for answer in answers), 3),
        cpu_seconds=round(sum(answer.cpu_seconds for answer in answers), 3),
    )


def drift(sizes: Sequence[float]) -> float | None:
    """By how many percent the median of the last quarter is over that of the second one, behind the warm-up."""
    if len(sizes) < LEAST_FOR_DRIFT:
        return None
    quarter = len(sizes) // 4
    return 100 * (median(sizes[-quarter:]) / median(sizes[quarter : 2 * quarter]) - 1)


def _repeated(pages: Iterable[Sequence[Request]], at_least: int) -> list[Request]:
    """All pages, and over again until there are ``at_least`` so many."""
    once = list(chain.from_iterable(pages))
    return list(islice(cycle(once), max(at_least, len(once))))


def _in_processes(command: Sequence[str], requests: Sequence[Request]) -> tuple[float, float]:
    """Pages a second of a process a core, each with its share of the pages, and the memory of them together.

    What counts begins when each has read its first page: a worker is started once.
    """
    shares = [requests[core::CORES] for core in range(CORES) if requests[core::CORES]]
    with ThreadPoolExecutor(len(shares)) as pool:
        processes = [ReadingProcess(command) for _ in shares]
        try:
            for process in processes:
                process.__enter__()
            list(pool.map(lambda pair: pair[0].read(pair[1][0]), zip(processes, shares, strict=True)))
            started = time.perf_counter()
            list(pool.map(lambda pair: list(pair[0].read_many(pair[1])), zip(processes, shares, strict=True)))
            return len(requests) / (time.perf_counter() - started), sum(process.peak_mib for process in processes)
        finally:
            for process in processes:
                process.__exit__(None, None, None)
