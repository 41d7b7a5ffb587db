"""The state store's contract, part one: jobs, runs and stages."""

from __future__ import annotations

import json

import pytest

from core.errors import DefinitionError, IdempotencyConflict, LeaseLost
from core.ids import JobId, job_id_for
from core.model import FailurePolicy, NotClaimed, RunStatus, StageStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import BROKEN, FLAKY, FOREVER, LEASE, WORKER, Scenario, at, new_job, new_stage

NOBODY = job_id_for("nobody", {}, "nobody")


class SubmitContract:
    def test_a_submitted_job_is_run_1_queued_with_its_message_in_the_outbox(self, store: StateStore) -> None:
        job = new_job()

        submitted = store.submit_job(job, at(5))

        assert submitted.created
        assert submitted.run == store.load_run(job.job_id, 1)
        assert (submitted.run.run, submitted.run.status, submitted.run.stages) == (1, RunStatus.QUEUED, ())
        assert (submitted.run.job_type, submitted.run.tenant) == (job.job_type, job.tenant)
        assert json.loads(submitted.run.parameters_json) == {"content": "a"}
        assert (submitted.run.created_at, submitted.run.updated_at) == (at(5), at(5))
        assert [row.message for row in submitted.outbox] == [job.message]
        assert list(store.unpublished(10, at(6))) == list(submitted.outbox)

    def test_the_same_job_again_is_the_same_run_and_writes_nothing(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        before = scenario.run()

        again = scenario.submit_again(when=9)

        assert (again.created, again.outbox, again.run) == (False, (), before)
        assert scenario.run() == before
        assert scenario.outbox() == ["job"]
        assert len(store.list_events(scenario.job_id, 1)) == 1

    def test_a_job_that_has_ended_is_returned_as_it_ended(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(3))

        again = scenario.submit_again(when=9)

        assert (again.created, again.run.status) == (False, RunStatus.CANCELLED)

    def test_an_idempotency_key_with_the_same_content_gives_the_same_job(self, store: StateStore) -> None:
        first = store.submit_job(new_job(key="k"), at(0))

        again = store.submit_job(new_job(key="k"), at(1))

        assert (again.created, again.run) == (False, first.run)

    def test_an_idempotency_key_with_other_content_is_a_conflict_and_writes_nothing(self, store: StateStore) -> None:
        store.submit_job(new_job("a", key="k"), at(0))

        with pytest.raises(IdempotencyConflict):
            store.submit_job(new_job("b", key="k"), at(1))

        assert store.load_run(new_job("b", key="k").job_id, 1) is None
        assert len(store.unpublished(10, at(FOREVER))) == 1

    def test_tenants_do_not_share_idempotency_keys(self, store: StateStore) -> None:
        store.submit_job(new_job("a", key="k", tenant="acme"), at(0))

        other = store.submit_job(new_job("b", key="k", tenant="umbrella"), at(1))

        assert other.created

    def test_a_run_that_is_not_there_is_none(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        assert store.load_run(NOBODY, 1) is None
        assert store.load_run(scenario.job_id, 2) is None


class StageContract:
    def test_opening_a_stage_creates_its_tasks_queued_with_their_messages(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        opened = scenario.open(1, "x", "y", when=4)

        run = scenario.run()
        assert opened.opened
        assert [row.message.message_id for row in opened.outbox] == [
            f"{scenario.task_id('x')}:1",
            f"{scenario.task_id('y')}:1",
        ]
        assert scenario.outbox() == ["job", "task", "task"]
        assert (run.status, run.current_stage, run.updated_at) == (RunStatus.PROCESSING, 1, at(4))
        stage = run.stages[0]
        assert (stage.number, stage.name, stage.status) == (1, "stage 1", StageStatus.RUNNING)
        assert (stage.total, stage.remaining, stage.failed) == (2, 2, 0)
        task = scenario.task("y")
        assert (task.status, task.attempt, task.charged, task.stage) == (TaskStatus.QUEUED, 1, 0, 1)
        assert json.loads(task.parameters_json) == {"of": "y"}

    def test_opening_a_stage_twice_writes_nothing_the_second_time(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        before = (scenario.run(), scenario.outbox())

        again = scenario.open(1, "x", when=9)

        assert (again.opened, again.outbox) == (False, ())
        assert (scenario.run(), scenario.outbox()) == before

    def test_a_stage_is_not_opened_out_of_order(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        assert not scenario.open(2, "x").opened
        assert scenario.run().status is RunStatus.QUEUED
        assert scenario.open(1, "x").opened
        scenario.complete(scenario.claim("x"))
        assert not scenario.open(3, "x").opened
        assert not scenario.open(1, "z").opened
        assert scenario.run().current_stage == 1
        assert store.load_task(scenario.task_id("z")) is None

    def test_a_stage_is_not_opened_while_the_one_before_runs(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.complete(scenario.claim("x"))

        assert not scenario.open(2, "z").opened
        assert store.load_task(scenario.task_id("z", 2)) is None

    def test_the_next_stage_opens_once_the_one_before_has_ended(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.complete(scenario.claim("x"))

        assert scenario.open(2, "z").opened
        assert [stage.number for stage in scenario.run().stages] == [1, 2]

    def test_an_empty_stage_ends_at_once(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        opened = scenario.open(1)

        assert opened.opened
        assert [row.message.message_type for row in opened.outbox] == ["stage_complete"]
        assert scenario.outbox() == ["job", "stage_complete"]
        stage = scenario.run().stages[0]
        assert (stage.status, stage.total, stage.remaining) == (StageStatus.COMPLETED, 0, 0)
        assert scenario.open(2, "z").opened

    def test_repeated_task_ids_are_refused_and_nothing_is_written(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        before = scenario.run()

        with pytest.raises(DefinitionError):
            scenario.open(1, "x", "y", "x", when=7)

        assert scenario.run() == before
        assert scenario.outbox() == ["job"]
        assert store.load_task(scenario.task_id("x")) is None
        assert len(store.list_events(scenario.job_id, 1)) == 1

    def test_no_stage_opens_in_a_run_that_has_ended_or_is_not_there(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(1))

        assert not scenario.open(1, "x").opened
        assert not store.open_stage(NOBODY, 1, new_stage(NOBODY, 1, ["x"]), at(1)).opened
        assert store.load_task(scenario.task_id("x")) is None
        assert scenario.outbox() == []

    def test_two_jobs_do_not_meet(self, store: StateStore) -> None:
        one, other = Scenario.started(store, "x"), Scenario.started(store, "x", content="b")

        one.fail(one.claim("x"))

        assert (one.run().status, other.run().status) == (RunStatus.FAILED, RunStatus.PROCESSING)
        assert other.task("x").status is TaskStatus.QUEUED
        assert other.outbox() == ["job", "task"]

    def test_a_stage_of_thousands_of_tasks_opens_and_keeps_their_order(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        names = [f"t{number}" for number in range(2_000)]

        opened = scenario.open(1, *reversed(names))

        assert len(opened.outbox) == 2_000
        assert [found.name for found in store.stage_results(scenario.job_id, 1, 1)] == names[::-1]


class RunEndContract:
    def test_a_run_is_finished_once(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.complete(scenario.claim("x"))

        first = store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, '{"sum": 1}', None, at(8))
        second = store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(9))

        run = scenario.run()
        assert (first, second) == (True, False)
        assert (run.status, run.error, run.updated_at, run.ended) == (RunStatus.COMPLETED, None, at(8), True)
        assert json.loads(run.result_json or "") == {"sum": 1}

    def test_a_late_caller_does_not_end_a_run_that_has_moved_on(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        before = scenario.run()

        assert not store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(8), 0)
        assert scenario.run() == before
        assert store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(9), 1)

    def test_a_run_without_stages_is_finished_as_such(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        assert not store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(8), 1)
        assert store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(9), 0)

    def test_a_run_that_is_cancelled_before_its_first_stage_takes_its_message_along(self, store: StateStore) -> None:
        scenario, other = Scenario.submitted(store), Scenario.submitted(store, "b")
        (row, _) = store.unpublished(10, at(FOREVER))

        scenario.finish()

        assert scenario.waiting() == [other.job.message.message_id]
        assert store.still_unpublished([row.row_id]) == set()
        store.mark_published([row.row_id], at(9))
        assert list(store.reissue_stale(at(FOREVER), at(FOREVER), 10)) == []

    def test_a_run_that_has_completed_has_nothing_left_to_publish(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.complete(scenario.claim("x"))
        rows = [row.row_id for row in store.unpublished(10, at(FOREVER))]

        store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "{}", None, at(8))

        assert store.still_unpublished(rows) == set()
        assert scenario.waiting() == []
        assert scenario.waiting() == []

    def test_a_run_that_is_not_there_is_not_finished(self, store: StateStore) -> None:
        assert store.finish_run(NOBODY, 1, RunStatus.FAILED, None, BROKEN, at(0)) is False

    def test_ending_a_run_cancels_what_has_not_ended_and_drops_its_messages(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "done", "running", "queued")
        other = Scenario.started(store, "x", content="b")
        scenario.complete(scenario.claim("done"))
        lease = scenario.claim("running")

        store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(5))

        statuses = [scenario.task(name).status for name in ("done", "running", "queued")]
        assert statuses == [TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.CANCELLED]
        stage = scenario.run().stages[0]
        assert (stage.status, stage.remaining) == (StageStatus.CANCELLED, 0)
        assert {row.message.message_id for row in store.unpublished(10, at(FOREVER))} == {
            other.job.message.message_id,
            f"{other.task_id('x')}:1",
        }
        with pytest.raises(LeaseLost):
            scenario.complete(lease)

    def test_a_terminal_run_absorbs_every_later_transition(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        lease = scenario.claim("x")
        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, BROKEN, at(5))
        before = (scenario.run(), scenario.task("x"), scenario.task("y"), scenario.outbox())
        events = list(store.list_events(scenario.job_id, 1))

        scenario.submit_again()
        assert not scenario.open(1, "x").opened
        assert not scenario.open(2, "x").opened
        assert not store.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "{}", None, at(6))
        assert store.claim_task(scenario.task_id("y"), 1, WORKER, LEASE, at(6)) is NotClaimed.ENDED
        for write in (scenario.complete, scenario.fail, scenario.requeue):
            with pytest.raises(LeaseLost):
                write(lease)

        assert (scenario.run(), scenario.task("x"), scenario.task("y"), scenario.outbox()) == before
        assert list(store.list_events(scenario.job_id, 1)) == events

    def test_the_error_of_a_failed_run_is_kept(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)

        store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, FLAKY, at(5))

        assert (scenario.run().error, scenario.run().result_json) == (FLAKY, None)


class StageResultsContract:
    def test_results_come_in_the_order_of_creation_whatever_the_order_of_completion(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "c", "a", "b", policy=FailurePolicy.TOLERATE)
        scenario.complete(scenario.claim("b"))
        scenario.fail(scenario.claim("c"))

        results = store.stage_results(scenario.job_id, 1, 1)

        assert [(found.name, found.status) for found in results] == [
            ("c", TaskStatus.FAILED),
            ("a", TaskStatus.QUEUED),
            ("b", TaskStatus.COMPLETED),
        ]
        assert [found.error for found in results] == [BROKEN, None, None]
        assert results[2].result == {"answer": 42}

    def test_a_stage_that_was_not_opened_has_no_results(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "a")

        assert list(store.stage_results(scenario.job_id, 1, 2)) == []
        assert list(store.stage_results(JobId("0" * 64), 1, 1)) == []
