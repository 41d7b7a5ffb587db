"""The state store's contract: pausing a run, what a pause holds back, and resuming."""

from __future__ import annotations

from core.ids import job_id_for
from core.model import EventKind, LeaseExpired, NotClaimed, OutboxRow, RunStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import BROKEN, FOREVER, LEASE, OTHER_WORKER, WORKER, Scenario, at
from testing.contracts.state_letters import letter

NOBODY = job_id_for("nobody", {}, "nobody")


class PauseContract:
    def test_a_pause_is_on_the_run_and_in_its_timeline_with_who_asked(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert store.pause_run(scenario.job_id, 1, "alice", at(5))

        run, event = scenario.run(), store.list_events(scenario.job_id, 1)[-1]
        assert (run.paused, run.status, run.updated_at) == (True, RunStatus.PROCESSING, at(5))
        assert (event.kind, event.actor, event.at, event.stage) == (EventKind.JOB_PAUSED, "alice", at(5), None)

    def test_resuming_ends_the_pause(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause(when=5)

        assert store.resume_run(scenario.job_id, 1, "bob", at(6)) is not None

        run, event = scenario.run(), store.list_events(scenario.job_id, 1)[-1]
        assert (run.paused, run.updated_at) == (False, at(6))
        assert (event.kind, event.actor) == (EventKind.JOB_RESUMED, "bob")

    def test_a_run_that_has_not_started_can_be_paused(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        scenario.pause()

        assert (scenario.run().status, scenario.run().paused) == (RunStatus.QUEUED, True)
        assert scenario.outbox() == ["job"]

    def test_pausing_what_is_paused_ended_or_not_there_writes_nothing(self, store: StateStore) -> None:
        scenario, ended = Scenario.started(store, "x"), Scenario.started(store, "x", content="b")
        scenario.pause()
        ended.finish()
        before = (scenario.run(), scenario.told(), ended.run(), ended.told())

        assert not store.pause_run(scenario.job_id, 1, "carol", at(9))
        assert not store.pause_run(ended.job_id, 1, "carol", at(9))
        assert not store.pause_run(scenario.job_id, 2, "carol", at(9))
        assert not store.pause_run(NOBODY, 1, "carol", at(9))
        assert (scenario.run(), scenario.told(), ended.run(), ended.told()) == before

    def test_resuming_what_is_not_paused_writes_nothing(self, store: StateStore) -> None:
        scenario, ended = Scenario.started(store, "x"), Scenario.started(store, "x", content="b")
        ended.pause()
        ended.finish()
        before = (scenario.run(), scenario.told(), ended.run(), ended.told())

        assert store.resume_run(scenario.job_id, 1, "bob", at(9)) is None
        assert store.resume_run(ended.job_id, 1, "bob", at(9)) is None
        assert store.resume_run(NOBODY, 1, "bob", at(9)) is None
        assert (scenario.run(), scenario.told(), ended.run(), ended.told()) == before

    def test_no_task_of_a_paused_run_is_claimed(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()
        before = (scenario.run(), scenario.task("x"), scenario.told())

        assert store.claim_task(scenario.task_id("x"), 1, WORKER, LEASE, at(5)) is NotClaimed.PAUSED
        assert store.claim_task(scenario.task_id("x"), 2, WORKER, LEASE, at(5)) is NotClaimed.STALE
        assert (scenario.run(), scenario.task("x"), scenario.told()) == before
        scenario.resume()
        assert scenario.claim("x", when=7).attempt == 1

    def test_another_run_s_tasks_are_claimed_all_the_same(self, store: StateStore) -> None:
        scenario, other = Scenario.started(store, "x"), Scenario.started(store, "x", content="b")
        scenario.pause()

        assert other.claim("x").attempt == 1
        assert other.waiting() != []

    def test_what_runs_goes_on_to_its_end(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")
        scenario.pause()

        assert store.renew_lease(lease, LEASE, at(4)).expires_at == at(4 + LEASE)
        store.save_checkpoint(lease, '{"page": 1}', LEASE, at(5))
        store.report_progress(lease, 50, "", at(5))
        finished = scenario.complete(lease, when=6)

        assert finished.task_status is TaskStatus.COMPLETED
        assert [row.message.message_type for row in finished.outbox] == ["stage_complete"]
        assert scenario.outbox() == ["job", "stage_complete"]

    def test_what_runs_is_refused_as_running_and_its_expired_lease_is_told(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x", when=1, lease=60)
        scenario.pause()

        assert store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(60)) is NotClaimed.RUNNING
        assert isinstance(store.claim_task(scenario.task_id("x"), 1, OTHER_WORKER, LEASE, at(61)), LeaseExpired)

    def test_what_fails_under_a_pause_ends_the_run_and_the_pause(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        lease = scenario.claim("x")
        scenario.pause()

        scenario.fail(lease)

        assert (scenario.run().status, scenario.run().paused) == (RunStatus.FAILED, False)
        assert scenario.task("y").status is TaskStatus.CANCELLED

    def test_a_paused_run_can_be_ended(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()

        scenario.finish(when=9)

        assert (scenario.run().status, scenario.run().paused) == (RunStatus.CANCELLED, False)
        assert scenario.waiting() == []


class HeldBackContract:
    def test_the_wake_ups_of_tasks_are_held_back_and_the_others_are_not(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")

        scenario.pause()

        assert scenario.outbox() == ["job"]
        assert len(store.unpublished(1, at(FOREVER))) == 1

    def test_resuming_gives_what_was_held_back_oldest_first(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.pause()

        assert scenario.resume() == [f"{scenario.task_id('x')}:1", f"{scenario.task_id('y')}:1"]
        assert scenario.outbox() == ["job", "task", "task"]

    def test_resuming_gives_no_more_than_was_asked_for_and_leaves_the_rest_to_the_relay(
        self, store: StateStore
    ) -> None:
        scenario = Scenario.started(store, "x", "y", "z")
        scenario.pause()

        rows = store.resume_run(scenario.job_id, 1, "bob", at(4), 2)

        assert rows is not None
        assert [row.message.message_id for row in rows] == [f"{scenario.task_id(name)}:1" for name in "xy"]
        assert scenario.outbox() == ["job", "task", "task", "task"]

    def test_of_some_rows_those_are_told_that_may_still_be_published(self, store: StateStore) -> None:
        going, paused, ended, other = (Scenario.started(store, "x", "y", content=content) for content in "abcd")
        rows = [row.row_id for row in store.unpublished(100, at(FOREVER))]
        others = {row.row_id for row in store.unpublished(100, at(FOREVER)) if of(row, other)}
        published = next(row.row_id for row in store.unpublished(100, at(FOREVER)) if of(row, going))
        assert store.still_unpublished(rows) == set(rows)

        paused.pause()
        ended.finish()
        store.mark_published([published], at(5))

        wanted = {row.row_id for row in store.unpublished(100, at(FOREVER))}
        some = [row_id for row_id in rows if row_id not in others]
        assert store.still_unpublished(some) == wanted - others
        assert len(wanted) == 6
        assert store.still_unpublished([*some, 0, -1, 2**40, 2**70]) == wanted - others
        assert store.still_unpublished([]) == set()

    def test_a_letter_may_be_published_whatever_its_age(self, store: StateStore) -> None:
        store.record_dead_letters([letter()], at(1))
        (record,) = store.list_dead_letters(0, 10)
        row = store.replay_dead_letter(record.record_id, 0, "r1", "alice", at(FOREVER))
        assert row is not None

        assert store.still_unpublished([row.row_id]) == {row.row_id}

    def test_rows_that_were_held_back_count_by_their_age(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.open(1, "x", when=2)
        scenario.pause()
        scenario.resume()

        assert len(store.unpublished(10, at(2))) == 1
        assert len(store.unpublished(10, at(2.5))) == 2

    def test_what_is_marked_as_published_is_not_held_back(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        rows = store.unpublished(10, at(FOREVER))
        scenario.pause()

        store.mark_published([rows[1].row_id], at(4))

        assert scenario.resume() == [f"{scenario.task_id('y')}:1"]

    def test_a_stage_that_is_opened_under_a_pause_gives_no_rows(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.pause()

        opened = scenario.open(1, "x", when=4)

        assert (opened.opened, opened.outbox) == (True, ())
        assert scenario.outbox() == ["job"]
        assert scenario.resume() == [f"{scenario.task_id('x')}:1"]

    def test_an_empty_stage_ends_under_a_pause(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.pause()

        opened = scenario.open(1)

        assert [row.message.message_type for row in opened.outbox] == ["stage_complete"]
        assert scenario.outbox() == ["job", "stage_complete"]

    def test_a_task_that_is_queued_again_under_a_pause_waits(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")
        scenario.publish_all()
        scenario.pause()

        finished = scenario.requeue(lease)

        assert (finished.task_status, finished.outbox) == (TaskStatus.QUEUED, ())
        assert scenario.waiting() == []
        assert scenario.resume() == [f"{scenario.task_id('x')}:2"]

    def test_stale_wake_ups_of_a_paused_run_s_tasks_are_left(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all(when=1)
        scenario.pause()

        assert list(store.reissue_stale(at(1_000), at(2_000), 10)) == []
        scenario.resume()
        assert len(store.reissue_stale(at(1_000), at(2_000), 10)) == 1

    def test_stale_wake_ups_of_a_paused_run_itself_are_given(self, store: StateStore) -> None:
        scenario, ended = Scenario.submitted(store), Scenario.started(store, "x", content="b")
        ended.complete(ended.claim("x"))
        scenario.publish_all(when=5)
        scenario.pause()
        ended.pause()

        rows = store.reissue_stale(at(1_000), at(2_000), 10)

        assert [row.message.message_type for row in rows] == ["job", "stage_complete"]


def of(row: OutboxRow, scenario: Scenario) -> bool:
    return row.message.message_id.startswith(scenario.job_id)


class ParkContract:
    def test_a_parked_task_waits_for_its_next_attempt_free_of_charge(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", budget=0)
        scenario.publish_all()
        scenario.pause()

        assert scenario.park("x", when=5)

        task = scenario.task("x")
        assert (task.status, task.attempt, task.charged) == (TaskStatus.QUEUED, 2, 0)
        assert (scenario.run().retries_used, scenario.run().stages[0].remaining) == (0, 1)
        assert scenario.waiting() == []
        assert scenario.resume() == [f"{scenario.task_id('x')}:2"]
        assert store.claim_task(scenario.task_id("x"), 1, WORKER, LEASE, at(9)) is NotClaimed.STALE
        assert scenario.claim("x", 2, when=9).attempt == 2

    def test_the_attempt_that_was_not_begun_is_in_the_history(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()
        scenario.park("x", when=5)
        scenario.resume()
        lease = scenario.claim("x", 2, when=7)

        first, second = store.list_attempts(scenario.task_id("x"))

        assert (first.attempt, first.owner, first.token, first.outcome, first.error) == (1, WORKER, 0, "parked", None)
        assert (first.started_at, first.ended_at) == (at(5), at(5))
        assert (second.attempt, second.token, second.outcome) == (2, lease.token, None)

    def test_the_timeline_tells_of_it_without_a_start(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()

        scenario.park("x", when=5)

        event = store.list_events(scenario.job_id, 1)[-1]
        assert (event.kind, event.at, event.detail) == (EventKind.TASK_PARKED, at(5), "")
        assert (event.stage, event.task_id, event.attempt) == (1, scenario.task_id("x"), 1)
        assert ("task_started", "") not in scenario.told()

    def test_only_the_first_of_two_copies_parks(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()

        assert scenario.park("x")
        assert not scenario.park("x")
        assert scenario.park("x", 2)
        assert scenario.task("x").attempt == 3

    def test_nothing_is_parked_that_is_not_paused_queued_and_there(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "queued", "running", "done")
        assert not scenario.park("queued")
        scenario.claim("running")
        scenario.complete(scenario.claim("done"))
        scenario.pause()
        before = [scenario.task(name) for name in ("queued", "running", "done")]

        assert not scenario.park("running")
        assert not scenario.park("done")
        assert not scenario.park("queued", 2)
        assert not scenario.park("nobody")
        scenario.resume()
        assert not scenario.park("queued")
        assert [scenario.task(name) for name in ("queued", "running", "done")] == before

    def test_parking_and_resuming_race_and_the_wake_up_is_not_lost(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.publish_all()
        scenario.pause()
        assert store.claim_task(scenario.task_id("x"), 1, WORKER, LEASE, at(4)) is NotClaimed.PAUSED
        assert scenario.resume() == []

        assert not scenario.park("x")
        assert scenario.claim("x").attempt == 1

    def test_a_parked_task_is_cancelled_with_its_run(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.pause()
        scenario.park("x")

        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(9))

        assert scenario.task("x").status is TaskStatus.CANCELLED
        assert [one.outcome for one in store.list_attempts(scenario.task_id("x"))] == ["parked"]
