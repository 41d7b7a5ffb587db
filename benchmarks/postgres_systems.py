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

OUR_WAY = "bus_inside"

Rates = dict[tuple[str, str], float]
"""Tasks a second by system and way."""


def jobs(server: BenchmarkServer, tasks: int, rounds: int, repeat: int) -> Numbers:
    """Tasks a second of a job from its submission to the sum of its results, by system and way; medians count. The
    systems take turns, forwards and backwards.

    ``jobs_ratio`` is our median beside that of the best way of the best peer that stores its results: with our bus in
    the worker's process, and ``jobs_ratio_bus_outside`` with the bus in another one.
    """
    print(f"a job of {tasks:,} tasks, fan-out to fan-in, one process a system; tasks/s, median and best:")
    seconds: dict[str, dict[str, list[float]]] = {system: {} for system in _present()}
    systems: dict[str, Measured] = {}
    for number in range(rounds):
        for system in list(seconds)[:: -1 if number % 2 else 1]:
            found = systems[system] = measure(system, server.database(system), tasks=tasks, jobs=repeat)
            for way, times in found.jobs.items():
                seconds[system].setdefault(way, []).extend(times)
    numbers: Numbers = {"jobs_tasks": tasks, "jobs_repeats": rounds * repeat}
    rates: Rates = {}
    for system, ways in seconds.items():
        print(f"  {system} {systems[system].version} ({systems[system].settings})")
        for way, times in ways.items():
            rates[system, way] = tasks / statistics.median(times)
            numbers |= {f"jobs_{system}_{way}": round(rates[system, way])}
            numbers |= {f"jobs_{system}_{way}_best": round(tasks / min(times))}
            remark = "  not compared with: results in the process only" if way == UPPER_BOUND else ""
            print(f"    {way:<12} {rates[system, way]:>8,.0f} {tasks / min(times):>8,.0f}{remark}")
    numbers |= {f"version_{system}": found.version for system, found in systems.items()}
    numbers |= {f"settings_{system}": found.settings for system, found in systems.items()}
    return numbers | ratios(rates)


def ratios(rates: Rates) -> Numbers:
    """Our ways beside the best way of each peer, and of all, that stores its results. Nothing without a peer."""
    peers: dict[str, float] = {}
    for (system, way), rate in rates.items():
        if system != OURS and way != UPPER_BOUND:
            peers[system] = max(rate, peers.get(system, 0.0))
    if not peers or (OURS, OUR_WAY) not in rates:
        return {}
    found: Numbers = {f"jobs_ratio_{peer}": round(rates[OURS, OUR_WAY] / rate, 2) for peer, rate in peers.items()}
    best = max(peers.values())
    found |= {f"jobs_ratio_{way}": round(rates[system, way] / best, 2) for system, way in rates if system == OURS}
    return found | {"jobs_ratio": found[f"jobs_ratio_{OUR_WAY}"]}


def latency(server: BenchmarkServer, singles: int) -> Numbers:
    """Milliseconds from the submission of a job of one task until it is known to be done, by system and way."""
    print("a job of one task, from submission to its result, by who submitted it; median and p99 in ms:")
    numbers: Numbers = {}
    for system in _present():
        found = measure(system, server.database(system), singles=singles)
        print(f"  {system} {found.version} ({found.settings})")
        for way, times in found.singles.items():
            median, p99 = statistics.median(times) * 1e3, _quantile(times, 0.99) * 1e3
            numbers |= {f"latency_{system}_{way}_ms": round(median, 2), f"latency_{system}_{way}_p99_ms": round(p99, 2)}
            print(f"    {way:<12} {median:>8.2f} {p99:>8.2f}   of {len(times)}")
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
