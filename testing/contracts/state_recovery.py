"""The state store's contract, part three: history, the outbox, and expired leases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import pytest

from core.decisions import LEASE_EXPIRED, FailFinally, Requeue
from core.errors import LeaseLost
from core.ids import TaskId
from core.model import EventKind, FailurePolicy, Lease, LeaseExpired, RunStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import (
    BROKEN,
    FLAKY,
    FOREVER,
    JOB_TYPE,
    LEASE,
    LOST,
    OTHER_WORKER,
    TASK_TYPE,
    WORKER,
    Scenario,
    at,
)


class HistoryContract:
    def test_every_try_at_a_task_is_listed_oldest_first(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        first = scenario.claim("x", when=1)
        scenario.requeue(first, when=2)
        second = scenario.claim("x", 2, when=3, worker=OTHER_WORKER)

        tries = store.list_attempts(scenario.task_id("x"))

        assert [(one.attempt, one.owner, one.token) for one in tries] == [
            (1, WORKER, first.token),
            (2, OTHER_WORKER, second.token),
        ]
        assert [(one.started_at, one.ended_at) for one in tries] == [(at(1), at(2)), (at(3), None)]
        assert [(one.outcome, one.error) for one in tries] == [("retry", FLAKY), (None, None)]

    def test_attempts_are_only_added_to(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", policy=FailurePolicy.TOLERATE)
        scenario.requeue(scenario.claim("x"))
        before = list(store.list_attempts(scenario.task_id("x")))

        scenario.fail(scenario.claim("x", 2))

        after = store.list_attempts(scenario.task_id("x"))
        assert list(after[:1]) == before
        assert [(one.outcome, one.error) for one in after[1:]] == [("failed", BROKEN)]

    def test_the_attempt_that_a_run_s_end_cut_short_is_cancelled(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x", when=1)

        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(5))

        (only,) = store.list_attempts(scenario.task_id("x"))
        assert (only.outcome, only.ended_at) == ("cancelled", at(5))

    def test_a_task_that_is_not_there_has_no_history(self, store: StateStore) -> None:
        assert list(store.list_attempts(TaskId("nobody"))) == []
        assert store.load_task(TaskId("nobody")) is None

    def test_the_timeline_is_complete_and_in_order(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.open(1, "x", when=1)
        scenario.requeue(scenario.claim("x", when=2), when=3)
        scenario.complete(scenario.claim("x", 2, when=4), when=5)
        store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "{}", None, at(6))

        events = store.list_events(scenario.job_id, 1)

        assert [(event.kind, event.at) for event in events] == [
            (EventKind.JOB_SUBMITTED, at(0)),
            (EventKind.STAGE_STARTED, at(1)),
            (EventKind.TASK_STARTED, at(2)),
            (EventKind.TASK_REQUEUED, at(3)),
            (EventKind.TASK_STARTED, at(4)),
            (EventKind.TASK_COMPLETED, at(5)),
            (EventKind.STAGE_ENDED, at(5)),
            (EventKind.JOB_ENDED, at(6)),
        ]
        sequences = [event.sequence for event in events]
        assert sequences == sorted(set(sequences))
        assert [event.attempt for event in events if event.task_id] == [1, 1, 2, 2]
        assert {event.stage for event in events[1:-1]} == {1}

    def test_the_timeline_of_a_failed_run_tells_what_failed_and_what_was_cancelled(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")

        scenario.fail(scenario.claim("x"))

        told = [(event.kind, event.detail) for event in store.list_events(scenario.job_id, 1)][3:]
        assert told == [
            (EventKind.TASK_FAILED, "BROKEN"),
            (EventKind.TASKS_CANCELLED, "1"),
            (EventKind.STAGE_ENDED, "failed"),
            (EventKind.JOB_ENDED, "failed"),
        ]

    def test_every_stage_that_started_has_ended_once_its_run_has(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.complete(scenario.claim("x"))
        scenario.open(2, "y")

        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(5))

        kinds = [event.kind for event in store.list_events(scenario.job_id, 1)]
        assert kinds.count(EventKind.STAGE_STARTED) == kinds.count(EventKind.STAGE_ENDED) == 2

    def test_refusals_leave_no_events(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x")
        before = list(store.list_events(scenario.job_id, 1))

        store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(2))
        store.claim_task(scenario.task_id("x"), 7, OTHER_WORKER, LEASE, at(500))
        scenario.open(1, "x")
        scenario.open(2, "x")

        assert list(store.list_events(scenario.job_id, 1)) == before


class OutboxContract:
    def test_rows_come_oldest_first_up_to_the_limit(self, store: StateStore) -> None:
        one, two, three = (Scenario.submitted(store, content) for content in "abc")

        rows = store.unpublished(2, at(FOREVER))

        assert [row.message for row in rows] == [one.job.message, two.job.message]
        assert [row.row_id for row in rows] == sorted({row.row_id for row in rows})
        assert len(store.unpublished(10, at(FOREVER))) == 3
        assert store.unpublished(10, at(FOREVER))[2].message == three.job.message

    def test_only_rows_committed_before_the_given_time_come(self, store: StateStore) -> None:
        Scenario.submitted(store)
        scenario = Scenario.submitted(store, "b")
        scenario.open(1, "x", when=10)

        assert len(store.unpublished(10, at(0))) == 0
        assert len(store.unpublished(10, at(10))) == 2
        assert len(store.unpublished(10, at(11))) == 3

    def test_a_message_comes_as_it_was_written(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all()
        scenario.requeue(scenario.claim("x"), due=at(77))

        (row,) = store.unpublished(10, at(FOREVER))

        assert row.message.not_before == at(77)
        assert row.message.queue == "tasks"
        assert row.message.message_id == f"{scenario.task_id('x')}:2"
        assert b'"attempt":2' in row.message.body

    def test_rows_come_from_behind_another(self, store: StateStore) -> None:
        for content in "abc":
            Scenario.submitted(store, content)
        rows = list(store.unpublished(10, at(FOREVER)))

        assert list(store.unpublished(1, at(FOREVER), rows[0].row_id)) == rows[1:2]
        assert list(store.unpublished(10, at(FOREVER), rows[1].row_id)) == rows[2:]
        for after in (rows[2].row_id, 2**63 - 1, 2**63):
            assert list(store.unpublished(10, at(FOREVER), after)) == []
        assert list(store.unpublished(10, at(FOREVER), 0)) == rows

    def test_looking_does_not_take(self, store: StateStore) -> None:
        Scenario.submitted(store)

        assert list(store.unpublished(10, at(9))) == list(store.unpublished(10, at(9))) != []

    def test_what_was_published_leaves_the_outbox_alone_and_for_good(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        rows = store.unpublished(10, at(FOREVER))

        store.mark_published([rows[1].row_id], at(5))

        assert [row.row_id for row in store.unpublished(10, at(FOREVER))] == [rows[0].row_id, rows[2].row_id]
        assert scenario.outbox() == ["job", "task"]

    def test_unknown_and_repeated_ids_are_passed_over(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        (row,) = store.unpublished(10, at(FOREVER))

        store.mark_published([], at(1))
        store.mark_published([row.row_id + 1_000, row.row_id, row.row_id], at(1))
        store.mark_published([row.row_id], at(2))

        assert scenario.outbox() == []


class ExpiredLeasesContract:
    def test_the_longest_expired_come_first_up_to_the_limit(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y", "z")
        scenario.claim("x", when=0, lease=90)
        scenario.claim("y", when=0, lease=30)
        scenario.claim("z", when=0, lease=60)

        found = [expired.lease.task_id for expired in store.expired_leases(at(100), 10, {TASK_TYPE})]

        assert found == [scenario.task_id(name) for name in ("y", "z", "x")]
        assert [expired.lease.task_id for expired in store.expired_leases(at(100), 2, {TASK_TYPE})] == found[:2]

    def test_leases_of_other_task_types_are_left_and_do_not_count(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x", when=0)

        assert list(store.expired_leases(at(FOREVER), 1, {"another_type"})) == []
        assert list(store.expired_leases(at(FOREVER), 1, set())) == []
        assert [one.lease for one in store.expired_leases(at(FOREVER), 1, {"another_type", TASK_TYPE})] == [lease]

    def test_only_leases_that_end_at_or_before_now_come(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x", when=0, lease=60)

        assert list(store.expired_leases(at(59.999), 10, {TASK_TYPE})) == []
        assert len(store.expired_leases(at(60), 10, {TASK_TYPE})) == 1

    def test_tasks_that_do_not_run_have_no_lease_to_expire(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "done", "queued", "again", "cut")
        scenario.complete(scenario.claim("done"))
        scenario.requeue(scenario.claim("again"))
        scenario.claim("cut")
        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(3))

        assert list(store.expired_leases(at(FOREVER), 10, {TASK_TYPE})) == []

    def test_ending_the_lost_attempt_takes_it_off_the_list(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x", when=0)
        (expired,) = store.expired_leases(at(100), 10, {TASK_TYPE})

        scenario.end_lost(expired, when=100)

        assert list(store.expired_leases(at(100), 10, {TASK_TYPE})) == []
        assert scenario.claim("x", 2, when=101).token > expired.lease.token


SIGNS: Mapping[str, Callable[[Scenario, Lease], object]] = {
    "renewed": lambda scenario, lease: scenario.store.renew_lease(lease, 1, at(60)),
    "saved": lambda scenario, lease: scenario.store.save_checkpoint(lease, '{"at": 1}', 500, at(50)),
    "saved, to the same end": lambda scenario, lease: scenario.store.save_checkpoint(lease, '{"at": 1}', 10, at(50)),
    "ended": lambda scenario, lease: scenario.complete(lease, 50),
    "claimed": lambda scenario, lease: [scenario.requeue(lease, when=50), scenario.claim("x", 2, when=0)],
}
"""What a holder may have done since its lease was seen to run out."""


class LostAttemptsContract:
    """The end of an attempt for a holder that vanished."""

    def lost(self, scenario: Scenario) -> LeaseExpired:
        return LeaseExpired(scenario.claim("x", when=0), JOB_TYPE, TASK_TYPE, 0, False)

    def test_it_is_queued_again_with_its_wake_up(self, store: StateStore) -> None:
        for charged in (True, False):
            scenario = Scenario.started(store, "x", content=str(charged))
            scenario.publish_all()

            finished = scenario.end_lost(self.lost(scenario), replace(LOST, charged=charged))

            assert (finished.task_status, finished.run_status) == (TaskStatus.QUEUED, RunStatus.PROCESSING)
            assert [row.message.message_id for row in finished.outbox] == [f"{scenario.task_id('x')}:2"]
            assert scenario.waiting() == [f"{scenario.task_id('x')}:2"]
            assert (scenario.task("x").charged, scenario.run().retries_used) == (charged, charged)
            (only,) = store.list_attempts(scenario.task_id("x"))
            assert (only.outcome, only.error) == ("lease_expired", LEASE_EXPIRED)

    def test_it_fails_its_task_as_the_policy_says(self, store: StateStore) -> None:
        for policy in FailurePolicy:
            scenario = Scenario.started(store, "x", policy=policy, content=policy)

            finished = scenario.end_lost(self.lost(scenario), FailFinally(LEASE_EXPIRED))

            ended = policy is FailurePolicy.FAIL_FAST
            assert finished.task_status is TaskStatus.FAILED
            assert finished.run_status is (RunStatus.FAILED if ended else RunStatus.PROCESSING)
            assert [row.message.message_type for row in finished.outbox] == ([] if ended else ["stage_complete"])
            assert scenario.task("x").error == LEASE_EXPIRED

    def test_a_lost_attempt_over_the_budget_is_final(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", budget=0)

        scenario.end_lost(self.lost(scenario))

        assert scenario.run().status is RunStatus.FAILED

    def test_nothing_is_written_where_the_holder_was_heard_of_since(self, store: StateStore) -> None:
        transitions: Sequence[FailFinally | Requeue] = (LOST, replace(LOST, charged=False), FailFinally(LEASE_EXPIRED))
        ways = product(SIGNS, transitions, FailurePolicy)
        for number, (sign, transition, policy) in enumerate(ways):
            scenario = Scenario.started(store, "x", "y", policy=policy, content=str(number))
            scenario.publish_all()
            expired = self.lost(scenario)
            SIGNS[sign](scenario, expired.lease)
            before = (scenario.run(), scenario.task("x"), scenario.told(), scenario.waiting())

            with pytest.raises(LeaseLost):
                scenario.end_lost(expired, transition)

            assert (scenario.run(), scenario.task("x"), scenario.told(), scenario.waiting()) == before, sign

    def test_a_holder_that_was_given_up_writes_nothing(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        expired = self.lost(scenario)
        scenario.end_lost(expired)

        with pytest.raises(LeaseLost):
            scenario.complete(expired.lease)
        with pytest.raises(LeaseLost):
            scenario.end_lost(expired)

    def test_one_that_progressed_is_ended_as_such(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        store.save_checkpoint(scenario.claim("x", when=0), '{"at": 1}', LEASE, at(1))
        (expired,) = store.expired_leases(at(100), 10, {TASK_TYPE})

        assert expired.progressed
        assert scenario.end_lost(expired).task_status is TaskStatus.QUEUED

    def test_the_wake_up_of_a_lost_task_of_a_paused_run_is_kept(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all()
        expired = self.lost(scenario)
        scenario.pause()

        assert scenario.end_lost(expired).outbox == ()
        assert scenario.resume() == [f"{scenario.task_id('x')}:2"]

    def test_the_attempt_of_a_task_that_is_not_there_is_lost_already(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        expired = self.lost(scenario)
        other = scenario.of_run(7).task_id("x")

        for lease in (expired.lease._replace(task_id=other), expired.lease._replace(token=2**63)):
            with pytest.raises(LeaseLost):
                scenario.end_lost(expired._replace(lease=lease))
        with pytest.raises(ValueError, match="wake-up"):
            store.end_lost_attempt(expired, Requeue("lease_expired", False), None, at(100))
