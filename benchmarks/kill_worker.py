"""What SIGKILL costs a long task: a document of many pages, read by workers that are killed in the middle of it.

``python -m benchmarks.kill_worker``. Real processes on a real stack (embedded PostgreSQL, the Service Bus emulator,
Azurite, the Functions host), with an engine that reads the number of a page from its picture and keeps count. A worker,
or the process that its task runs in, is killed at a random moment of a task, no more than twice a task; a new worker is
begun at once. Afterwards the blobs of every job are compared with those of a job that nobody disturbed, byte for byte,
and the tables are looked at. With ``--engine paddle`` the real engine reads, and the pages are scanned letters.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from benchmarks.kill_worker_run import Disturbed, Kill, KillPlan, Run
from benchmarks.kill_worker_truth import (
    COMPLETED,
    AttemptRow,
    KilledAttempt,
    attempts,
    faults,
    reclaim_seconds,
    statuses,
)
from benchmarks.report import Goal, at_least, finish, parser
from benchmarks.stack_client import StackFailed
from docker_worker.ocr.cores import page_threads
from local.errors import LocalError

UNMEASURED = 2
READING = 2
"""The stage whose tasks are killed."""

SHOWN_FAULTS = 20
LAST_KILLS = 8
"""How many more there may be than asked for of a stack: each worker may be killed once more when they are enough."""

KILLS_A_STACK = 100
"""A new stack then: Azurite writes its whole list of blobs every few seconds, and took most of the machine at 400."""

PATIENCE, SECONDS_A_PAGE = 300.0, 10.0
"""Of a job that makes no end: the real engine takes some seconds a page of a busy machine."""

LATE = 1.0
"""Leases: by then a task is claimed again whose worker was killed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of one stack's jobs. ``again`` has the seconds until a task was claimed again, by whom was killed.

    ``over`` counts the jobs of which more pages were read again than attempts were lost, times the pages that are read
    at once.
    """

    kills: int
    kills_of_worker: int
    jobs: int
    redone: int
    over: int
    attempts: int
    lost: int
    faults: int
    survivors: int
    seconds: float
    again: Mapping[str, Sequence[float]]


def judge(found: Disturbed) -> Judged:
    jobs = list(found.blobs)
    rows = attempts(found.settings, jobs, READING)
    wrong = list(faults(found.reference, found.blobs, statuses(found.settings, jobs), rows))
    for line in wrong[:SHOWN_FAULTS]:
        print(line, file=sys.stderr)
    ended = Counter(row.job_id for row in rows if row.outcome != COMPLETED)
    redone = {job: found.reads[job] - found.reads_of_undisturbed for job in jobs}
    return Judged(
        kills=len(found.kills),
        kills_of_worker=sum(kill.victim == "worker" for kill in found.kills),
        jobs=len(jobs),
        redone=sum(redone.values()),
        over=sum(redone[job] > ended[job] * pages_at_once(found.plan) for job in jobs),
        attempts=len(rows),
        lost=ended.total(),
        faults=len(wrong),
        survivors=found.survivors,
        seconds=found.seconds,
        again={victim: _reclaimed(rows, found.kills, victim) for victim in ("worker", "child")},
    )


def pages_at_once(plan: KillPlan) -> int:
    return page_threads() if plan.engine == "paddle" else 1


def rounds(plan: KillPlan) -> Iterator[KillPlan]:
    """The plan in parts of :data:`KILLS_A_STACK`, each with a seed of its own."""
    for number, begun in enumerate(range(0, plan.kills, KILLS_A_STACK)):
        yield replace(plan, kills=min(KILLS_A_STACK, plan.kills - begun), seed=plan.seed + number * plan.workers)


def in_all(judged: Sequence[Judged], plan: KillPlan) -> dict[str, object]:
    again = {victim: sorted(chain.from_iterable(one.again[victim] for one in judged)) for victim in ("worker", "child")}
    kills, redone, jobs = (sum(getattr(one, name) for one in judged) for name in ("kills", "redone", "jobs"))
    return {
        "stacks": len(judged),
        "kills": kills,
        "kills_of_worker": sum(one.kills_of_worker for one in judged),
        "jobs": jobs,
        "pages": jobs * plan.pages,
        "pages_redone": redone,
        "pages_redone_a_kill": round(redone / max(1, kills), 3),
        "jobs_with_more_redone_than_lost": sum(one.over for one in judged),
        "attempts": sum(one.attempts for one in judged),
        "attempts_lost": sum(one.lost for one in judged),
        "faults": sum(one.faults for one in judged),
        "children_left": sum(one.survivors for one in judged),
        "lease_seconds": plan.lease,
        "reclaim_worker_seconds_median": _at(again["worker"], 0.5),
        "reclaim_worker_seconds_max": _at(again["worker"], 1.0),
        "reclaim_worker_leases_max": round(_at(again["worker"], 1.0) / plan.lease, 3),
        "reclaim_child_seconds_median": _at(again["child"], 0.5),
        "reclaim_child_seconds_max": _at(again["child"], 1.0),
        "seconds": round(sum(one.seconds for one in judged), 1),
    }


def goals(kills: int) -> Sequence[Goal]:
    return (
        Goal("kills", ">=", kills),
        Goal("faults", "<=", 0),
        Goal("jobs_with_more_redone_than_lost", "<=", 0),
        Goal("attempts_lost", "<=", kills + LAST_KILLS * -(-kills // KILLS_A_STACK)),
        Goal("children_left", "<=", 0),
        Goal("reclaim_worker_leases_max", "<=", LATE, "leases"),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    plan = KillPlan(
        chosen.kills,
        chosen.pages,
        chosen.workers,
        chosen.lease,
        chosen.seed,
        chosen.engine,
        chosen.kills_a_task,
        chosen.within,
        PATIENCE + SECONDS_A_PAGE * chosen.pages,
    )
    print(f"seed {plan.seed}: {plan.kills} kills of {plan.workers} workers, leases of {plan.lease:g} s", flush=True)
    try:
        measured = in_all([Run(part).disturb(judge) for part in rounds(plan)], plan)
    except (LocalError, StackFailed) as error:
        print(error, file=sys.stderr)
        return UNMEASURED
    print(
        "{kills} kills in tasks ({kills_of_worker} of workers) over {jobs} jobs, {pages} pages, in {seconds} s: "
        "{faults} faults, {attempts_lost} attempts lost, {pages_redone} pages redone, {pages_redone_a_kill} a kill; "
        "{jobs_with_more_redone_than_lost} jobs with more than were under way; {children_left} processes left".format(
            **measured
        )
    )
    print(
        "claimed again after a worker's end: median {reclaim_worker_seconds_median} s, at most "
        "{reclaim_worker_seconds_max} s, which is {reclaim_worker_leases_max} leases; after its child's: median "
        "{reclaim_child_seconds_median} s, at most {reclaim_child_seconds_max} s".format(**measured)
    )
    return finish(chosen, {"python": platform.python_version(), "seed": plan.seed, **measured}, goals(plan.kills))


def _reclaimed(rows: Sequence[AttemptRow], kills: Sequence[Kill], victim: str) -> list[float]:
    killed = [KilledAttempt(kill.job_id, kill.attempt, kill.at) for kill in kills if kill.victim == victim]
    return sorted(reclaim_seconds(rows, killed))


def _at(ordered: Sequence[float], share: float) -> float:
    return round(ordered[round((len(ordered) - 1) * share)], 3) if ordered else 0.0


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--kills", type=at_least(1), default=1_000, help="that hit a running task")
    options.add_argument("--pages", type=at_least(2), default=50, help="of each document, which one task reads")
    options.add_argument("--workers", type=at_least(1), default=3, help="at the same queue, of which one is idle")
    options.add_argument("--lease", type=float, default=3.0, help="seconds that a lease lasts")
    options.add_argument("--seed", type=int, default=1, help="of the moments and of the victims")
    options.add_argument("--engine", choices=["test", "paddle"], default="test", help="that reads the pages")
    options.add_argument("--kills-a-task", type=at_least(1), default=2, help="at most")
    options.add_argument("--within", type=float, default=1.0, help="seconds of its being seen, at most")
    return options


if __name__ == "__main__":
    sys.exit(main())
