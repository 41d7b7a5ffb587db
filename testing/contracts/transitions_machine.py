"""Random steps of the engine, whatever their order, and what holds after each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import cycle

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from core.decisions import Requeue
from core.errors import LeaseLost
from core.ids import JobId, TaskId
from core.model import (
    TERMINAL_RUN,
    TERMINAL_TASK,
    Claimed,
    ClaimResult,
    EventKind,
    FailurePolicy,
    Finished,
    Lease,
    LeaseExpired,
    NotClaimed,
    OutboundMessage,
    OutboxRow,
    RunRecord,
    RunStatus,
    StageRecord,
    StageStatus,
)
from core.outcome import Succeeded
from core.ports import AttemptEnd, ClaimRequest, StateStore
from testing.contracts.scenario import OTHER_WORKER, TASK_TYPE, WORKER, at, new_stage, task_message
from testing.contracts.steps import JOBS, LEASE_SECONDS, MIN_GRANTS, TRANSITIONS

RunKey = tuple[JobId, int]


class TransitionsMachine(RuleBasedStateMachine):
    """What the engine does to the newest run of two jobs. The attributes are the model of what must be there."""

    def make_store(self) -> StateStore:
        raise NotImplementedError

    @initialize()
    def start(self) -> None:
        self.store = self.make_store()
        self.seconds = 0.0
        self.newest: dict[JobId, int] = {}
        self.paused: set[RunKey] = set()
        self.tasks: list[TaskId] = []
        self.attempts: dict[TaskId, int] = {}
        self.over: set[TaskId] = set()
        self.holders: dict[TaskId, Lease] = {}
        self.granted: list[Lease] = []
        self.copied: set[tuple[JobId, int, int]] = set()
        self.stage_ends: Counter[str] = Counter()
        self.ended: dict[RunKey, tuple[RunRecord, int]] = {}
        self.published: set[int] = set()
        self.given: set[int] = set()
        for content in JOBS:
            self.submit(content)
            self.open_stage(
                content, 1, ["x", "y"], FailurePolicy.TOLERATE if content == "a" else FailurePolicy.FAIL_FAST
            )

    # --- transitions ---

    def submit(self, content: str) -> None:
        job = JOBS[content]
        known = self.store.latest_run(job.job_id)
        submitted = self.store.submit_job(job, self._now())
        assert submitted.created is (known is None)
        assert known is None or submitted.run == known
        self.newest.setdefault(job.job_id, 1)

    def open_stage(self, content: str, ahead: int, some: list[str], policy: FailurePolicy) -> None:
        """Open a stage, mostly the one that is next."""
        run = self._newest(content)
        if run is None:
            return
        number = max(1, run.current_stage + ahead)
        ready = not run.stages or run.stages[-1].status is not StageStatus.RUNNING
        may = not run.ended and run.current_stage == number - 1 and ready
        stage = new_stage(run.job_id, number, some, policy, run.run)
        opened = self.store.open_stage(run.job_id, run.run, stage, self._now())
        assert opened.opened is may
        assert not (run.paused and some and opened.outbox)
        self._created([task.task_id for task in stage.tasks if may])
        self._saw(opened.outbox)

    def claim(self, pick: int, off: int, other: bool) -> None:
        """Claim one of the tasks that were ever there, mostly by the attempt that it waits for."""
        if self.tasks:
            request = self._request(pick, off, other)
            self._judge(request, self.store.claim_task(*request))

    def claim_many(self, some: list[tuple[int, bool]]) -> None:
        requests = [self._request(pick, 0, other) for pick, other in some if self.tasks]
        answers = self.store.claim_tasks(requests)
        for request, answer in zip(requests, answers, strict=True):
            self._judge(request, answer)

    def finish(self, pick: int, how: str) -> None:
        """End an attempt, mostly one that goes on."""
        lease = self._lease(pick)
        if lease is not None:
            self._finish(lease, how)

    def _finish(self, lease: Lease, how: str) -> None:
        held = self._holds(lease)
        try:
            finished = self.store.finish_attempt(lease, TRANSITIONS[how], _wakeup(lease, how), self._now())
        except LeaseLost:
            assert not held
        else:
            self._finished(lease, finished)

    def finish_many(self, some: list[tuple[int, str]]) -> None:
        leases = [(self._lease(pick), how) for pick, how in some]
        chosen = [(lease, how) for lease, how in leases if lease is not None]
        ends = [AttemptEnd(lease, TRANSITIONS[how], _wakeup(lease, how), self._now()) for lease, how in chosen]
        for (lease, _), finished in zip(chosen, self.store.finish_attempts(ends), strict=True):
            if finished is None:
                assert not self._holds(lease)
            else:
                self._finished(lease, finished)

    def end_lost(self, pick: int, how: str, heard_of: bool) -> None:
        """End an attempt for its holder, who was perhaps heard of since."""
        leases = self.store.expired_leases(at(self.seconds + LEASE_SECONDS), 100, {TASK_TYPE})
        if not leases:
            return
        expired, transition = leases[pick % len(leases)], TRANSITIONS[how]
        assert not isinstance(transition, Succeeded)
        if heard_of:
            self.store.renew_lease(expired.lease, LEASE_SECONDS + 0.5, self._now())
        try:
            finished = self.store.end_lost_attempt(expired, transition, _wakeup(expired.lease, how), self._now())
        except LeaseLost:
            assert heard_of
        else:
            assert not heard_of
            self._finished(expired.lease, finished)

    def work(self, content: str, ways: list[str]) -> None:
        """Claim and end every task of the newest run that waits, in these ways by turns; a pause ends first."""
        run = self._newest(content)
        if run is None:
            return
        self.resume(content)
        waiting = [task for task in self.tasks if self._waits(task) and run_of(task) == (run.job_id, run.run)]
        for task_id, how in zip(waiting, cycle(ways), strict=False):
            request = ClaimRequest(task_id, self.attempts[task_id], WORKER, LEASE_SECONDS, self._now())
            self._judge(request, self.store.claim_task(*request))
            lease = self.holders.get(task_id)
            if lease is not None:
                if how in ("interrupted", "retry"):
                    self.store.save_checkpoint(lease, f'{{"of": "{how}"}}', LEASE_SECONDS, self._now())
                self._finish(lease, how)

    def write(self, pick: int, kind: str, text: str) -> None:
        lease = self._lease(pick)
        if lease is None:
            return
        held = self._holds(lease)
        try:
            if kind == "renew":
                self.store.renew_lease(lease, LEASE_SECONDS, self._now())
            elif kind == "checkpoint":
                self.store.save_checkpoint(lease, f'{{"at": "{text}"}}', LEASE_SECONDS, self._now())
            else:
                self.store.report_progress(lease, 50.0, text, self._now())
        except LeaseLost:
            assert not held
        else:
            assert held

    def finish_run(self, content: str, status: RunStatus, off: int | None) -> None:
        run = self._newest(content)
        if run is None or len(self.granted) < MIN_GRANTS:
            return
        stage = None if off is None else run.current_stage + off
        done = self.store.finish_run(run.job_id, run.run, status, None, None, self._now(), stage, "alice")
        assert done is (not run.ended and off in (None, 0))
        if done:
            self._ended((run.job_id, run.run))

    # --- pauses ---

    def pause(self, content: str) -> None:
        run = self._newest(content)
        if run is None:
            return
        key = (run.job_id, run.run)
        assert self.store.pause_run(*key, "alice", self._now()) is not (run.ended or key in self.paused)
        if not run.ended:
            self.paused.add(key)

    def resume(self, content: str) -> None:
        run = self._newest(content)
        if run is None:
            return
        key = (run.job_id, run.run)
        rows = self.store.resume_run(*key, "bob", self._now())
        assert (rows is not None) is (key in self.paused)
        self.paused.discard(key)
        assert all(row.message.message_type == "task" and run_of(row.message.message_id) == key for row in rows or ())

    # --- outbox, recovery and time ---

    def publish(self, limit: int) -> None:
        rows = self.store.unpublished(limit, at(self.seconds + 1))
        row_ids = [row.row_id for row in rows]
        assert row_ids == sorted(row_ids)
        assert not self.published.intersection(row_ids)
        assert not any(self._held_back(row) for row in rows)
        self.store.mark_published(row_ids, self._now())
        self.published.update(row_ids)

    def reissue(self, limit: int, age: float) -> None:
        before = {row.message.message_id for row in self.store.unpublished(1_000, at(1e6))}
        rows = self.store.reissue_stale(at(self.seconds - age), self._now(), limit)
        assert len(rows) == len({row.message.message_id for row in rows}) <= limit
        assert not before.intersection(row.message.message_id for row in rows)
        assert not any(self._held_back(row) for row in rows)

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    # --- what holds ---

    @invariant()
    def expired_leases_are_those_of_holders(self) -> None:
        expired = self.store.expired_leases(at(1e6), 100, {TASK_TYPE})
        found = {one.lease.task_id: one.lease.token for one in expired}
        assert found == {task_id: lease.token for task_id, lease in self.holders.items()}

    @invariant()
    def rows_are_wanted_as_long_as_they_are_given(self) -> None:
        given = {row.row_id for row in self.store.unpublished(1_000, at(1e6))}
        self.given |= given
        assert self.store.still_unpublished(sorted(self.given)) == given

    @invariant()
    def stages_count_what_has_not_ended(self) -> None:
        for run in self._newest_runs():
            for stage in run.stages:
                self._check_stage(run, stage)

    @invariant()
    def terminal_states_absorb(self) -> None:
        for run in self._newest_runs():
            events = self.store.list_events(run.job_id, run.run)
            assert [event.kind for event in events].count(EventKind.JOB_ENDED) == run.ended
            assert run.paused is ((run.job_id, run.run) in self.paused)
            if run.ended:
                assert self.ended.setdefault((run.job_id, run.run), (run, len(events))) == (run, len(events))

    def _check_stage(self, run: RunRecord, stage: StageRecord) -> None:
        results = self.store.stage_results(run.job_id, run.run, stage.number)
        if len(results) == stage.total:  # it is not while the run is being deleted
            assert stage.remaining == sum(result.status not in TERMINAL_TASK for result in results)
            assert stage.failed == sum(result.status == "failed" for result in results)
        assert (stage.status is StageStatus.RUNNING) is (stage.remaining > 0)
        if (run.job_id, run.run, stage.number) not in self.copied:
            advanced = stage.status in (StageStatus.COMPLETED, StageStatus.COMPLETED_WITH_ERRORS)
            assert self.stage_ends[f"{run.job_id}:{run.run}:{stage.number}:-stage_complete:1"] == advanced, stage

    # --- the model ---

    def _now(self) -> datetime:
        return at(self.seconds)

    def _newest(self, content: str) -> RunRecord | None:
        return self.store.latest_run(JOBS[content].job_id)

    def _newest_runs(self) -> Iterable[RunRecord]:
        found = [self._newest(content) for content in JOBS]
        return [run for run in found if run is not None]

    def _created(self, task_ids: Sequence[TaskId]) -> None:
        self.tasks += [task_id for task_id in task_ids if task_id not in self.attempts]
        self.attempts |= dict.fromkeys(task_ids, 1)
        self.over.difference_update(task_ids)

    def _request(self, pick: int, off: int, other: bool) -> ClaimRequest:
        """A claim, mostly of a task that waits for one."""
        waiting = [task for task in self.attempts if self._waits(task)]
        tasks = [*waiting, *waiting, *self.tasks[-3:]]
        task_id = tasks[pick % len(tasks)]
        attempt = self.attempts.get(task_id, 1) + off
        return ClaimRequest(task_id, attempt, OTHER_WORKER if other else WORKER, LEASE_SECONDS, self._now())

    def _waits(self, task: TaskId) -> bool:
        return task in self.attempts and task not in self.over and task not in self.holders

    def _lease(self, pick: int) -> Lease | None:
        """A lease, mostly one that is held."""
        held = [*self.holders.values()]
        leases = [*held, *held, *held, *(self.granted[-2:] if held or pick < 4 else [])]
        return leases[pick % len(leases)] if leases else None

    def _judge(self, request: ClaimRequest, answer: ClaimResult) -> None:
        """Hold the answer to a claim against the model."""
        expected = self._refusal(request)
        if expected is not None:
            expired = isinstance(answer, LeaseExpired) and expected is NotClaimed.RUNNING
            assert expired or answer is expected, (answer, expected)
            return
        assert isinstance(answer, Claimed), answer
        lease = answer.lease
        assert lease.token > max((one.token for one in self.granted), default=0)
        assert (lease.attempt, lease.owner) == (request.attempt, request.worker)
        self.holders[request.task_id] = lease
        self.granted.append(lease)

    def _refusal(self, request: ClaimRequest) -> NotClaimed | None:
        task_id = request.task_id
        if task_id not in self.attempts:
            return NotClaimed.UNKNOWN
        if task_id in self.holders:
            return NotClaimed.RUNNING
        if task_id in self.over:
            return NotClaimed.ENDED
        if request.attempt != self.attempts[task_id]:
            return NotClaimed.STALE
        return NotClaimed.PAUSED if run_of(task_id) in self.paused else None

    def _finished(self, lease: Lease, finished: Finished) -> None:
        """An attempt ended, which only its holder can do."""
        assert self._holds(lease)
        del self.holders[lease.task_id]
        if finished.task_status in TERMINAL_TASK:
            self.over.add(lease.task_id)
        else:
            self.attempts[lease.task_id] += 1
        self._saw(finished.outbox)
        if finished.run_status in TERMINAL_RUN:
            self._ended(run_of(lease.task_id))

    def _holds(self, lease: Lease) -> bool:
        holder = self.holders.get(lease.task_id)
        return holder is not None and holder.token == lease.token

    def _saw(self, rows: Sequence[OutboxRow]) -> None:
        self.stage_ends.update(row.message.message_id for row in rows if row.message.message_type == "stage_complete")

    def _held_back(self, row: OutboxRow) -> bool:
        """Whether this row must not be published: its run has ended, or is paused and the row wakes a task."""
        if row.message.message_type == "letter":
            return False
        key = run_of(row.message.message_id)
        run = self.store.load_run(*key)
        return run is None or run.ended or (key in self.paused and row.message.message_type == "task")

    def _ended(self, key: RunKey) -> None:
        self.paused.discard(key)
        self.holders = {task: lease for task, lease in self.holders.items() if run_of(task) != key}
        self.over.update(task for task in self.tasks if run_of(task) == key)


def run_of(some_id: str) -> RunKey:
    job_id, run, *_ = some_id.split(":")
    return JobId(job_id), int(run)


def _wakeup(lease: Lease, how: str) -> OutboundMessage | None:
    transition = TRANSITIONS[how]
    if not isinstance(transition, Requeue):
        return None
    job, run, stage, name = lease.task_id.split(":")
    return task_message(JobId(job), int(stage), name, lease.attempt + 1, transition.not_before, int(run))
