from __future__ import annotations

import pytest

from core.errors import CapacityExceeded, DefinitionError, InvalidIdentifier, JobNotFound, LeaseLost
from core.ids import WorkerId
from core.model import Claimed, FailurePolicy, RunStatus
from core.ports import StateStore
from testing.clock import FakeClock
from testing.contracts.scenario import DONE, LEASE, START, WORKER, Scenario, at, new_job
from testing.contracts.state_runs import again, onward
from testing.mock_state import MockStateManager

JOB_ID = "b" * 64


def test_it_is_a_state_store() -> None:
    store: StateStore = MockStateManager()

    assert store.load_run(new_job().job_id, 1) is None


class TestPuttingThingsInPlace:
    def test_a_test_job_is_there_without_having_been_submitted(self) -> None:
        state = MockStateManager()

        run = state.create_test_job("my_job", {"n": 1}, job_id=JOB_ID, retry_budget=2)

        assert state.load_run(run.job_id, 1) == run
        assert (run.job_id, run.job_type, run.status, run.retry_budget) == (
            JOB_ID,
            "my_job",
            RunStatus.PROCESSING,
            2,
        )
        assert state.unpublished(10, at(1e9)) == []

    def test_a_test_task_is_queued_and_can_be_claimed(self) -> None:
        state = MockStateManager()
        run = state.create_test_job("my_job")

        task = state.create_test_task(run.job_id, "my_task", {"x": 1}, stage=2, name="page-1")

        assert (task.stage, task.name, task.status, task.parameters_json) == (2, "page-1", "queued", '{"x": 1}')
        assert isinstance(state.claim_task(task.task_id, 1, WorkerId("w"), 60, at(0)), Claimed)

    def test_the_stages_of_test_tasks_stand_in_order(self) -> None:
        state = MockStateManager()
        run = state.create_test_job("my_job")
        for stage in (3, 1, 2, 1):
            state.create_test_task(
                run.job_id, "my_task", stage=stage, name=f"t{stage}{len(state.open_runs()[0].stages)}"
            )

        found = state.load_run(run.job_id, 1)

        assert found is not None
        assert [(stage.number, stage.total) for stage in found.stages] == [(1, 2), (2, 1), (3, 1)]

    def test_completing_a_test_task_ends_its_stage(self) -> None:
        state = MockStateManager()
        run = state.create_test_job("my_job")
        task = state.create_test_task(run.job_id, "my_task", failure_policy=FailurePolicy.TOLERATE)
        claim = state.claim_task(task.task_id, 1, WORKER, LEASE, at(0))
        assert isinstance(claim, Claimed)

        finished = state.finish_attempt(claim.lease, DONE, None, at(1))

        assert [row.message.message_type for row in finished.outbox] == ["stage_complete"]

    def test_a_test_job_without_stages_can_be_reconciled(self) -> None:
        state = MockStateManager()
        state.create_test_job("my_job")

        assert state.reissue_stale(at(1e6), at(1e6), 10) == []

    def test_wrong_ids_and_names_are_refused(self) -> None:
        state = MockStateManager()
        run = state.create_test_job("my_job")
        state.create_test_task(run.job_id, "my_task", name="x")

        with pytest.raises(InvalidIdentifier):
            state.create_test_job("my_job", job_id="job-1")
        with pytest.raises(JobNotFound):
            state.create_test_task("c" * 64, "my_task")
        with pytest.raises(InvalidIdentifier):
            state.create_test_task(run.job_id, "my_task", name="a b")
        with pytest.raises(DefinitionError):
            state.create_test_task(run.job_id, "my_task", name="x")

        assert len(state.get_state_snapshot()["tasks"]) == 1


