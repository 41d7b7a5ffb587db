"""The state store's contract: runs that ended long ago, and taking them away in bounded steps."""

from __future__ import annotations

from core.ids import job_id_for
from core.listing import RunFilter, TaskFilter
from core.model import RunStatus
from core.ports import StateStore
from testing.contracts.scenario import BROKEN, Scenario, at, new_job
from testing.contracts.state_runs import again, onward

NOBODY = job_id_for("nobody", {}, "nobody")


def ended(store: StateStore, content: str, *names: str, when: float) -> Scenario:
    scenario = Scenario.started(store, *names, content=content)
    scenario.complete(scenario.claim(names[0]))
    scenario.finish(when=when)
    return scenario


class RetentionContract:
    def test_runs_come_the_longest_ended_first_up_to_the_limit(self, store: StateStore) -> None:
        late, early, middle = (ended(store, c, "x", when=when) for c, when in (("a", 30), ("b", 10), ("c", 20)))
        Scenario.started(store, "x", content="d")

        found = [(scenario.job_id, 1) for scenario in (early, middle, late)]

        assert list(store.ended_runs(at(100), 10)) == found
        assert list(store.ended_runs(at(100), 2)) == found[:2]
        assert list(store.ended_runs(at(30), 10)) == found[:2]
        assert list(store.ended_runs(at(10), 10)) == []

    def test_a_run_is_deleted_with_its_tasks_and_its_history(self, store: StateStore) -> None:
        scenario, other = ended(store, "a", "x", "y", when=5), ended(store, "b", "x", when=6)

        assert store.delete_run(scenario.job_id, 1, 100)

        assert store.load_run(scenario.job_id, 1) is None
        assert store.load_task(scenario.task_id("x")) is None
        assert list(store.list_attempts(scenario.task_id("x"))) == []
        assert list(store.list_events(scenario.job_id, 1)) == []
        assert list(store.stage_results(scenario.job_id, 1, 1)) == []
        assert list(store.list_tasks(scenario.job_id, 1, TaskFilter(), None, 10)) == []
        assert [run.job_id for run in store.list_runs(RunFilter(), None, 10)] == [other.job_id]
        assert list(store.ended_runs(at(100), 10)) == [(other.job_id, 1)]

    def test_it_goes_in_steps_and_the_run_with_the_call_that_finds_less_than_the_limit(self, store: StateStore) -> None:
        scenario = ended(store, "a", "t1", "t2", "t3", "t4", when=5)

        assert not store.delete_run(scenario.job_id, 1, 2)
        assert [task.name for task in store.list_tasks(scenario.job_id, 1, TaskFilter(), None, 10)] == ["t3", "t4"]
        assert scenario.run().stages[0].total == 4
        assert scenario.told().count(("task_started", "")) == 0
        assert list(store.ended_runs(at(100), 10)) == [(scenario.job_id, 1)]
        assert not store.delete_run(scenario.job_id, 1, 2)
        assert store.delete_run(scenario.job_id, 1, 2)
        assert store.load_run(scenario.job_id, 1) is None

    def test_a_run_that_is_not_there_is_gone(self, store: StateStore) -> None:
        scenario = ended(store, "a", "x", when=5)
        store.delete_run(scenario.job_id, 1, 10)

        assert store.delete_run(scenario.job_id, 1, 10)
        assert store.delete_run(NOBODY, 1, 10)

    def test_a_run_that_goes_on_is_left(self, store: StateStore) -> None:
        scenario = Scenario.started(store, "x")
        before = (scenario.run(), scenario.task("x"), scenario.waiting())

        assert not store.delete_run(scenario.job_id, 1, 10)

        assert (scenario.run(), scenario.task("x"), scenario.waiting()) == before

    def test_the_job_goes_with_its_last_run_and_its_key_is_free(self, store: StateStore) -> None:
        first, other = new_job("a", key="k"), new_job("b", key="k")
        store.submit_job(first, at(0))
        store.finish_run(first.job_id, 1, RunStatus.FAILED, None, BROKEN, at(1))

        assert store.delete_run(first.job_id, 1, 10)

        assert store.latest_run(first.job_id) is None
        assert store.submit_job(other, at(2)).created

    def test_a_job_that_is_gone_can_be_submitted_anew(self, store: StateStore) -> None:
        scenario = ended(store, "a", "x", when=5)
        store.delete_run(scenario.job_id, 1, 10)

        again = scenario.submit_again(when=9)

        assert (again.created, again.run.run, again.run.created_at) == (True, 1, at(9))
        assert scenario.open(1, "x", when=9).opened
        assert scenario.claim("x", when=10).attempt == 1

    def test_the_latest_run_goes_only_after_the_others(self, store: StateStore) -> None:
        scenario = ended(store, "a", "x", when=5)
        again(scenario)
        second = scenario.of_run(2)
        second.finish(when=30)

        assert not store.delete_run(scenario.job_id, 2, 10)
        assert store.delete_run(scenario.job_id, 1, 10)
        assert store.latest_run(scenario.job_id) == second.run()
        assert not scenario.submit_again(when=40).created
        assert store.delete_run(scenario.job_id, 2, 10)
        assert store.latest_run(scenario.job_id) is None

    def test_what_another_run_reused_of_it_stays(self, store: StateStore) -> None:
        scenario = ended(store, "a", "x", when=5)
        onward(scenario, 1)
        second = scenario.of_run(2)
        results = list(store.stage_results(scenario.job_id, 2, 1))

        assert store.delete_run(scenario.job_id, 1, 10)

        assert list(store.stage_results(scenario.job_id, 2, 1)) == results != []
        assert second.task("x").status == "completed"
        assert second.open(2, "y").opened
