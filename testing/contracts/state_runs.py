"""The state store's contract: further runs of a job, what they reuse and what they do again."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from core.errors import DefinitionError
from core.ids import job_id_for
from core.model import (
    EventKind,
    FailurePolicy,
    NewRun,
    NotClaimed,
    OutboundMessage,
    ReplayedStage,
    RunStatus,
    StageStatus,
    Submitted,
    TaskStatus,
)
from core.ports import StateStore
from testing.contracts.scenario import (
    BROKEN,
    LEASE,
    WORKER,
    Scenario,
    at,
    job_message,
    new_job,
    new_task,
    stage_message,
)

NOBODY = job_id_for("nobody", {}, "nobody")


def again(scenario: Scenario, run: int = 2, when: float = 20) -> Submitted | None:
    """Another run from the beginning."""
    message = job_message(scenario.job_id, run)
    return scenario.store.create_run(NewRun(scenario.job_id, run, message, None, "alice"), at(when))


def onward(scenario: Scenario, reuse: int, run: int = 2, when: float = 20) -> Submitted | None:
    """Another run that goes on behind the first ``reuse`` stages."""
    message = stage_message(scenario.job_id, reuse, run)
    return scenario.store.create_run(NewRun(scenario.job_id, run, message, None, "alice", reuse), at(when))


def replay(
    scenario: Scenario,
    tasks: Mapping[str, str | None],
    stage: int = 1,
    when: float = 20,
    message: OutboundMessage | None = None,
) -> Submitted | None:
    """Run 2, in which ``tasks`` of ``stage`` are done again, some with other parameters."""
    job_id = scenario.job_id
    chosen = tuple(new_task(job_id, stage, name, text, run=2) for name, text in tasks.items())
    replayed = ReplayedStage(stage, chosen, stage_message(job_id, stage, 2))
    return scenario.store.create_run(NewRun(job_id, 2, message, None, "alice", stage - 1, replayed), at(when))


class FurtherRunContract:
    def test_another_run_begins_anew_with_the_content_of_the_job(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", budget=3)
        scenario.requeue(scenario.claim("x"))
        scenario.finish()
        scenario.publish_all()
        message = job_message(scenario.job_id, 2)

        submitted = store.create_run(NewRun(scenario.job_id, 2, message, at(99), "alice"), at(20))

        run = scenario.of_run(2).run()
        assert submitted is not None
        assert (submitted.created, submitted.run) == (True, run)
        assert [row.message for row in submitted.outbox] == [message]
        assert scenario.waiting() == [message.message_id]
        assert (run.run, run.status, run.stages, run.paused) == (2, RunStatus.QUEUED, (), False)
        assert (run.job_type, run.tenant, run.retry_budget, run.retries_used) == ("contract_job", "acme", 3, 0)
        assert json.loads(run.parameters_json) == {"content": "a"}
        assert (run.created_at, run.updated_at, run.deadline) == (at(20), at(20), at(99))

    def test_the_run_before_stays_as_it_was(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.fail(scenario.claim("x"))
        before = (scenario.run(), scenario.task("x"), scenario.told(), list(store.list_attempts(scenario.task_id("x"))))

        again(scenario)
        scenario.of_run(2).open(1, "x")

        after = (scenario.run(), scenario.task("x"), scenario.told(), list(store.list_attempts(scenario.task_id("x"))))
        assert after == before

    def test_its_timeline_begins_with_who_asked_for_it(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.finish()

        again(scenario, when=30)

        (event,) = store.list_events(scenario.job_id, 2)
        assert (event.kind, event.actor, event.at, event.run) == (EventKind.JOB_RESUBMITTED, "alice", at(30), 2)

    def test_it_runs_as_the_first_did(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.finish()
        again(scenario)
        second = scenario.of_run(2)

        assert second.open(1, "x").opened
        lease = second.claim("x")
        second.complete(lease)

        assert second.run().stages[0].status is StageStatus.COMPLETED
        assert scenario.run().status is RunStatus.CANCELLED
        assert [row.message.message_id for row in second.store.unpublished(10, at(900))][-1] == (
            stage_message(scenario.job_id, 1, 2).message_id
        )

    def test_there_is_none_while_the_latest_run_goes_on(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert again(scenario) is None
        scenario.finish()
        assert again(scenario) is not None
        assert again(scenario) is None
        assert again(scenario, run=3) is None
        assert store.load_run(scenario.job_id, 3) is None

    def test_it_has_the_next_number(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.finish()

        assert again(scenario, run=1) is None
        assert again(scenario, run=3) is None
        assert again(scenario, run=2) is not None
        scenario.of_run(2).finish()
        assert again(scenario, run=2) is None
        assert again(scenario, run=3) is not None

    def test_there_is_none_of_a_job_that_is_not_there(self, store: StateStore) -> None:
        new = NewRun(NOBODY, 1, job_message(NOBODY), None, "alice")

        assert store.create_run(new, at(1)) is None
        assert store.load_run(NOBODY, 1) is None

    def test_submitting_again_gives_the_latest_run(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        scenario.finish()
        again(scenario)

        submitted = scenario.submit_again(when=40)

        assert (submitted.created, submitted.run) == (False, scenario.of_run(2).run())

    def test_the_latest_run_is_known(self, store: StateStore) -> None:
        scenario = Scenario.submitted(store)
        assert store.latest_run(scenario.job_id) == scenario.run()
        scenario.finish()
        again(scenario)

        assert store.latest_run(scenario.job_id) == scenario.of_run(2).run()
        assert store.latest_run(NOBODY) is None

    def test_its_messages_are_not_the_first_run_s(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.finish()
        again(scenario)
        scenario.of_run(2).open(1, "x")

        assert scenario.waiting() == [job_message(scenario.job_id, 2).message_id, f"{scenario.job_id}:2:1:x:1"]


class ReuseContract:
    def two_stages(self, store: StateStore) -> Scenario:
        """A run that was cancelled in its third stage."""
        scenario = Scenario.started(store, "b", "a", policy=FailurePolicy.TOLERATE)
        lease = scenario.claim("b")
        store.save_checkpoint(lease, '{"page": 1}', LEASE, at(1))
        store.report_progress(lease, 40, "almost", at(1))
        scenario.complete(lease)
        scenario.fail(scenario.claim("a"))
        scenario.open(2, "c")
        scenario.complete(scenario.claim("c", stage=2))
        scenario.open(3, "d")
        scenario.finish()
        return scenario

    def test_reused_stages_are_there_as_they_ended_with_their_tasks_and_results(self, store: StateStore) -> None:
        scenario = self.two_stages(store)

        submitted = onward(scenario, 2)

        second = scenario.of_run(2)
        assert submitted is not None
        assert submitted.run == second.run()
        assert second.run().stages == scenario.run().stages[:2]
        assert second.run().status is RunStatus.QUEUED
        for stage in (1, 2):
            assert list(store.stage_results(scenario.job_id, 2, stage)) == list(
                store.stage_results(scenario.job_id, 1, stage)
            )
        task = second.task("b")
        assert (task.status, task.attempt, task.run) == (TaskStatus.COMPLETED, 1, 2)
        assert (task.checkpoint_json, task.progress_percent, task.progress_message) == ('{"page": 1}', 40, "almost")
        assert (second.task("a").error, second.task("a").charged) == (BROKEN, 1)
        assert json.loads(task.parameters_json) == {"of": "b"}

    def test_it_goes_on_behind_them(self, store: StateStore) -> None:
        scenario = self.two_stages(store)
        scenario.publish_all()

        submitted = onward(scenario, 1)

        message = stage_message(scenario.job_id, 1, 2)
        assert submitted is not None
        assert [row.message for row in submitted.outbox] == [message]
        assert scenario.waiting() == [message.message_id]
        second = scenario.of_run(2)
        assert not second.open(1, "z").opened
        assert not second.open(3, "z").opened
        assert second.open(2, "z").opened
        assert second.run().status is RunStatus.PROCESSING

    def test_its_wake_up_is_reissued_once_it_is_stale(self, store: StateStore) -> None:
        scenario = self.two_stages(store)
        onward(scenario, 2)
        scenario.publish_all(when=30)

        rows = store.reissue_stale(at(31), at(900), 10)

        assert [row.message for row in rows] == [stage_message(scenario.job_id, 2, 2)]

    def test_what_is_reused_brings_no_attempts_and_no_events(self, store: StateStore) -> None:
        scenario = self.two_stages(store)

        onward(scenario, 2)

        assert list(store.list_attempts(scenario.of_run(2).task_id("b"))) == []
        assert [kind for kind, _ in scenario.of_run(2).told()] == ["job_resubmitted"]

    def test_a_reused_task_has_ended(self, store: StateStore) -> None:
        scenario = self.two_stages(store)
        onward(scenario, 2)
        second = scenario.of_run(2)

        for name in ("a", "b"):
            for attempt in (1, 2):
                claim = store.claim_task(second.task_id(name), attempt, WORKER, LEASE, at(30))
                assert claim is NotClaimed.ENDED

    def test_stages_that_did_not_end_are_not_reused(self, store: StateStore) -> None:
        scenario = self.two_stages(store)

        with pytest.raises(DefinitionError):
            onward(scenario, 4)

        assert store.load_run(scenario.job_id, 2) is None
        assert onward(scenario, 2) is not None

    def test_a_run_can_be_resubmitted_again_and_again(self, store: StateStore) -> None:
        scenario = self.two_stages(store)
        for number in range(2, 6):
            assert onward(scenario, 2, run=number) is not None
            scenario.of_run(number).finish()

        assert scenario.of_run(5).run().stages == scenario.run().stages[:2]
        assert len(store.stage_results(scenario.job_id, 5, 1)) == 2


class ReplayContract:
    def failed(self, store: StateStore, policy: FailurePolicy = FailurePolicy.FAIL_FAST) -> Scenario:
        """A run whose tasks ended in every way: of its second stage, ``bad`` failed and ``cut`` was cancelled."""
        scenario = Scenario.started(store, "first")
        scenario.complete(scenario.claim("first"))
        scenario.open(2, "cut", "bad", "good", policy=policy)
        scenario.complete(scenario.claim("good", stage=2))
        lease = scenario.claim("bad", stage=2)
        store.save_checkpoint(lease, '{"page": 1}', LEASE, at(1))
        store.report_progress(lease, 40, "almost", at(1))
        scenario.fail(lease)
        if policy is FailurePolicy.TOLERATE:
            scenario.finish()
        scenario.publish_all()
        return scenario

    def test_the_chosen_tasks_are_queued_anew_and_the_others_stay_as_they_ended(self, store: StateStore) -> None:
        scenario = self.failed(store)

        submitted = replay(scenario, {"bad": None, "cut": None}, stage=2)

        second = scenario.of_run(2)
        assert submitted is not None
        assert submitted.run == second.run()
        assert second.run().status is RunStatus.PROCESSING
        first, stage = second.run().stages
        assert first == scenario.run().stages[0]
        assert (stage.status, stage.total, stage.remaining, stage.failed) == (StageStatus.RUNNING, 3, 2, 0)
        bad = second.task("bad", 2)
        assert (bad.status, bad.attempt, bad.charged) == (TaskStatus.QUEUED, 1, 0)
        assert (bad.error, bad.result_json, bad.checkpoint_json, bad.progress_percent) == (None, None, None, None)
        assert second.task("good", 2).status is TaskStatus.COMPLETED
        assert [found.name for found in store.stage_results(scenario.job_id, 2, 2)] == ["cut", "bad", "good"]

    def test_their_messages_are_in_the_outbox_in_the_order_of_the_choice(self, store: StateStore) -> None:
        scenario = self.failed(store)

        submitted = replay(scenario, {"bad": None, "cut": None}, stage=2)

        assert submitted is not None
        ids = [f"{scenario.job_id}:2:2:{name}:1" for name in ("bad", "cut")]
        assert [row.message.message_id for row in submitted.outbox] == ids
        assert scenario.waiting() == ids

    def test_their_wake_ups_are_those_of_first_attempts(self, store: StateStore) -> None:
        scenario = self.failed(store)
        replay(scenario, {"bad": None, "cut": None}, stage=2)
        scenario.publish_all(when=30)

        rows = store.reissue_stale(at(31), at(900), 10)

        assert [row.message.message_id for row in rows] == [
            f"{scenario.job_id}:2:2:{name}:1" for name in ("cut", "bad")
        ]

    def test_the_stage_ends_with_the_last_of_them(self, store: StateStore) -> None:
        scenario = self.failed(store)
        replay(scenario, {"bad": None, "cut": None}, stage=2)
        second = scenario.of_run(2)

        second.complete(second.claim("cut", stage=2))
        finished = second.complete(second.claim("bad", stage=2))

        assert [row.message for row in finished.outbox] == [stage_message(scenario.job_id, 2, 2)]
        assert second.run().stages[1].status is StageStatus.COMPLETED
        assert second.open(3, "z").opened

    def test_edited_parameters_are_the_new_run_s_and_audited(self, store: StateStore) -> None:
        scenario = self.failed(store)

        replay(scenario, {"bad": '{"of": "edited"}', "cut": None}, stage=2, when=33)

        second = scenario.of_run(2)
        assert json.loads(second.task("bad", 2).parameters_json) == {"of": "edited"}
        assert json.loads(scenario.task("bad", 2).parameters_json) == {"of": "bad"}
        assert json.loads(second.claimed("bad", stage=2).parameters_json) == {"of": "edited"}
        events = store.list_events(scenario.job_id, 2)
        assert [(event.kind, event.stage, event.actor) for event in events][:3] == [
            (EventKind.JOB_RESUBMITTED, None, "alice"),
            (EventKind.STAGE_STARTED, 2, ""),
            (EventKind.PARAMETERS_EDITED, 2, "alice"),
        ]
        assert (events[2].task_id, events[2].attempt, events[2].at) == (second.task_id("bad", 2), None, at(33))

    def test_a_failed_task_that_is_not_chosen_stays_failed(self, store: StateStore) -> None:
        scenario = self.failed(store, FailurePolicy.TOLERATE)

        replay(scenario, {"cut": None}, stage=2)

        second = scenario.of_run(2)
        stage = second.run().stages[1]
        assert (stage.remaining, stage.failed) == (1, 1)
        assert second.task("bad", 2).error == BROKEN
        second.complete(second.claim("cut", stage=2))
        assert second.run().stages[1].status is StageStatus.COMPLETED_WITH_ERRORS

    def test_a_replayed_task_that_fails_again_fails_the_run_again(self, store: StateStore) -> None:
        scenario = self.failed(store)
        replay(scenario, {"bad": None, "cut": None}, stage=2)
        second = scenario.of_run(2)

        second.fail(second.claim("bad", stage=2))

        assert (second.run().status, second.run().error) == (RunStatus.FAILED, BROKEN)
        assert second.task("cut", 2).status is TaskStatus.CANCELLED

    def test_what_does_not_fit_the_run_before_is_refused_and_writes_nothing(self, store: StateStore) -> None:
        scenario = self.failed(store)

        for tasks, stage in (({}, 2), ({"nobody": None}, 2), ({"z": None}, 3), ({"z": None}, 4)):
            with pytest.raises(DefinitionError):
                replay(scenario, tasks, stage)

        assert store.load_run(scenario.job_id, 2) is None
        assert scenario.waiting() == []
        assert store.latest_run(scenario.job_id) == scenario.run()

    def test_a_replay_waits_for_the_run_before_to_end(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")

        assert replay(scenario, {"x": None}) is None
        assert store.load_run(new_job().job_id, 2) is None
