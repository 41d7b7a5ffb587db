"""Random sequences of transitions, whatever their order, and what holds after each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from core.decisions import FailFinally, Requeue, Transition
from core.errors import LeaseLost
from core.ids import JobId, TaskId, task_id_for
from core.model import (
    TERMINAL_TASK,
    Claimed,
    EventKind,
    FailurePolicy,
    Lease,
    LeaseExpired,
    NotClaimed,
    OutboxRow,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
)
from core.outcome import Succeeded
from core.ports import StateStore
from testing.contracts.scenario import (
    BROKEN,
    DONE,
    FLAKY,
    OTHER_WORKER,
    TASK_TYPE,
    WORKER,
    at,
    new_job,
    new_stage,
    task_message,
)

JOBS = {content: new_job(content, budget=budget) for content, budget in (("a", None), ("b", 2))}
NAMES = ("x", "y", "z")
LEASE_SECONDS = 50.0
TRANSITIONS: dict[str, Transition] = {
    "complete": DONE,
    "fail": FailFinally(BROKEN),
    "retry": Requeue("retry", True, None, FLAKY),
    "interrupted": Requeue("interrupted", False),
}
ENDS = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)

contents = st.sampled_from(sorted(JOBS))
names = st.sampled_from(NAMES)


class StateStoreMachine(RuleBasedStateMachine):
    """Override :meth:`make_store`; ``StateStoreMachine.TestCase`` of the subclass is the test."""

    leases: Bundle[Lease] = Bundle("leases")

    def make_store(self) -> StateStore:
        raise NotImplementedError

    @initialize()
    def start(self) -> None:
        self.store = self.make_store()
        self.seconds = 0.0
        self.tasks: list[TaskId] = []
        self.holders: dict[TaskId, Lease] = {}
        self.tokens: dict[TaskId, int] = {}
        self.attempts: dict[TaskId, int] = {}
        self.stage_ends: Counter[str] = Counter()
        self.ended: dict[JobId, tuple[RunRecord, int]] = {}
        self.published: list[int] = []
        for content in JOBS:
            self.submit(content)

    # --- transitions ---

    @rule(content=contents)
    def submit(self, content: str) -> None:
        known = self.store.load_run(JOBS[content].job_id, 1)
        submitted = self.store.submit_job(JOBS[content], self._now())
        assert submitted.created is (known is None)
        assert known is None or submitted.run == known

    @rule(
        content=contents,
        step=st.sampled_from([1, 1, 1, 0, 2]),
        some=st.lists(names, unique=True, min_size=1) | st.just([]),
        policy=st.sampled_from(FailurePolicy),
    )
    def open_stage(self, content: str, step: int, some: list[str], policy: FailurePolicy) -> None:
        """Open a stage, mostly the one that is next."""
        job_id = JOBS[content].job_id
        run = self._run(job_id)
        number = max(1, run.current_stage + step)
        ready = not run.stages or run.stages[-1].status is not StageStatus.RUNNING
        may = not run.ended and run.current_stage == number - 1 and ready
        opened = self.store.open_stage(job_id, 1, new_stage(job_id, number, some, policy), self._now())
        assert opened.opened is may
        self._created([task_id_for(job_id, 1, number, name) for name in some if may])
        self._saw(opened.outbox)

    @rule(target=leases, pick=st.integers(0, 30), off=st.sampled_from([0, 0, 0, 1, -1]), other=st.booleans())
    def claim(self, pick: int, off: int, other: bool) -> Lease | MultipleResults[Lease]:
        """Claim one of the tasks that are there, mostly by the attempt that it waits for."""
        if not self.tasks:
            return multiple()
        task_id = self.tasks[pick % len(self.tasks)]
        task = self.store.load_task(task_id)
        assert task is not None
        attempt = task.attempt + off
        result = self.store.claim_task(task_id, attempt, OTHER_WORKER if other else WORKER, LEASE_SECONDS, self._now())
        if isinstance(result, Claimed):
            assert task_id not in self.holders
            assert result.lease.token > self.tokens.get(task_id, -1)
            assert (result.lease.attempt, off) == (self.attempts[task_id], 0)
            self.tokens[task_id] = result.lease.token
            self.holders[task_id] = result.lease
            return result.lease
        running = result is NotClaimed.RUNNING or isinstance(result, LeaseExpired)
        assert running is (task_id in self.holders), result
        return multiple()

    @rule(lease=leases, how=st.sampled_from(sorted(TRANSITIONS)))
    def finish(self, lease: Lease, how: str) -> None:
        job, _, stage, name = lease.task_id.split(":")
        wakeup = task_message(JobId(job), int(stage), name, lease.attempt + 1)
        held = self._holds(lease)
        try:
            finished = self.store.finish_attempt(lease, TRANSITIONS[how], wakeup, self._now())
        except LeaseLost:
            assert not held
            return
        assert held
        del self.holders[lease.task_id]
        self.attempts[lease.task_id] += 1
        if isinstance(TRANSITIONS[how], Succeeded):
            assert finished.task_status == "completed"
        self._saw(finished.outbox)
        self._forget_ended(JobId(job))

    @rule(lease=leases, checkpoint=st.booleans())
    def renew(self, lease: Lease, checkpoint: bool) -> None:
        held = self._holds(lease)
        try:
            if checkpoint:
                self.store.save_checkpoint(lease, '{"phases": []}', LEASE_SECONDS, self._now())
            else:
                self.store.renew_lease(lease, LEASE_SECONDS, self._now())
        except LeaseLost:
            assert not held
        else:
            assert held

    @precondition(lambda self: len(self.tasks) > 4)
    @rule(content=contents, status=st.sampled_from(ENDS))
    def finish_run(self, content: str, status: RunStatus) -> None:
        job_id = JOBS[content].job_id
        had_ended = self._run(job_id).ended
        assert self.store.finish_run(job_id, 1, status, None, None, self._now()) is not had_ended
        self._forget_ended(job_id)

    # --- outbox, recovery and time ---

    @rule(limit=st.integers(1, 4))
    def publish(self, limit: int) -> None:
        rows = self.store.unpublished(limit, at(self.seconds + 1))
        row_ids = [row.row_id for row in rows]
        assert row_ids == sorted(row_ids)
        assert not set(row_ids) & set(self.published)
        self.store.mark_published(row_ids, self._now())
        self.published += row_ids

    @rule(limit=st.integers(1, 4))
    def resend(self, limit: int) -> None:
        rows = self.store.reissue_stale(at(self.seconds - 20), self._now(), limit)
        assert len(rows) == len({row.message.message_id for row in rows}) <= limit
        assert all(not self._run(JobId(row.message.message_id.split(":")[0])).ended for row in rows)

    @rule(seconds=st.sampled_from([1.0, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    # --- what holds ---

    @invariant()
    def expired_leases_are_those_of_holders(self) -> None:
        expired = self.store.expired_leases(at(1e6), 100, {TASK_TYPE})
        found = {one.lease.task_id: one.lease.token for one in expired}
        assert found == {task_id: lease.token for task_id, lease in self.holders.items()}

    @invariant()
    def stages_count_what_has_not_ended(self) -> None:
        for job in JOBS.values():
            for stage in self._run(job.job_id).stages:
                self._check_stage(job.job_id, stage)

    @invariant()
    def terminal_states_absorb(self) -> None:
        for job in JOBS.values():
            run = self._run(job.job_id)
            events = self.store.list_events(job.job_id, 1)
            assert [event.kind for event in events].count(EventKind.JOB_ENDED) == run.ended
            if run.ended:
                assert self.ended.setdefault(job.job_id, (run, len(events))) == (run, len(events))

    def _check_stage(self, job_id: JobId, stage: StageRecord) -> None:
        results = self.store.stage_results(job_id, 1, stage.number)
        assert stage.total == len(results)
        assert stage.remaining == sum(result.status not in TERMINAL_TASK for result in results)
        assert stage.failed == sum(result.status == "failed" for result in results)
        assert (stage.status is StageStatus.RUNNING) is (stage.remaining > 0)
        advanced = stage.status in (StageStatus.COMPLETED, StageStatus.COMPLETED_WITH_ERRORS)
        assert self.stage_ends[f"{job_id}:1:{stage.number}:-stage_complete:1"] == advanced, stage

    # --- helpers ---

    def _now(self) -> datetime:
        return at(self.seconds)

    def _run(self, job_id: JobId) -> RunRecord:
        found = self.store.load_run(job_id, 1)
        assert found is not None
        return found

    def _created(self, task_ids: Sequence[TaskId]) -> None:
        self.tasks += task_ids
        self.attempts |= dict.fromkeys(task_ids, 1)

    def _holds(self, lease: Lease) -> bool:
        holder = self.holders.get(lease.task_id)
        return holder is not None and holder.token == lease.token

    def _saw(self, rows: Sequence[OutboxRow]) -> None:
        self.stage_ends.update(row.message.message_id for row in rows if row.message.message_type == "stage_complete")

    def _forget_ended(self, job_id: JobId) -> None:
        if self._run(job_id).ended:
            self.holders = {task: lease for task, lease in self.holders.items() if not task.startswith(job_id)}
