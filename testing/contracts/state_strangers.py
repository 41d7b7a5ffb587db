"""The state store's contract: ids, numbers and cursors that nothing can have."""

from __future__ import annotations

import pytest

from core.errors import LeaseLost, TextNotStorable
from core.ids import JobId, TaskId
from core.listing import RunCursor, RunFilter, TaskFilter
from core.model import Lease, NotClaimed
from core.ports import StateStore
from testing.contracts.scenario import DONE, LEASE, TASK_TYPE, WORKER, Scenario, at, new_stage, task_message

BAD_TEXTS = ("a\0b", "half \ud800 pair")
ODD_TEXTS = ("", ":::", "%s {}", "ä", "x" * 100_000, *BAD_TEXTS)
FAR = 2**70


class StrangersContract:
    def odd_tasks(self, scenario: Scenario) -> list[TaskId]:
        prefix = scenario.job_id
        found = [f"{prefix}:1:1:{text}" for text in ODD_TEXTS] + [f"{text}:1:1:x" for text in ODD_TEXTS]
        odd = [f"{prefix}:{run}:{stage}:x" for run, stage in ((0, 1), (-1, 1), (FAR, 1), (1, 0), (1, FAR), ("a", "b"))]
        return [TaskId(text) for text in (*ODD_TEXTS, *found, *odd)]

    def test_a_task_that_cannot_be_is_unknown(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        wakeup = task_message(scenario.job_id, 1, "x", 2)

        for task_id in self.odd_tasks(scenario):
            assert store.claim_task(task_id, 1, WORKER, LEASE, at(1)) is NotClaimed.UNKNOWN
            assert store.park_task(task_id, 1, wakeup, WORKER, at(1)) is False
            assert store.load_task(task_id) is None
            assert list(store.list_attempts(task_id)) == []
            with pytest.raises(LeaseLost):
                store.finish_attempt(Lease(task_id, 1, 1, WORKER, at(9)), DONE, None, at(1))
            with pytest.raises(LeaseLost):
                store.renew_lease(Lease(task_id, 1, 1, WORKER, at(9)), LEASE, at(1))

    def test_a_run_that_cannot_be_is_not_there(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        odd = [(JobId(text), 1) for text in ODD_TEXTS] + [(scenario.job_id, run) for run in (0, -1, FAR)]

        for job_id, run in odd:
            assert store.load_run(job_id, run) is None
            assert list(store.stage_results(job_id, run, 1)) == []
            assert list(store.list_tasks(job_id, run, TaskFilter(), None, 5)) == []
            assert list(store.list_events(job_id, run)) == []
            assert store.pause_run(job_id, run, "alice", at(1)) is False
            assert store.resume_run(job_id, run, "alice", at(1)) is None
            assert store.delete_run(job_id, run, 5) is True
            assert not store.open_stage(job_id, run, new_stage(scenario.job_id, 2, ["y"]), at(1)).opened
        for text in ODD_TEXTS:
            assert store.latest_run(JobId(text)) is None

    def test_numbers_beyond_all_that_is_there_find_nothing(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert store.claim_task(scenario.task_id("x"), FAR, WORKER, LEASE, at(1)) is NotClaimed.STALE
        assert list(store.stage_results(scenario.job_id, 1, FAR)) == []
        assert list(store.list_events(scenario.job_id, 1, FAR, 5)) == []
        assert list(store.list_dead_letters(FAR, 5)) == list(store.list_dead_letters(-FAR, 5)) == []
        assert store.replay_dead_letter(FAR, 0, "r1", "alice", at(1)) is None
        assert list(store.expired_leases(at(1e6), 5, {TASK_TYPE, "ä", "x" * 10_000})) == []
        store.mark_published([FAR, -1], at(1))
        with pytest.raises(LeaseLost):
            store.renew_lease(Lease(scenario.task_id("x"), 1, FAR, WORKER, at(9)), LEASE, at(1))

    def test_a_list_is_not_asked_for_what_cannot_be_stored(self, store: StateStore) -> None:
        Scenario.started(store, "x")

        for text in BAD_TEXTS:
            with pytest.raises(TextNotStorable):
                store.list_runs(RunFilter(tenant=text), None, 5)
            with pytest.raises(TextNotStorable):
                store.list_runs(RunFilter(job_type=text), None, 5)
            with pytest.raises(TextNotStorable):
                store.list_runs(RunFilter(), RunCursor(at(1), JobId(text), 1), 5)
        assert list(store.list_runs(RunFilter(tenant="x" * 10_000), None, 5)) == []
        assert len(store.list_runs(RunFilter(), RunCursor(at(1), JobId("a"), 99_999), 5)) == 1
