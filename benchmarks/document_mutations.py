"""Hostile documents: mutations of valid files of every format, and bombs.

``--count`` mutations are opened and decoded, each in a child process that may map a gigabyte more than it has and
has ten seconds: what is counted is how each ended, and what must not be there is a crash, a hang, an error that is
none of ours, and memory that ran out. ``--case N`` repeats one. ``--bombs`` opens files that are small and want to
be large, and holds each to 50 ms (of CPU time, which is all of it on a machine that does nothing else) and 100 MB.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import report
from benchmarks.document_bombs import BOMBS
from benchmarks.document_mutations_files import valid_files
from benchmarks.document_mutations_run import MEMORY_MB, Nursery, Result

GOALS = [
    report.Goal("crashes", "<=", 0),
    report.Goal("hangs", "<=", 0),
    report.Goal("errors_of_others", "<=", 0),
    report.Goal("out_of_memory", "<=", 0),
    report.Goal("slowest_seconds", "<=", 10, "s"),
]
BOMB_GOALS = [
    report.Goal("failures", "<=", 0),
    report.Goal("slowest_ms", "<=", 50, "ms"),
    report.Goal("most_mb", "<=", 100, "MB"),
]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if options.bombs:
        measured, goals = _run_bombs(), BOMB_GOALS
    else:
        cases = [options.case] if options.case is not None else range(options.first, options.first + options.count)
        measured, goals = _run_mutations(cases, options.seed), GOALS
    return report.finish(options, measured, goals)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = report.parser(__doc__ or "")
    parser.add_argument("--count", type=report.at_least(1), default=10_000)
    parser.add_argument("--first", type=report.at_least(0), default=0, help="the first case's number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=report.at_least(0), help="this case alone")
    parser.add_argument("--bombs", action="store_true")
    return parser.parse_args(arguments)


def mutations(cases: Sequence[int], seed: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((f"--seed {seed} --case {case}", {"case": case, "seed": seed}) for case in cases)


def _run_mutations(cases: Sequence[int], seed: int) -> Mapping[str, object]:
    results: list[Result] = []
    started = time.perf_counter()
    with Nursery() as nursery:
        for result in nursery.results(mutations(cases, seed)):
            results.append(result)
            if result.is_failure:
                print(f"{result.case}: {result.name}: {result.outcome}", flush=True)
            if len(results) % 1_000 == 0:
                print(f"{len(results)} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return _told(results)


def _told(results: Sequence[Result]) -> Mapping[str, object]:
    names = sorted({name.partition("-")[0] for name in valid_files()})
    outcomes = Counter(result.outcome.partition(":")[0] for result in results)
    print(f"{'':24}" + "".join(f"{name:>7}" for name in names))
    for outcome, count in outcomes.most_common():
        found = Counter(r.name.partition("-")[0] for r in results if r.outcome.partition(":")[0] == outcome)
        print(f"{outcome:24}" + "".join(f"{found[name]:7}" for name in names) + f"{count:8}")
    print(f"the slowest, of {MEMORY_MB} MB that each may take:")
    for result in sorted(results, key=lambda r: -r.seconds)[:5]:
        print(f"  {result.seconds:7.2f} s  {result.grown_mb:6.0f} MB  {result.outcome:20} {result.name} {result.case}")
    print("the largest:")
    for result in sorted(results, key=lambda r: -r.grown_mb)[:5]:
        print(f"  {result.seconds:7.2f} s  {result.grown_mb:6.0f} MB  {result.outcome:20} {result.name} {result.case}")
    return {
        "documents": len(results),
        "crashes": outcomes["crashed"],
        "hangs": outcomes["hung"],
        "errors_of_others": outcomes["broken"],
        "out_of_memory": outcomes["memory"],
        "slowest_seconds": round(max(result.seconds for result in results), 3),
        "peak_mb": round(max(result.peak_mb for result in results)),
    }


def _run_bombs() -> Mapping[str, object]:
    with Nursery() as nursery:
        results = list(nursery.results((name, {"bomb": name}) for name in BOMBS))
    print(f"{'':52}{'size':>13}{'time':>12}{'CPU':>12}{'memory':>11}")
    for result in results:
        cost = f"{1000 * result.seconds:8.1f} ms {1000 * result.cpu_seconds:8.1f} ms {result.grown_mb:7.1f} MB"
        print(f"{result.case:52}{result.bytes / 1000:10.1f} KB {cost}  {result.outcome}")
    return {
        "failures": sum(result.is_failure for result in results),
        "slowest_ms": round(1000 * max(result.cpu_seconds for result in results), 1),
        "most_mb": round(max(result.grown_mb for result in results), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
