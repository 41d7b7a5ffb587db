"""Whole jobs of every system that is there, ours among them, on the same server in turns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

from benchmarks.peers.child import Measured
from benchmarks.postgres_peers import MODULES, OURS, idle_statements, is_there, measure
from benchmarks.postgres_server import BenchmarkServer
from benchmarks.postgres_stages import Numbers

UPPER_BOUND = "memory"
"""The way of doing a job that keeps its results in the process only. It is printed and not compared with."""


def jobs(server: BenchmarkServer, tasks: int, rounds: int, repeat: int) -> Numbers:
    """Tasks a second of a job from its submission to the sum of its results, by system and way.

    ``jobs_ratio`` is our median beside that of the best way of the best peer that stores its results.
    """
    print(f"a job of {tasks:,} tasks, fan-out to fan-in, one process; tasks/s, best and median of {rounds * repeat}:")
    seconds: dict[str, dict[str, list[float]]] = {system: {} for system in _present()}
    versions: dict[str, Measured] = {}
    for _ in range(rounds):
        for system, known in seconds.items():
            found = versions[system] = measure(system, server.database(system), tasks=tasks, jobs=repeat)
            for way, times in found.jobs.items():
                known.setdefault(way, []).extend(times)
    numbers: Numbers = {"jobs_tasks": tasks}
    medians: dict[str, float] = {}
    for system, ways in seconds.items():
        print(f"  {system} {versions[system].version} ({versions[system].settings})")
        for way, times in ways.items():
            best, median = tasks / min(times), tasks / statistics.median(times)
            numbers |= {f"jobs_{system}_{way}_best": round(best), f"jobs_{system}_{way}": round(median)}
            print(f"    {way:<10} {best:>8,.0f} {median:>8,.0f}")
            if way != UPPER_BOUND:
                medians[system] = max(median, medians.get(system, 0.0))
    return numbers | _ratios(medians) | {f"version_{system}": versions[system].version for system in seconds}


def _ratios(medians: dict[str, float]) -> Numbers:
    ours = medians.pop(OURS, None)
    if ours is None or not medians:
        return {}
    ratios: Numbers = {f"jobs_ratio_{peer}": round(ours / median, 2) for peer, median in medians.items()}
    return ratios | {"jobs_ratio": round(ours / max(medians.values()), 2)}


def latency(server: BenchmarkServer, singles: int) -> Numbers:
    """Milliseconds from the submission of a job of one task until it is known to be done, by system and way."""
    print("a job of one task, from submission to done; median and p99 in ms:")
    numbers: Numbers = {}
    for system in _present():
        found = measure(system, server.database(system), singles=singles)
        print(f"  {system} {found.version} ({found.settings})")
        for way, times in found.singles.items():
            median, p99 = statistics.median(times) * 1e3, _quantile(times, 0.99) * 1e3
            numbers |= {f"latency_{system}_{way}_ms": round(median, 2), f"latency_{system}_{way}_p99_ms": round(p99, 2)}
            print(f"    {way:<10} {median:>8.2f} {p99:>8.2f}   of {len(times)}")
    return numbers


def idle(server: BenchmarkServer, seconds: float) -> Numbers:
    """Statements in ten seconds of a process that has nothing to do, by system."""
    if not server.counts_statements:
        print("idle: not measured, the server does not preload pg_stat_statements")
        return {}
    print(f"statements in 10 s of an idle process, over {seconds:.0f} s:")
    numbers: Numbers = {}
    for system in _present():
        found = idle_statements(system, server.database(system), seconds, partial(server.statements_of, system))
        numbers[f"idle_{system}"] = round(found, 1)
        print(f"    {system:<14} {found:>8.1f}")
    return numbers


def _present() -> Iterator[str]:
    for system in MODULES:
        if is_there(system):
            yield system
        else:
            print(f"  {system}: not measured, it is not installed")


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
