"""Worker processes killed at any instant, PostgreSQL crashed every few seconds: what is lost, what is done twice?

``python -m benchmarks.chaos``. Jobs of several stages run on real worker processes, an embedded PostgreSQL with fsync
on, and a bus that loses, doubles and delays messages. Workers are killed with SIGKILL, paused with SIGSTOP until others
have their tasks, and asked to end; the server is killed, or crashed with SIGQUIT, and recovers. For the system, time
runs twenty times as fast as for us, so that its leases and pauses are as long as in production. In the end each job's
answer is looked at, each task's attempts, and each call of a handler, of which there is a log outside any transaction.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from benchmarks.chaos_report import Plan, Report
from benchmarks.chaos_run import run
from benchmarks.report import Goal, at_least, finish, parser

SHOWN_FAULTS = 20

USUAL = Plan()

NOTHING = ("lost", "duplicated", "runs_not_ended", "other_faults", "ended_by_themselves")


def goals_of(plan: Plan) -> list[Goal]:
    nothing = [Goal(name, "<=", 0) for name in NOTHING]
    return [*nothing, Goal("kills", ">=", plan.kills), Goal("restarts", ">=", plan.restarts)]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__ or "")
    options.add_argument("--kills", type=at_least(0), default=USUAL.kills)
    options.add_argument("--restarts", type=at_least(0), default=USUAL.restarts)
    options.add_argument("--pauses", type=at_least(0), default=USUAL.pauses)
    options.add_argument("--seed", type=int, default=USUAL.seed, help="of the choices; the instants are the machine's")
    options.add_argument("--workers", type=at_least(1), default=USUAL.workers)
    options.add_argument("--pace", type=float, default=USUAL.pace, help="seconds between two kills, on average")
    options.add_argument(
        "--patience", type=float, default=USUAL.patience, help="seconds in which it is to come to rest"
    )
    chosen = options.parse_args(arguments)
    plan = Plan(
        kills=chosen.kills,
        restarts=chosen.restarts,
        pauses=chosen.pauses,
        seed=chosen.seed,
        workers=chosen.workers,
        pace=chosen.pace,
        patience=chosen.patience,
    )
    logging.disable(logging.WARNING)  # connections that break are no news here
    print(f"seed {plan.seed}: about {plan.seconds / 60:.0f} minutes", flush=True)
    report = run(plan, lambda line: print(line, flush=True))
    _print(report)
    return finish(chosen, report.measured(), goals_of(plan))


def _print(report: Report) -> None:
    for name, value in report.measured().items():
        print(f"{name.replace('_', ' '):25} {value}")
    for fault in report.faults[:SHOWN_FAULTS]:
        print(f"{fault.kind}: {fault.subject}: {fault.what}", file=sys.stderr)
    print("\n\n".join(report.evidence), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