class TestLookingIn:
    def test_the_snapshot_has_jobs_tasks_and_stage_stats(self) -> None:
        state = MockStateManager()
        scenario = Scenario.started(state, "x", "y")
        scenario.complete(scenario.claim("x"))

        snapshot = state.get_state_snapshot()

        assert set(snapshot) == {"jobs", "tasks", "stage_stats"}
        job = snapshot["jobs"][scenario.job_id]
        assert job == {
            "job_type": "contract_job",
            "run": 1,
            "status": "processing",
            "current_stage": 1,
            "parameters": {"content": "a"},
            "result": None,
            "error": None,
            "retries_used": 0,
        }
        task = snapshot["tasks"][scenario.task_id("x")]
        assert (task["status"], task["result"], task["parameters"]) == ("completed", {"answer": 42}, {"of": "x"})
        assert set(task) == {
            "job_id",
            "stage",
            "name",
            "task_type",
            "status",
            "attempt",
            "parameters",
            "result",
            "error",
        }
        stats = snapshot["stage_stats"][f"{scenario.job_id}:1:1"]
        assert (stats["total"], stats["completed"], stats["queued"], stats["failed"]) == (2, 1, 1, 0)

    def test_an_empty_store_has_an_empty_snapshot(self) -> None:
        assert MockStateManager().get_state_snapshot() == {"jobs": {}, "tasks": {}, "stage_stats": {}}

    def test_a_snapshot_is_a_copy(self) -> None:
        state = MockStateManager()
        Scenario.started(state, "x")
        state.get_state_snapshot()["jobs"].clear()

        assert len(state.get_state_snapshot()["jobs"]) == 1

    def test_the_operation_log_tells_what_was_asked_and_what_came_of_it(self) -> None:
        state = MockStateManager()
        scenario = Scenario.started(state, "x")
        lease = scenario.claim("x")
        state.claim_task(scenario.task_id("x"), 1, WORKER, LEASE, at(1))
        scenario.complete(lease)
        with pytest.raises(LeaseLost):
            scenario.complete(lease)

        log = [(entry["operation"], entry["result"]) for entry in state.get_operation_log()]

        assert log == [
            ("submit_job", "created"),
            ("open_stage", "stage 1, 1 tasks"),
            ("claim_task", "claimed"),
            ("claim_task", "running"),
            ("finish_attempt", "completed"),
            ("finish_attempt", "lease_lost"),
        ]
        assert state.get_operation_log()[2]["key"] == scenario.task_id("x")

    def test_open_runs_and_the_next_due_lease(self) -> None:
        state = MockStateManager(FakeClock(START))
        scenario = Scenario.started(state, "x")
        assert state.next_due() is None

        scenario.claim("x", when=0, lease=60)

        assert state.next_due() == at(60)
        assert [run.job_id for run in state.open_runs()] == [scenario.job_id]
        state.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, None, at(1))
        assert (state.open_runs(), state.next_due()) == ([], None)
        assert [run.job_id for run in state.failed_runs()] == [scenario.job_id]


class TestBounds:
    def test_too_many_tasks_are_refused_and_nothing_is_written(self) -> None:
        state = MockStateManager(max_tasks=2)
        scenario = Scenario.submitted(state)
        before = (state.get_state_snapshot(), scenario.outbox())

        with pytest.raises(CapacityExceeded):
            scenario.open(1, "a", "b", "c")

        assert (state.get_state_snapshot(), scenario.outbox()) == before
        assert scenario.open(1, "a", "b").opened

    def test_too_many_bytes_are_refused_and_nothing_is_written(self) -> None:
        state = MockStateManager(max_bytes=100)
        scenario = Scenario.started(state, "x")
        lease = scenario.claim("x")
        before = (state.get_state_snapshot(), scenario.outbox(), state.list_attempts(lease.task_id))

        for write in (
            lambda: state.finish_attempt(lease, type(DONE)("x" * 100), None, at(2)),
            lambda: state.save_checkpoint(lease, "x" * 100, LEASE, at(2)),
            lambda: state.finish_run(scenario.job_id, 1, RunStatus.COMPLETED, "x" * 100, None, at(2)),
        ):
            with pytest.raises(CapacityExceeded):
                write()

        assert (state.get_state_snapshot(), scenario.outbox(), state.list_attempts(lease.task_id)) == before
        assert scenario.complete(lease).task_status == "completed"

    def test_another_run_that_does_not_fit_is_refused_and_nothing_is_written(self) -> None:
        state = MockStateManager(max_tasks=3)
        scenario = Scenario.started(state, "a", "b")
        for name in ("a", "b"):
            scenario.complete(scenario.claim(name))
        scenario.finish()
        before = (state.get_state_snapshot(), scenario.waiting())

        with pytest.raises(CapacityExceeded):
            onward(scenario, 1)

        assert (state.get_state_snapshot(), scenario.waiting()) == before
        assert again(scenario) is not None

    def test_a_run_that_is_deleted_gives_its_room_back(self) -> None:
        state = MockStateManager(max_tasks=2, max_bytes=100)
        for second in range(5):
            scenario = Scenario.started(state, "a", "b", content=str(second))
            scenario.complete(scenario.claim("a"))
            scenario.finish()

            assert state.delete_run(scenario.job_id, 1, 10)

        assert state.get_state_snapshot() == {"jobs": {}, "tasks": {}, "stage_stats": {}}

    def test_a_checkpoint_that_replaces_another_is_charged_for_the_difference(self) -> None:
        state = MockStateManager(max_bytes=200)
        scenario = Scenario.started(state, "x")
        lease = scenario.claim("x")

        for _ in range(10):
            state.save_checkpoint(lease, "x" * 100, LEASE, at(2))

        assert len(scenario.task("x").checkpoint_json or "") == 100
