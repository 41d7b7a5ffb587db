"""What a store keeps of progress, and what it says goes on in a stage."""

from __future__ import annotations

from core.ids import JobId
from core.listing import TaskFilter
from core.model import FailurePolicy, RunningTask, StageActivity
from core.ports import AttemptEnd, StateStore
from testing.contracts.scenario import DONE, Scenario, at
from testing.contracts.state_runs import onward, replay

NOTHING = StageActivity(None, 0, ())


def activity(scenario: Scenario, stage: int = 1, limit: int = 10) -> StageActivity:
    return scenario.store.stage_activity(scenario.job_id, scenario.number, stage, limit)


class ProgressContract:
    """What :meth:`core.ports.Operations.stage_activity` and the newest progress of a task are."""

    def test_progress_is_kept_with_its_time_and_rate(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        lease = scenario.claim("x")
        before = scenario.task("x")

        store.report_progress(lease, 12.5, "page 1 of 8", at(3))
        first = scenario.task("x")
        store.report_progress(lease, 25, "page 2 of 8", at(5), 375.0)
        (listed,) = store.list_tasks(scenario.job_id, 1, TaskFilter(), None, 10)

        assert (before.progress_at, before.progress_rate) == (None, None)
        assert (first.progress_at, first.progress_rate) == (at(3), None)
        assert (listed.progress_percent, listed.progress_at, listed.progress_rate) == (25, at(5), 375.0)

    def test_a_stage_of_which_nothing_was_claimed_has_not_begun(self, store: StateStore) -> None:
        assert activity(Scenario.started(store, "x")) == NOTHING

    def test_what_is_not_there_has_no_activity(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        scenario.claim("x")

        assert activity(scenario, 2) == NOTHING
        assert activity(scenario.of_run(2)) == NOTHING
        assert store.stage_activity(JobId("f" * 64), 1, 1, 10) == NOTHING
        assert store.stage_activity(scenario.job_id, 1, 1 << 40, 10) == NOTHING

    def test_running_tasks_are_given_by_name_with_what_they_report(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "c", "a", "b")
        scenario.claim("c", when=1)
        lease = scenario.claim("a", when=2)
        store.report_progress(lease, 40, "page 2 of 5", at(9), 300.0)

        assert activity(scenario).running == (
            RunningTask("a", 1, at(2), 40, "page 2 of 5", at(9), 300.0),
            RunningTask("c", 1, at(1)),
        )
        assert [task.name for task in activity(scenario, limit=1).running] == ["a"]

    def test_a_task_that_ended_or_waits_again_does_not_run(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.complete(scenario.claim("x"))
        scenario.requeue(scenario.claim("y"))

        assert activity(scenario).running == ()

    def test_a_stage_begins_with_the_first_attempt_of_those_that_ended_its_tasks(self, store: StateStore) -> None:
        names = [f"t{number:02}" for number in range(40)]
        scenario = Scenario.started(store, *names, policy=FailurePolicy.TOLERATE)
        leases = [scenario.claim(name, when=50 - number) for number, name in enumerate(names)]
        running = activity(scenario)
        scenario.complete(leases[0], when=60)
        first = activity(scenario)
        scenario.fail(leases[5], when=61)
        failed = activity(scenario)
        store.finish_attempts([AttemptEnd(lease, DONE, None, at(62)) for lease in leases[20:30]])

        assert (running.began_at, running.ended) == (None, 0)
        assert (first.began_at, first.ended) == (at(50), 1)
        assert (failed.began_at, failed.ended) == (at(45), 2)
        assert (activity(scenario).began_at, activity(scenario).ended) == (at(21), 12)

    def test_an_attempt_that_was_ended_otherwise_does_not_count(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x", "y")
        scenario.requeue(scenario.claim("x", when=1), when=2)
        scenario.complete(scenario.claim("x", 2, when=10), when=11)

        assert (activity(scenario).began_at, activity(scenario).ended) == (at(10), 1)

    def test_progress_of_an_earlier_attempt_counts_where_it_left_a_checkpoint(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "kept", "lost")
        for name in ("kept", "lost"):
            lease = scenario.claim(name, when=1)
            if name == "kept":
                store.save_checkpoint(lease, "{}", 60, at(2))
            store.report_progress(lease, 60, "page 6 of 10", at(3), 60.0)
            scenario.requeue(lease, when=4)
            scenario.claim(name, 2, when=5)

        assert activity(scenario).running == (
            RunningTask("kept", 2, at(5), 60, "page 6 of 10", at(3), 60.0),
            RunningTask("lost", 2, at(5)),
        )

    def test_tasks_that_a_replay_took_over_did_not_end_in_it(self, store: StateStore) -> None:
        scenario = self.ended_with_a_failure(store)

        assert replay(scenario, {"y": None}) is not None

        second = scenario.of_run(2)
        assert (activity(scenario).began_at, activity(scenario).ended) == (at(1), 2)
        assert activity(second) == NOTHING
        second.complete(second.claim("y", when=30), when=31)
        assert (activity(second).began_at, activity(second).ended) == (at(30), 1)

    def test_a_stage_that_a_run_took_over_has_no_activity(self, store: StateStore) -> None:
        scenario = self.ended_with_a_failure(store)

        assert onward(scenario, 1) is not None

        assert activity(scenario.of_run(2)) == NOTHING

    def ended_with_a_failure(self, store: StateStore) -> Scenario:
        scenario = Scenario.started(store, "x", "y", policy=FailurePolicy.TOLERATE)
        scenario.complete(scenario.claim("x"))
        scenario.fail(scenario.claim("y"))
        scenario.finish()
        return scenario
