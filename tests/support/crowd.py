"""Somebody who does whatever the store lets him do, as often as he is told, with no regard for others."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from core.decisions import FailFinally, Requeue, Transition
from core.errors import LeaseLost
from core.ids import JobId
from core.model import Claimed, Lease, OutboundMessage, RunStatus
from core.ports import AttemptEnd, ClaimRequest, StateStore
from testing.contracts.scenario import (
    BROKEN,
    DONE,
    FLAKY,
    FOREVER,
    LEASE,
    TASK_TYPE,
    WORKER,
    Scenario,
    at,
    task_message,
)
from testing.contracts.state_runs import again

WAYS: Sequence[Transition] = (DONE, DONE, DONE, FailFinally(BROKEN), Requeue("retry", True, None, FLAKY))


class Somebody:
    """``jobs`` are scenarios of any run of theirs; each has tasks ``names`` in its first stage."""

    def __init__(self, store: StateStore, jobs: Sequence[Scenario], names: Sequence[str], seed: int) -> None:
        self._store = store
        self._jobs = jobs
        self._names = names
        self._chance = random.Random(seed)

    def live(self, turns: int) -> None:
        often: list[Callable[[Scenario], object]] = [self.work, self.work, self.work, self.work_alone, self.publish]
        seldom: list[Callable[[Scenario], object]] = [self.repair, self.flap, self.end, self.begin_again, self.forget]
        for _ in range(turns):
            run = self._newest(self._chance.choice(self._jobs))
            self._chance.choice([*often, *often, *seldom])(run)

    def work(self, run: Scenario) -> None:
        """Claim some tasks and end them together, perhaps twice."""
        leases = self._claim(run, self._chance.sample(self._names, 8))
        ends = [self._end_of(lease) for lease in leases]
        self._store.finish_attempts(ends)
        if self._chance.random() < 0.2:
            assert self._store.finish_attempts(ends) == [None] * len(ends)

    def work_alone(self, run: Scenario) -> None:
        """Claim a task, save and say something, and end it."""
        for lease in self._claim(run, self._chance.sample(self._names, 1)):
            end = self._end_of(lease)
            try:
                self._store.save_checkpoint(lease, '{"page": 1}', LEASE, at(5))
                self._store.report_progress(lease, 50, "half", at(5))
                self._store.finish_attempt(*end)
            except LeaseLost:
                continue

    def publish(self, run: Scenario) -> None:
        row_ids = [row.row_id for row in self._store.unpublished(30, at(FOREVER))]
        self._chance.shuffle(row_ids)
        self._store.mark_published(row_ids, at(self._chance.randrange(100)))

    def repair(self, run: Scenario) -> None:
        for expired in self._store.expired_leases(at(FOREVER), 5, {TASK_TYPE}):
            end = Requeue("lease_expired", False)
            try:
                self._store.finish_attempt(expired.lease, end, wakeup(expired.lease), at(9))
            except LeaseLost:
                continue
        self._store.reissue_stale(at(50), at(60), 20)
        self._store.attention(at(50), at(50), at(50), {TASK_TYPE})

    def flap(self, run: Scenario) -> None:
        if not self._store.pause_run(run.job_id, run.number, "alice", at(5)):
            self._store.resume_run(run.job_id, run.number, "bob", at(5))

    def end(self, run: Scenario) -> None:
        self._store.finish_run(run.job_id, run.number, RunStatus.CANCELLED, None, None, at(9))

    def begin_again(self, run: Scenario) -> None:
        """Another run after one that has ended, or the first stage of one that waits for it."""
        run.open(1, *self._names)
        again(run, run.number + 1)

    def forget(self, run: Scenario) -> None:
        oldest = self._store.ended_runs(at(FOREVER), 1)
        for job_id, number in oldest:
            self._store.delete_run(job_id, number, 15)

    def _newest(self, job: Scenario) -> Scenario:
        self._store.submit_job(job.job, at(0))
        latest = self._store.latest_run(job.job_id)
        return Scenario(self._store, job.job, latest.run if latest is not None else 1)

    def _claim(self, run: Scenario, names: Sequence[str]) -> list[Lease]:
        tasks = filter(None, [self._store.load_task(run.task_id(name)) for name in names])
        requests = [ClaimRequest(task.task_id, task.attempt, WORKER, LEASE, at(5)) for task in tasks]
        return [claim.lease for claim in self._store.claim_tasks(requests) if isinstance(claim, Claimed)]

    def _end_of(self, lease: Lease) -> AttemptEnd:
        way = self._chance.choice(WAYS)
        return AttemptEnd(lease, way, wakeup(lease) if isinstance(way, Requeue) else None, at(6))


def wakeup(lease: Lease) -> OutboundMessage:
    job_id, run, stage, name = lease.task_id.split(":")
    return task_message(JobId(job_id), int(stage), name, lease.attempt + 1, None, int(run))
