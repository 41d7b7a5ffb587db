"""The whole stack on this machine, over HTTP: what a kill costs, how long a job takes, how many, and in what memory.

``python -m benchmarks.stack``. The parts are processes as ``python -m local up`` starts them: embedded PostgreSQL, the
Service Bus emulator, Azurite, the Functions host and the worker. Without a choice of parts all are measured.

``--kill``: documents of one to three pages are uploaded and read by the test engine while each part is killed with
SIGKILL and comes back; then the tables and the blobs are looked at, past everything that reports on them. All
documents are to be finished, and nothing done twice. ``--latency``: a job of one task in one stage, from the call that
submits it to its end, one at a time. ``--throughput``: hello_world with a thousand greetings, and each part's share of
the CPU. ``--memory``: the resident set of the host's process during ten thousand jobs.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import stack_kill, stack_latency, stack_load
from benchmarks.report import Goal, at_least, finish, parser
from benchmarks.stack_client import StackFailed
from local.errors import LocalError

Numbers = dict[str, object]
UNMEASURED = 2
SHOWN_FAULTS = 20


def _kill(chosen: argparse.Namespace) -> Numbers:
    plan = stack_kill.KillPlan(chosen.documents, chosen.times, chosen.seed, chosen.patience)
    print(f"seed {plan.seed}: {plan.documents} documents, each part killed {plan.times} times", flush=True)
    report = stack_kill.run(plan)
    for fault in report.faults[:SHOWN_FAULTS]:
        print(fault, file=sys.stderr)
    measured = report.measured()
    print(
        "{kill_finished} of {kill_documents} documents finished in {kill_seconds} s, {kill_pages} pages; {kill_tasks} "
        "tasks took {kill_attempts} attempts; {kill_faults} faults, {kill_dead_letters} dead letters".format(**measured)
    )
    return {"kill_seed": plan.seed, **measured}


def _latency(chosen: argparse.Namespace) -> Numbers:
    found = stack_latency.latency(chosen.jobs)
    print(
        "one task, submit to completed, of {latency_jobs} jobs: median {latency_ms} ms, 99th {latency_p99_ms} ms by "
        "the events; median {latency_seen_ms} ms, 99th {latency_seen_p99_ms} ms by the clock of who asks".format(
            **found
        )
    )
    for step, milliseconds in found["latency_steps_ms"].items():  # type: ignore[attr-defined]
        print(f"  {step:42} {milliseconds:>7} ms")
    return found


def _throughput(chosen: argparse.Namespace) -> Numbers:
    found = stack_load.throughput(chosen.greetings, chosen.rounds)
    print(
        "hello_world with {throughput_n} greetings: {throughput_per_s} tasks/s (the best of {throughput_rounds}, "
        "median {throughput_per_s_median}); CPU seconds of the median's run: {throughput_cpu}".format(**found)
    )
    return found


def _memory(chosen: argparse.Namespace) -> Numbers:
    found = stack_load.memory(chosen.many)
    print(
        "host's memory over {memory_jobs} jobs at {memory_jobs_per_s}/s: {memory_samples_mb} MB; from the third to the "
        "last fifth {memory_growth_mb} MB more, {memory_slope_mb} MB a thousand jobs".format(**found)
    )
    return found


PARTS: Mapping[str, Callable[[argparse.Namespace], Numbers]] = {
    "kill": _kill,
    "latency": _latency,
    "throughput": _throughput,
    "memory": _memory,
}


def goals(part: str, chosen: argparse.Namespace) -> Sequence[Goal]:
    match part:
        case "kill":
            return (
                Goal("kill_finished", ">=", chosen.documents, "documents"),
                Goal("kill_faults", "<=", 0),
                Goal("kills", ">=", 5 * chosen.times),
                Goal("kill_parts", ">=", 5),
            )
        case "latency":
            return (Goal("latency_ms", "<=", 50.0, "ms"),)
        case "memory":
            return (Goal("memory_growth_mb", "<=", stack_load.FLAT_MB, "MB"),)
        case _:
            return ()


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    parts = [name for name in PARTS if getattr(chosen, name)] or list(PARTS)
    measured: Numbers = {"python": platform.python_version()}
    try:
        for part in parts:
            measured |= PARTS[part](chosen)
            sys.stdout.flush()
    except (LocalError, StackFailed) as error:
        print(error, file=sys.stderr)
        return UNMEASURED
    return finish(chosen, measured, [goal for part in parts for goal in goals(part, chosen)])


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    for name in PARTS:
        options.add_argument(f"--{name}", action="store_true", help="this part; may be given with others")
    options.add_argument("--documents", type=at_least(5), default=200, help="that are read while parts are killed")
    options.add_argument("--times", type=at_least(1), default=1, help="that each part is killed")
    options.add_argument("--seed", type=int, default=1, help="of the documents and of the order of the kills")
    options.add_argument("--patience", type=float, default=720.0, help="seconds without progress before it is judged")
    options.add_argument("--jobs", type=at_least(2), default=300, help="whose latency is measured")
    options.add_argument("--greetings", type=at_least(1), default=1_000, help="of the job whose tasks are counted")
    options.add_argument("--rounds", type=at_least(1), default=3, help="of it")
    options.add_argument("--many", type=at_least(50), default=10_000, help="jobs that the memory is watched over")
    return options


if __name__ == "__main__":
    sys.exit(main())
