"""Two transitions of one task at the same moment: whichever was first, the other finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from core.errors import LeaseLost
from core.model import (
    Claimed,
    FailurePolicy,
    Finished,
    Lease,
    NotClaimed,
    RunStatus,
    StageStatus,
    TaskStatus,
)
from core.ports import StateStore
from testing.contracts.scenario import (
    DONE,
    LEASE,
    OTHER_WORKER,
    Scenario,
    at,
)
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, at_once, by, on


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def claim(scenario: Scenario, name: str = "x") -> Callable[[StateStore], object]:
    return lambda store: store.claim_task(scenario.task_id(name), 1, OTHER_WORKER, LEASE, at(5))


def complete(lease: Lease) -> Callable[[StateStore], Finished]:
    return lambda store: store.finish_attempt(lease, DONE, None, at(6))


def cancel(scenario: Scenario) -> Callable[[StateStore], bool]:
    return lambda store: store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(7), actor="alice")


def stage_ends(scenario: Scenario) -> int:
    return [kind for kind, _ in scenario.told()].count("stage_ended")


class TestClaims:
    def test_the_second_of_two_is_told_that_the_task_runs(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        lease = on(first, scenario).claim("x")

        answer = second.start(claim(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) is NotClaimed.RUNNING
        assert [one.token for one in arena.store.list_attempts(lease.task_id)] == [lease.token]

    def test_the_second_of_two_is_granted_where_the_first_was_not_committed(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        on(first, scenario).claim("x")

        answer = second.start(claim(scenario))
        assert arena.waits(second, first)
        first.rollback()

        assert isinstance(answer.result(PATIENT), Claimed)

    @pytest.mark.parametrize(("end", "expected"), [("complete", NotClaimed.ENDED), ("requeue", NotClaimed.STALE)])
    def test_a_claim_that_waited_finds_what_became_of_the_task(
        self, arena: Arena, end: str, expected: NotClaimed
    ) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        lease = on(first, scenario).claim("x")
        getattr(on(first, scenario), end)(lease)

        answer = second.start(claim(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) is expected

    def test_of_many_at_once_one_is_granted(self, arena: Arena) -> None:
        scenario = Scenario.started(arena.store, *(f"t{number}" for number in range(10)))
        stores = [arena.session().store for _ in range(6)]

        for number in range(10):
            name = f"t{number}"
            answers = at_once([lambda store=store, name=name: claim(scenario, name)(store) for store in stores])  # type: ignore[misc]
            assert sorted(type(answer).__name__ for answer in answers) == ["Claimed"] + ["NotClaimed"] * 5

    def test_a_claim_after_a_cancellation_is_refused(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        cancel(scenario)(first.store)

        answer = second.start(claim(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) is NotClaimed.ENDED
        assert arena.number("SELECT count(*) FROM coremachine.leases") == 0

    def test_a_cancellation_waits_for_a_claim_and_revokes_it(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        lease = on(first, scenario).claim("x")

        ended = second.start(cancel(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert ended.result(PATIENT)
        assert scenario.task("x").status is TaskStatus.CANCELLED
        assert [one.outcome for one in arena.store.list_attempts(lease.task_id)] == ["cancelled"]
        with pytest.raises(LeaseLost):
            scenario.complete(lease)


class TestCompletions:
    def test_a_completion_after_a_cancellation_has_lost_its_lease(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        cancel(scenario)(first.store)

        answer = second.start(complete(lease))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert (scenario.task("x").status, scenario.task("x").result_json) == (TaskStatus.CANCELLED, None)

    def test_a_cancellation_waits_for_a_completion_and_keeps_it(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        complete(scenario.claim("x"))(first.store)

        ended = second.start(cancel(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert ended.result(PATIENT)
        assert [scenario.task(name).status for name in "xy"] == [TaskStatus.COMPLETED, TaskStatus.CANCELLED]
        assert scenario.run().stages[0].remaining == 0

    def test_a_cancellation_waits_for_the_last_completion_and_leaves_the_stage_as_that_ended_it(
        self, arena: Arena
    ) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        complete(scenario.claim("x"))(first.store)

        ended = second.start(cancel(scenario))
        assert arena.waits(second, first)
        first.commit()

        assert ended.result(PATIENT)
        run = scenario.run()
        assert (run.status, run.stages[0].status) == (RunStatus.CANCELLED, StageStatus.COMPLETED)
        assert stage_ends(scenario) == 1
        assert scenario.told()[-1] == ("job_ended", "cancelled")
        assert scenario.waiting() == []

    @pytest.mark.parametrize("late", ["complete", "fail", "requeue"])
    def test_whoever_ends_an_attempt_second_has_lost_its_lease(self, arena: Arena, late: str) -> None:
        scenario = Scenario.started(arena.store, "x", "y", policy=FailurePolicy.TOLERATE)
        first, second = arena.holder(), arena.session()
        lease = scenario.claim("x")
        on(first, scenario).requeue(lease)

        answer = second.start(by(scenario, lambda other: getattr(other, late)(lease)))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        task = scenario.task("x")
        assert (task.status, task.attempt, task.charged, scenario.run().retries_used) == (TaskStatus.QUEUED, 2, 1, 1)
        assert scenario.run().stages[0].remaining == 2

    def test_a_completion_in_time_is_kept_from_whoever_takes_its_lease_over(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        complete(lease)(first.store)

        answer = second.start(by(scenario, lambda late: late.requeue(lease)))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert (scenario.task("x").status, scenario.run().retries_used) == (TaskStatus.COMPLETED, 0)

    def test_one_completion_sent_twice_counts_once(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        complete(lease)(first.store)

        answer = second.start(complete(lease))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert scenario.run().stages[0].remaining == 1

    @pytest.mark.parametrize("write", ["renew_lease", "save_checkpoint", "report_progress"])
    def test_what_is_written_after_a_completion_has_lost_its_lease(self, arena: Arena, write: str) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        arena.store.save_checkpoint(lease, '"early"', LEASE, at(2))
        complete(lease)(first.store)
        late = {
            "renew_lease": lambda store: store.renew_lease(lease, LEASE, at(9)),
            "save_checkpoint": lambda store: store.save_checkpoint(lease, '"late"', LEASE, at(9)),
            "report_progress": lambda store: store.report_progress(lease, 99, "late", at(9)),
        }

        answer = second.start(late[write])
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        task = scenario.task("x")
        assert (task.checkpoint_json, task.progress_message) == ('"early"', "")

    def test_a_completion_waits_for_what_its_owner_writes(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        first.store.save_checkpoint(lease, '"half"', LEASE, at(3))

        answer = second.start(complete(lease))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT).task_status is TaskStatus.COMPLETED
        assert arena.number("SELECT count(*) FROM coremachine.leases") == 0
