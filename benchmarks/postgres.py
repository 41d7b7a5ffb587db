"""The engine on PostgreSQL: what its transitions cost, and whole jobs beside other systems on the same server.

``python -m benchmarks.postgres``. Everything runs in one go on one server with ``fsync`` on: that of ``DATABASE_URL``,
or an embedded one. Each system has a database and, for whole jobs, one process of its own. What is compared takes turns
and is repeated equally often; medians count. ``--only`` runs some of the parts, ``--quick`` small ones.

The engine's messages go through a bus in memory, in the worker's process and, as a second line, in one of its own; the
queue of the other systems is their table. What both must remember of a job is in PostgreSQL when a time is taken.

The exit code is 1 where ``--check`` finds a goal missed, and 2 where there is nothing to measure on.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Mapping, Sequence

import psycopg

from benchmarks import postgres_retention, postgres_stages, postgres_systems
from benchmarks.postgres_peers import SystemFailed
from benchmarks.postgres_server import BenchmarkServer, ServerUnusable, benchmark_server
from benchmarks.postgres_stages import Numbers
from benchmarks.report import Goal, finish, parser
from core.errors import TransientError

BUS = "in memory, in the worker's process or in one of its own; the queue of the other systems is their table"

UNMEASURED = 2

Part = Callable[[BenchmarkServer, argparse.Namespace], Numbers]


def _create(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    found = postgres_stages.create(server, _tasks(chosen))
    told = "{create_tasks:,} tasks with outbox rows, median of {create_repeats}: {create_ms} ms (best {create_ms_best})"
    print(told.format(**found))
    return found


def _end(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    found = postgres_stages.end_stage(server, _tasks(chosen), 1 if chosen.quick else postgres_stages.REPEAT)
    told = (
        "a stage of {end_tasks:,} tasks ended by {end_clients} clients, tasks/s, medians of {end_repeats} turns each:"
    )
    print(told.format(**found))
    print("  advisory lock and COUNT(*)   {end_per_s_baseline:>8,}".format(**found))
    print("  one by one                   {end_per_s:>8,}, {end_ratio} times as many".format(**found))
    print("  in batches of 100            {end_per_s_batched:>8,}, {end_ratio_batched} times as many".format(**found))
    return found


def _growth(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    sizes = postgres_stages.SIZES[:-1] if chosen.quick else postgres_stages.SIZES
    found = postgres_stages.growth(server, sizes)
    print(f"a task created, published, claimed and ended, the best of {postgres_stages.REPEAT} turns, in a stage of")
    for size in sizes:
        print(f"  {size:>7,} tasks: {found[f'us_per_task_{size}']} us")
    print("  the dearest beside the smallest: {growth}".format(**found))
    return found


def _retention(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    found = postgres_retention.retention(server, 60_000 if chosen.quick else 1_000_000)
    print("  the end beside the first fifth: {retention_growth}".format(**found))
    return found


def _jobs(server: BenchmarkServer, chosen: argparse.Namespace) -> Numbers:
    rounds, jobs = (1, 1) if chosen.quick else (2, 2)
    found = postgres_systems.jobs(server, 200 if chosen.quick else 1_000, rounds, jobs)
    for way, told in (("bus_inside", "its bus in the process"), ("bus_outside", "its bus in another process")):
        if f"jobs_ratio_{way}" in found:
            print(f"  coremachine with {told}: {found[f'jobs_ratio_{way}']} times the best that stores its results")
    return found


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
    "jobs": (
        Goal("jobs_ratio", ">", 1.0, "times the best peer that stores its results"),
        Goal("jobs_ratio_bus_outside", ">", 1.0, "times the same, with the bus in another process"),
    ),
    "idle": (Goal("idle_coremachine", "<=", 1.0, "statements in 10 s"),),
    "retention": (
        Goal("retention_growth", "<=", 2.5, "times the size after the first fifth"),
        Goal("retention_late_growth", "<=", 1.25, "times the size after the half"),
    ),
}


def _tasks(chosen: argparse.Namespace) -> int:
    return 2_000 if chosen.quick else 10_000


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--only", action="append", choices=list(PARTS), help="this part; may be given again")
    options.add_argument("--quick", action="store_true", help="small numbers, to see that it runs; goals mean little")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    parts = chosen.only or list(PARTS)
    try:
        measured = _measured(parts, chosen)
    except (ServerUnusable, SystemFailed) as error:
        print(error, file=sys.stderr)
        return UNMEASURED
    except (TransientError, psycopg.OperationalError) as error:
        print(f"stopped in the midst of it: {str(error).strip()}", file=sys.stderr)
        return UNMEASURED
    return finish(chosen, measured, [goal for part in parts for goal in GOALS.get(part, ())])


def _measured(parts: Sequence[str], chosen: argparse.Namespace) -> Numbers:
    measured: Numbers = {"python": platform.python_version(), "bus": BUS}
    with benchmark_server() as server:
        measured |= {"server": server.kind, "settings": server.settings()}
        print(f"{server.kind} server: " + ", ".join(f"{name} {value}" for name, value in server.settings().items()))
        print(f"the bus: {BUS}")
        for part in parts:
            measured |= PARTS[part](server, chosen)
            sys.stdout.flush()
    return measured


if __name__ == "__main__":
    sys.exit(main())
