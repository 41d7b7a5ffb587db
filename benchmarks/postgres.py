"""The engine on PostgreSQL: what its transitions cost, and whole jobs beside other systems on the same server.

``python -m benchmarks.postgres``. Everything runs in one go on one server with ``fsync`` on: that of ``DATABASE_URL``,
or an embedded one. Each system has a database and, for whole jobs, one process of its own; they take turns, and of
each the best and the median are printed. ``--only`` runs some of the parts, ``--quick`` small ones, ``--full`` the
million tasks of retention.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import postgres_stages, postgres_systems
from benchmarks.postgres_server import BenchmarkServer, benchmark_server
from benchmarks.postgres_stages import Numbers
from benchmarks.report import Goal, finish, parser

Part = Callable[[BenchmarkServer, argparse.Namespace], Numbers]


def _create(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    found = postgres_stages.create(server, _tasks(chosen))
    print("{create_tasks:,} tasks with outbox rows: {create_ms} ms (median {create_ms_median})".format(**found))
    return found


def _end(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    found = postgres_stages.end_stage(server, _tasks(chosen))
    print("a stage of {end_tasks:,} tasks ended by {end_clients} clients, tasks/s:".format(**found))
    print("  advisory lock and COUNT(*)   {end_per_s_baseline:>8,}".format(**found))
    print("  one by one                   {end_per_s:>8,}, {end_ratio} times as many".format(**found))
    print("  in batches of 100            {end_per_s_batched:>8,}, {end_ratio_batched} times as many".format(**found))
    return found


def _growth(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    sizes = postgres_stages.SIZES[:-1] if chosen.quick else postgres_stages.SIZES
    found = postgres_stages.growth(server, sizes)
    print("a task claimed and ended, in a stage of")
    for size in sizes:
        print(f"  {size:>7,} tasks: {found[f'us_per_task_{size}']} us")
    print("  the dearest beside the smallest: {growth}".format(**found))
    return found


def _retention(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    tasks = 1_000_000 if chosen.full else 50_000 if chosen.quick else 200_000
    print(f"the database while {tasks:,} tasks come and go, of which two jobs of 10,000 are kept:")
    return postgres_stages.retention(server, tasks)


def _jobs(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    rounds, jobs = (1, 1) if chosen.quick else (2, 2)
    return postgres_systems.jobs(server, 200 if chosen.quick else 1_000, rounds, jobs)


def _latency(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    return postgres_systems.latency(server, 40 if chosen.quick else 300)


def _idle(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    return postgres_systems.idle(server, 5.0 if chosen.quick else 20.0)


PARTS: Mapping[str, Part] = {
    "create": _create,
    "end": _end,
    "growth": _growth,
    "jobs": _jobs,
    "latency": _latency,
    "idle": _idle,
    "retention": _retention,
}

GOALS: Mapping[str, tuple[Goal, ...]] = {
    "create": (Goal("create_ms", "<=", 100.0, "ms"),),
    "end": (Goal("end_ratio", ">=", 10.0, "times"), Goal("end_ratio_batched", ">=", 60.0, "times")),
    "growth": (Goal("growth", "<=", 1.2, "times"),),
    "jobs": (Goal("jobs_ratio", ">=", 1.0, "times the best peer"),),
    "idle": (Goal("idle_coremachine", "<=", 1.0, "statements in 10 s"),),
}


def _tasks(chosen: argparse.Namespace) -> int:
    return 2_000 if chosen.quick else 10_000


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--only", action="append", choices=list(PARTS), help="this part; may be given again")
    options.add_argument("--quick", action="store_true", help="small numbers, to see that it runs; goals mean little")
    options.add_argument("--full", action="store_true", help="retention over a million tasks, which takes minutes")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    parts = chosen.only or list(PARTS)
    measured: Numbers = {"python": platform.python_version()}
    with benchmark_server() as server:
        measured |= {"server": server.kind, "settings": server.settings()}
        print(f"{server.kind} server: " + ", ".join(f"{name} {value}" for name, value in server.settings().items()))
        for part in parts:
            measured |= PARTS[part](server, chosen)
            sys.stdout.flush()
    return finish(chosen, measured, [goal for part in parts for goal in GOALS.get(part, ())])


if __name__ == "__main__":
    sys.exit(main())
