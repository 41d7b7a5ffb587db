"""Runs in all states, and every call that may meet another on one of their rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from core.decisions import FailFinally
from core.model import Claimed, FailurePolicy, Lease, LeaseExpired
from core.ports import AttemptEnd, ClaimRequest, StateStore
from testing.contracts.scenario import BROKEN, DONE, FOREVER, JOB_TYPE, LEASE, TASK_TYPE, WORKER, Scenario, at, new_job
from testing.contracts.state_runs import again, replay
from tests.support.stepped import Arena

ORDER: Mapping[str, str] = {
    "jobs": "job_id",
    "runs": "run_key",
    "tasks": "run_key, stage, name",
    "stage_shards": "run_key, stage, shard",
    "stages": "run_key, number",
    "outbox": "row_id",
}
"""Tables and their keys, in the order in which everyone takes them."""


class Scene:
    """Runs in all states. In two of them the first task runs, the second waits for its second attempt, the third for
    its first, and the others run; nothing is published.
    """

    def __init__(self, store: StateStore) -> None:
        names = [f"t{number:02}" for number in range(16)]
        self.one = Scenario.started(store, *names, budget=5)
        self.other = Scenario.started(store, *names, content="b", policy=FailurePolicy.TOLERATE)
        self.paused = Scenario.started(store, "x", "y", content="c")
        self.gone, self.queued = Scenario.started(store, "x", content="d"), Scenario.submitted(store, "e")
        for run in (self.one, self.other):
            run.requeue(run.claim(names[1]), charged=False)
        running = [run.task_id(name) for run in (self.one, self.other) for name in (names[0], *names[3:])]
        claims = store.claim_tasks([ClaimRequest(task_id, 1, WORKER, LEASE, at(1)) for task_id in running])
        self.leases = [claim.lease for claim in claims if isinstance(claim, Claimed)]
        self.paused.pause()
        self.gone.finish()
        unpublished = store.unpublished(100, at(FOREVER))
        self.row_ids = [row.row_id for row in unpublished]
        self.first_ids = [row.row_id for row in unpublished if row.message.message_id.endswith(":1")]

    def shuffled(self) -> list[AttemptEnd]:
        ends = [AttemptEnd(lease, DONE, None, at(5)) for lease in self.leases]
        random.Random(7).shuffle(ends)
        return ends

    def requests(self) -> list[ClaimRequest]:
        waiting = [run.task_id(name) for run in (self.other, self.one) for name in ("t02", "t01")]
        return [ClaimRequest(task_id, 1 + (task_id[-1] == "1"), WORKER, LEASE, at(5)) for task_id in waiting]


def _lost(lease: Lease) -> LeaseExpired:
    return LeaseExpired(lease, JOB_TYPE, TASK_TYPE, 0, False)


Call = Callable[[StateStore, Scene], object]

CALLS: Mapping[str, Call] = {
    "submit_job": lambda store, scene: store.submit_job(new_job("f"), at(5)),
    "open_stage": lambda store, scene: Scenario(store, scene.queued.job).open(1, "x"),
    "claim_task": lambda store, scene: Scenario(store, scene.one.job).claim("t01", 2),
    "claim_tasks": lambda store, scene: store.claim_tasks(scene.requests()),
    "park_task": lambda store, scene: Scenario(store, scene.paused.job).park("x"),
    "complete": lambda store, scene: store.finish_attempt(scene.leases[0], DONE, None, at(5)),
    "complete_many": lambda store, scene: store.finish_attempts(scene.shuffled()),
    "fail_fast": lambda store, scene: Scenario(store, scene.one.job).fail(scene.leases[7]),
    "fail": lambda store, scene: Scenario(store, scene.other.job).fail(scene.leases[-7]),
    "requeue": lambda store, scene: Scenario(store, scene.one.job).requeue(scene.leases[0], charged=False),
    "retry": lambda store, scene: Scenario(store, scene.one.job).requeue(scene.leases[0]),
    "end_lost": lambda store, scene: Scenario(store, scene.one.job).end_lost(_lost(scene.leases[0])),
    "fail_lost": lambda store, scene: Scenario(store, scene.one.job).end_lost(
        _lost(scene.leases[7]), FailFinally(BROKEN)
    ),
    "tolerate_lost": lambda store, scene: Scenario(store, scene.other.job).end_lost(
        _lost(scene.leases[-7]), FailFinally(BROKEN)
    ),
    "finish_run": lambda store, scene: Scenario(store, scene.one.job).finish(),
    "mark_published": lambda store, scene: store.mark_published(scene.row_ids[::-1], at(5)),
    "mark_first_published": lambda store, scene: store.mark_published(scene.first_ids, at(5)),
    "pause_run": lambda store, scene: Scenario(store, scene.one.job).pause(),
    "resume_run": lambda store, scene: Scenario(store, scene.paused.job).resume(),
    "create_run": lambda store, scene: again(Scenario(store, scene.gone.job)),
    "replay": lambda store, scene: replay(Scenario(store, scene.gone.job), {"x": None}),
    "delete_run": lambda store, scene: store.delete_run(scene.gone.job_id, 1, 10),
    "unpublished": lambda store, scene: store.unpublished(10, at(FOREVER)),
    "reissue_stale": lambda store, scene: store.reissue_stale(at(FOREVER), at(FOREVER), 10),
    "expired_leases": lambda store, scene: store.expired_leases(at(FOREVER), 10, {TASK_TYPE}),
}


def rows(arena: Arena, table: str) -> set[tuple[object, ...]]:
    return set(arena.admin.execute(f"SELECT {ORDER[table]} FROM coremachine.{table}".encode()))
