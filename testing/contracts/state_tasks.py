"""The state store's contract, part two: claims, leases and the ends of attempts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from core.decisions import Requeue
from core.errors import LeaseLost
from core.ids import TaskId
from core.model import FailurePolicy, Lease, LeaseExpired, NotClaimed, RunStatus, StageStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import (
    BROKEN,
    DONE,
    FLAKY,
    JOB_TYPE,
    LEASE,
    OTHER_WORKER,
    TASK_TYPE,
    WORKER,
    Scenario,
    at,
    task_message,
)


def writes(scenario: Scenario) -> list[Callable[[Lease], object]]:
    """Every write that a lease allows, at second 500."""
    store = scenario.store
    return [
        lambda lease: store.renew_lease(lease, LEASE, at(500)),
        lambda lease: store.save_checkpoint(lease, '{"zombie": true}', LEASE, at(500)),
        lambda lease: store.report_progress(lease, 99.0, "zombie", at(500)),
        lambda lease: store.finish_attempt(lease, DONE, None, at(500)),
        lambda lease: scenario.fail(lease, when=500),
        lambda lease: scenario.requeue(lease, when=500),
    ]


def assert_refused(scenario: Scenario, lease: Lease, name: str) -> None:
    """Each write under ``lease`` raises LeaseLost, and nothing changes."""
    store = scenario.store
    before = (scenario.run(), scenario.task(name), scenario.outbox(), list(store.list_attempts(lease.task_id)))
    for write in writes(scenario):
        with pytest.raises(LeaseLost):
            write(lease)
    after = (scenario.run(), scenario.task(name), scenario.outbox(), list(store.list_attempts(lease.task_id)))
    assert after == before


class ClaimContract:
    def test_a_claim_grants_a_lease_and_the_task_runs(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        claimed = scenario.claimed("x", when=3, lease=60)

        lease = claimed.lease
        assert (lease.task_id, lease.attempt, lease.owner) == (scenario.task_id("x"), 1, WORKER)
        assert lease.expires_at == at(63)
        assert (claimed.task_type, claimed.checkpoint_json, claimed.charged) == (TASK_TYPE, None, 0)
        assert json.loads(claimed.parameters_json) == {"of": "x"}
        assert scenario.task("x").status is TaskStatus.RUNNING

    def test_a_message_of_another_attempt_is_stale(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert store.claim_task(scenario.task_id("x"), 2, WORKER, LEASE, at(1)) is NotClaimed.STALE
        scenario.requeue(scenario.claim("x"))
        assert store.claim_task(scenario.task_id("x"), 1, WORKER, LEASE, at(3)) is NotClaimed.STALE
        assert scenario.task("x").status is TaskStatus.QUEUED

    def test_a_task_that_is_not_there_is_unknown(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert store.claim_task(scenario.task_id("y"), 1, WORKER, LEASE, at(1)) is NotClaimed.UNKNOWN
        assert store.claim_task(TaskId("nonsense"), 1, WORKER, LEASE, at(1)) is NotClaimed.UNKNOWN

    def test_a_task_that_runs_is_refused_to_everybody(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x", when=0, lease=60)

        assert store.claim_task(scenario.task_id("x"), 1, WORKER, LEASE, at(59)) is NotClaimed.RUNNING
        assert store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(59)) is NotClaimed.RUNNING
        assert len(store.list_attempts(scenario.task_id("x"))) == 1

    def test_a_task_that_has_ended_is_refused(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "done", "failed", policy=FailurePolicy.TOLERATE)
        scenario.complete(scenario.claim("done"))
        scenario.fail(scenario.claim("failed"))

        for name in ("done", "failed"):
            for attempt in (1, 2):
                claim = store.claim_task(scenario.task_id(name), attempt, WORKER, LEASE, at(900))
                assert claim is NotClaimed.ENDED

    def test_a_claim_at_the_end_of_a_lease_learns_that_it_expired(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0, lease=60)

        claim = store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(60))

        assert claim == LeaseExpired(lease, JOB_TYPE, TASK_TYPE, 0, False)
        assert scenario.task("x").status is TaskStatus.RUNNING

    def test_an_expired_lease_says_whether_its_attempt_saved_a_checkpoint(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0)
        store.save_checkpoint(lease, "{}", LEASE, at(1))
        first = store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(500))
        scenario.requeue(lease, charged=True, when=500)
        scenario.claim("x", 2, when=501)

        second = store.claim_task(scenario.task_id("x"), 2, OTHER_WORKER, LEASE, at(900))

        assert isinstance(first, LeaseExpired)
        assert isinstance(second, LeaseExpired)
        assert [(found.progressed, found.charged) for found in (first, second)] == [(True, 0), (False, 1)]

    def test_the_fencing_token_grows_with_each_grant(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        tokens = []
        for attempt in range(1, 6):
            lease = scenario.claim("x", attempt)
            tokens.append(lease.token)
            scenario.requeue(lease, charged=False)

        assert tokens == sorted(set(tokens))

    def test_a_claim_carries_the_checkpoint_and_the_cost_of_earlier_attempts(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")
        store.save_checkpoint(lease, '{"page": 7}', LEASE, at(1))
        scenario.requeue(lease, charged=True)
        scenario.requeue(scenario.claim("x", 2), charged=False)

        claimed = scenario.claimed("x", 3)

        assert json.loads(claimed.checkpoint_json or "") == {"page": 7}
        assert claimed.charged == 1


class LeaseContract:
    def test_renewing_moves_the_end_of_the_lease_and_keeps_the_token(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0, lease=60)

        renewed = store.renew_lease(lease, 60, at(50))

        assert renewed == lease._replace(expires_at=at(110))
        assert store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(109)) is NotClaimed.RUNNING
        assert list(store.expired_leases(at(109), 10, {TASK_TYPE})) == []
        assert [found.lease for found in store.expired_leases(at(110), 10, {TASK_TYPE})] == [renewed]

    def test_a_lease_that_ran_out_and_was_not_taken_over_is_renewed(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0, lease=60)

        assert store.renew_lease(lease, 60, at(300)).expires_at == at(360)
        assert scenario.complete(lease, when=301).task_status is TaskStatus.COMPLETED

    def test_the_first_lease_still_writes_after_it_was_renewed(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0)
        store.renew_lease(lease, 60, at(10))

        assert scenario.complete(lease).task_status is TaskStatus.COMPLETED

    def test_a_checkpoint_is_replaced_and_renews_the_lease(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0, lease=60)
        store.save_checkpoint(lease, '{"page": 1}', 60, at(10))

        renewed = store.save_checkpoint(lease, '{"page": 2}', 60, at(50))

        assert renewed == lease._replace(expires_at=at(110))
        assert json.loads(scenario.task("x").checkpoint_json or "") == {"page": 2}
        assert list(store.expired_leases(at(109), 10, {TASK_TYPE})) == []

    def test_progress_is_recorded(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")
        assert (scenario.task("x").progress_percent, scenario.task("x").progress_message) == (None, "")

        store.report_progress(lease, 12.5, "page 1 of 8", at(3))

        assert (scenario.task("x").progress_percent, scenario.task("x").progress_message) == (12.5, "page 1 of 8")

    def test_progress_does_not_renew_the_lease(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0, lease=60)

        store.report_progress(lease, 50, "", at(50))

        assert len(store.expired_leases(at(60), 10, {TASK_TYPE})) == 1

    def test_a_zombie_is_refused_after_its_task_was_queued_again(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        zombie = scenario.claim("x")
        scenario.requeue(zombie)

        assert_refused(scenario, zombie, "x")

    def test_a_zombie_is_refused_after_another_worker_took_over(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        zombie = scenario.claim("x", when=0, lease=60)
        scenario.requeue(zombie, when=61)
        successor = scenario.claim("x", 2, when=62, worker=OTHER_WORKER)

        assert_refused(scenario, zombie, "x")

        assert scenario.complete(successor, when=501).task_status is TaskStatus.COMPLETED

    def test_a_zombie_is_refused_after_its_successor_completed(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        zombie = scenario.claim("x")
        scenario.requeue(zombie)
        scenario.complete(scenario.claim("x", 2))

        assert_refused(scenario, zombie, "x")

    def test_a_lease_is_worth_nothing_once_its_attempt_ended(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        lease = scenario.claim("x")
        scenario.complete(lease)

        assert_refused(scenario, lease, "x")

    def test_a_lease_is_worth_nothing_once_its_run_ended(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        lease = scenario.claim("x")
        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(2))

        assert_refused(scenario, lease, "x")

    def test_a_lease_on_a_task_that_is_not_there_is_lost(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")._replace(task_id=scenario.task_id("nobody"))

        with pytest.raises(LeaseLost):
            scenario.complete(lease)

    def test_a_token_that_was_never_granted_is_refused(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")

        with pytest.raises(LeaseLost):
            scenario.complete(lease._replace(token=lease.token + 1))


class FinishContract:
    def test_completing_a_task_keeps_its_result_and_counts_down_its_stage(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")

        finished = scenario.complete(scenario.claim("x"))

        task, stage = scenario.task("x"), scenario.run().stages[0]
        assert finished == (TaskStatus.COMPLETED, RunStatus.PROCESSING, ())
        assert (task.status, json.loads(task.result_json or "")) == (TaskStatus.COMPLETED, {"answer": 42})
        assert (stage.status, stage.remaining, stage.failed) == (StageStatus.RUNNING, 1, 0)

    def test_the_last_task_ends_the_stage_and_puts_its_message_in_the_outbox_once(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.complete(scenario.claim("x"))
        lease = scenario.claim("y")

        finished = scenario.complete(lease, when=8)

        assert [row.message for row in finished.outbox] == [
            row.message for row in store.unpublished(10, at(9)) if row.message.message_type == "stage_complete"
        ]
        assert scenario.outbox() == ["job", "task", "task", "stage_complete"]
        stage = scenario.run().stages[0]
        assert (stage.status, stage.remaining) == (StageStatus.COMPLETED, 0)
        with pytest.raises(LeaseLost):
            scenario.complete(lease)
        assert scenario.outbox().count("stage_complete") == 1

    def test_under_tolerate_the_stage_goes_on_and_ends_with_errors(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y", policy=FailurePolicy.TOLERATE)

        failed = scenario.fail(scenario.claim("x"))
        last = scenario.complete(scenario.claim("y"))

        assert failed == (TaskStatus.FAILED, RunStatus.PROCESSING, ())
        assert [row.message.message_type for row in last.outbox] == ["stage_complete"]
        stage = scenario.run().stages[0]
        assert (stage.status, stage.remaining, stage.failed) == (StageStatus.COMPLETED_WITH_ERRORS, 0, 1)
        assert (scenario.task("x").error, scenario.task("x").charged) == (BROKEN, 1)

    def test_under_tolerate_a_last_task_that_fails_ends_the_stage(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", policy=FailurePolicy.TOLERATE)

        finished = scenario.fail(scenario.claim("x"))

        assert [row.message.message_type for row in finished.outbox] == ["stage_complete"]
        assert scenario.run().status is RunStatus.PROCESSING

    def test_under_fail_fast_a_failure_ends_the_run_with_its_error(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "done", "bad", "running", "queued")
        scenario.complete(scenario.claim("done"))
        running = scenario.claim("running")

        finished = scenario.fail(scenario.claim("bad"), when=9)

        run = scenario.run()
        assert finished == (TaskStatus.FAILED, RunStatus.FAILED, ())
        assert (run.status, run.error, run.updated_at) == (RunStatus.FAILED, BROKEN, at(9))
        assert (run.stages[0].status, run.stages[0].remaining, run.stages[0].failed) == (StageStatus.FAILED, 0, 1)
        statuses = {name: scenario.task(name).status for name in ("done", "bad", "running", "queued")}
        assert statuses == {
            "done": TaskStatus.COMPLETED,
            "bad": TaskStatus.FAILED,
            "running": TaskStatus.CANCELLED,
            "queued": TaskStatus.CANCELLED,
        }
        assert scenario.outbox() == []
        assert_refused(scenario, running, "running")

    def test_under_fail_fast_a_last_task_that_fails_does_not_advance(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        scenario.fail(scenario.claim("x"))

        assert scenario.outbox() == []
        assert not scenario.open(2, "y").opened

    def test_only_the_first_error_is_the_run_s(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        late = scenario.claim("y")
        scenario.fail(scenario.claim("x"), BROKEN)

        with pytest.raises(LeaseLost):
            scenario.fail(late, FLAKY)

        assert scenario.run().error == BROKEN

    def test_a_requeued_task_waits_for_its_next_attempt(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all()

        finished = scenario.requeue(scenario.claim("x"), due=at(30))

        task, run = scenario.task("x"), scenario.run()
        assert (finished.task_status, finished.run_status) == (TaskStatus.QUEUED, RunStatus.PROCESSING)
        assert [row.message for row in finished.outbox] == [task_message(scenario.job_id, 1, "x", 2, at(30))]
        assert list(store.unpublished(10, at(9))) == list(finished.outbox)
        assert (task.status, task.attempt, task.charged) == (TaskStatus.QUEUED, 2, 1)
        assert (run.retries_used, run.stages[0].remaining) == (1, 1)

    def test_a_requeue_that_is_not_charged_costs_nothing(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", budget=0)

        scenario.requeue(scenario.claim("x"), charged=False, cause="interrupted")

        assert (scenario.task("x").attempt, scenario.task("x").charged) == (2, 0)
        assert scenario.run().retries_used == 0

    def test_a_retry_over_the_run_s_budget_is_a_final_failure(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y", budget=1)
        scenario.requeue(scenario.claim("x"))

        finished = scenario.requeue(scenario.claim("y"))

        assert (finished.task_status, finished.run_status) == (TaskStatus.FAILED, RunStatus.FAILED)
        assert (scenario.run().error, scenario.run().retries_used) == (FLAKY, 1)
        assert scenario.outbox() == []

    def test_a_retry_over_the_budget_is_tolerated_where_failures_are(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", policy=FailurePolicy.TOLERATE, budget=0)

        finished = scenario.requeue(scenario.claim("x"))

        assert finished.task_status is TaskStatus.FAILED
        assert [row.message.message_type for row in finished.outbox] == ["stage_complete"]

    def test_a_requeue_without_a_wake_up_is_refused_and_changes_nothing(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")

        with pytest.raises(ValueError, match="wake-up"):
            store.finish_attempt(lease, Requeue("retry", True, None, FLAKY), None, at(2))

        assert scenario.task("x").status is TaskStatus.RUNNING
        assert scenario.run().retries_used == 0
        assert scenario.complete(lease).task_status is TaskStatus.COMPLETED

    def test_a_result_of_any_text_is_kept(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        text = json.dumps({"text": "ä\u2028 \\ \" ' %s {} \U0001f600"})

        store.finish_attempt(scenario.claim("x"), type(DONE)(text), None, at(2))

        assert json.loads(scenario.task("x").result_json or "") == json.loads(text)
