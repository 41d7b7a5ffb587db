"""Many threads on the same runs: nobody waits in a circle, and all is counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

import pytest

from core.listing import RunFilter
from core.model import Claimed, FailurePolicy, StageStatus, TaskStatus
from core.ports import AttemptEnd, ClaimRequest
from infrastructure.postgres.pool import ConnectionPoolManager
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.scenario import DONE, FOREVER, LEASE, WORKER, Scenario, at, new_job, stage_message
from tests.support.crowd import Somebody
from tests.support.postgres import Database
from tests.support.postgres_store import pool_to
from tests.support.stepped import Arena, at_once

THREADS = 8


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


@pytest.fixture
def pool(postgres_database: Database) -> Iterator[ConnectionPoolManager]:
    with pool_to(postgres_database.url, maximum=THREADS) as opened:
        yield opened


def deadlocks(arena: Arena, pool: ConnectionPoolManager) -> int:
    """How many there were, once each session of the pool has told of its own."""
    with ExitStack() as lent:
        for _ in range(THREADS):
            lent.enter_context(pool.connection()).execute("SELECT pg_stat_force_next_flush()")
    return arena.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")


class TestBatches:
    """Three stages that end in batches of tasks of all of them, in random order."""

    TASKS = 150
    SIZE = 25

    @pytest.mark.parametrize("seed", range(4))
    def test_all_are_counted(self, arena: Arena, pool: ConnectionPoolManager, seed: int) -> None:
        store, before = PostgresStateStore(pool), deadlocks(arena, pool)
        names = [f"t{number:03}" for number in range(self.TASKS)]
        policies = (FailurePolicy.TOLERATE, FailurePolicy.FAIL_FAST, FailurePolicy.TOLERATE)
        runs = [Scenario.started(store, *names, content=c, policy=p) for c, p in zip("abc", policies, strict=True)]
        chance = random.Random(seed)
        work = [(run, name) for run in runs for name in names]
        chance.shuffle(work)
        shares = [work[number::THREADS] for number in range(THREADS)]

        at_once([partial(self.end, store, share, random.Random(seed)) for share in shares])

        for run in runs:
            stage = run.run().stages[0]
            assert (stage.status, stage.remaining, stage.failed) == (StageStatus.COMPLETED, 0, 0)
            assert run.waiting().count(stage_message(run.job_id, 1).message_id) == 1
        assert arena.number("SELECT count(*) FROM coremachine.attempts WHERE outcome = 'completed'") == len(work)
        assert arena.number("SELECT count(*) FROM coremachine.leases") == 0
        assert deadlocks(arena, pool) == before

    def end(self, store: PostgresStateStore, share: list[tuple[Scenario, str]], chance: random.Random) -> None:
        """Claim and end a share of the work, some of it again, some one by one."""
        for start in range(0, len(share), self.SIZE):
            part = share[start : start + self.SIZE]
            claims = store.claim_tasks([ClaimRequest(run.task_id(name), 1, WORKER, LEASE, at(1)) for run, name in part])
            leases = [claim.lease for claim in claims if isinstance(claim, Claimed)]
            assert len(leases) == len(part)
            ends = [AttemptEnd(lease, DONE, None, at(2)) for lease in chance.sample(leases, len(leases))]
            store.mark_published([row.row_id for row in store.unpublished(20, at(FOREVER))], at(2))
            alone = ends.pop()
            assert None not in store.finish_attempts(ends)
            store.finish_attempt(*alone)
            assert store.finish_attempts(ends[:3]) == [None] * len(ends[:3])


JOBS = {new_job(content).job_id: content for content in "ab"}


class TestEverythingAtOnce:
    """Workers, relays, reconcilers and operators with no regard for each other."""

    TURNS = 30

    @pytest.mark.parametrize("seed", range(4))
    def test_nobody_waits_in_a_circle(self, arena: Arena, pool: ConnectionPoolManager, seed: int) -> None:
        store, before = PostgresStateStore(pool), deadlocks(arena, pool)
        names = [f"t{number:02}" for number in range(40)]
        jobs = [
            Scenario.started(store, *names, content=content, policy=policy)
            for content, policy in (("a", FailurePolicy.TOLERATE), ("b", FailurePolicy.FAIL_FAST))
        ]
        crowd = [Somebody(store, jobs, names, seed * 100 + number) for number in range(THREADS)]

        at_once([partial(one.live, self.TURNS) for one in crowd])

        assert deadlocks(arena, pool) == before
        for found in store.list_runs(RunFilter(), None, 100):
            self.is_whole(arena, store, Scenario(store, new_job(JOBS[found.job_id]), found.run))

    def is_whole(self, arena: Arena, store: PostgresStateStore, run: Scenario) -> None:
        """The counts are those of the tasks, leases are held where tasks run, and each end is told once."""
        found, kinds = run.run(), [kind for kind, _ in run.told()]
        statuses: Counter[str] = Counter()
        for stage in found.stages:
            each = Counter(one.status for one in store.stage_results(run.job_id, run.number, stage.number))
            going_on = each[TaskStatus.QUEUED] + each[TaskStatus.RUNNING]
            if sum(each.values()) == stage.total:  # it is not while the run is being deleted
                assert (stage.remaining, stage.failed) == (going_on, each[TaskStatus.FAILED])
            assert (stage.status is StageStatus.RUNNING) is (going_on > 0)
            statuses += each
        assert kinds.count("stage_ended") == sum(stage.status is not StageStatus.RUNNING for stage in found.stages)
        assert kinds.count("job_ended") == found.ended
        assert not (found.ended and found.paused)
        held = "SELECT count(*) FROM coremachine.leases NATURAL JOIN coremachine.runs WHERE job_id = %s AND run = %s"
        assert arena.number(held, run.job_id, run.number) == statuses[TaskStatus.RUNNING]
