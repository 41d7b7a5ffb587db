"""Two tasks of one stage that end at the same moment: the stage ends once, and so does its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from core.decisions import Requeue
from core.errors import LeaseLost
from core.model import (
    FailurePolicy,
    Finished,
    Lease,
    NotClaimed,
    RunStatus,
    StageStatus,
    TaskStatus,
)
from core.ports import AttemptEnd, StateStore
from infrastructure.postgres.runs import MAX_SHARDS, TASKS_A_SHARD
from testing.contracts.scenario import (
    BROKEN,
    DONE,
    FLAKY,
    LEASE,
    WORKER,
    Scenario,
    at,
    task_message,
)
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, at_once, by, on


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def complete(lease: Lease) -> Callable[[StateStore], Finished]:
    return lambda store: store.finish_attempt(lease, DONE, None, at(6))


def cancel(scenario: Scenario) -> Callable[[StateStore], bool]:
    return lambda store: store.finish_run(scenario.job_id, 1, RunStatus.CANCELLED, None, None, at(7), actor="alice")


def stage_ends(scenario: Scenario) -> int:
    return [kind for kind, _ in scenario.told()].count("stage_ended")


def ended_but_two(arena: Arena, shards: int) -> tuple[Scenario, Lease, Lease]:
    """A stage in which two tasks are left: the first of the first shard and the first of the last one."""
    names = [f"t{number:03}" for number in range(shards * TASKS_A_SHARD)]
    scenario = Scenario.started(arena.store, *names)
    last = names[shards - 1] if shards > 1 else names[1]
    leases = {name: scenario.claim(name) for name in names}
    others = [AttemptEnd(lease, DONE, None, at(3)) for name, lease in leases.items() if name not in (names[0], last)]
    assert None not in arena.store.finish_attempts(others)
    return scenario, leases[names[0]], leases[last]


class TestTheLastTwoOfAStage:
    @pytest.mark.parametrize("shards", range(1, MAX_SHARDS + 1))
    def test_the_second_ends_it(self, arena: Arena, shards: int) -> None:
        scenario, one, other = ended_but_two(arena, shards)
        first, second = arena.holder(), arena.session()
        early = complete(one)(first.store)

        answer = second.start(complete(other))
        assert arena.waits(second, first)
        first.commit()

        late = answer.result(PATIENT)
        assert (len(early.outbox), len(late.outbox)) == (0, 1)
        assert arena.number("SELECT count(*) FROM coremachine.stage_shards") == shards
        assert (stage_ends(scenario), scenario.outbox().count("stage_complete")) == (1, 1)
        assert scenario.run().stages[0].status is StageStatus.COMPLETED

    @pytest.mark.parametrize("shards", [1, 2, 16])
    def test_one_of_them_ends_it_whoever_is_first(self, arena: Arena, shards: int) -> None:
        scenario, one, other = ended_but_two(arena, shards)
        stores = [arena.session().store, arena.session().store]

        finished = at_once([lambda: complete(one)(stores[0]), lambda: complete(other)(stores[1])])

        assert sorted(len(answer.outbox) for answer in finished) == [0, 1]
        assert (stage_ends(scenario), scenario.outbox().count("stage_complete")) == (1, 1)

    def test_two_batches_end_it_once(self, arena: Arena) -> None:
        names = [f"t{number:03}" for number in range(64)]
        scenario = Scenario.started(arena.store, *names)
        ends = [AttemptEnd(scenario.claim(name), DONE, None, at(3)) for name in names]
        first, second = arena.holder(), arena.session()
        early = first.store.finish_attempts(ends[:32])

        answer = second.start(lambda store: store.finish_attempts(ends[32:]))
        assert arena.waits(second, first)
        first.commit()

        rows = [row for one in [*early, *answer.result(PATIENT)] if one is not None for row in one.outbox]
        assert len(rows) == 1
        assert (scenario.run().stages[0].remaining, stage_ends(scenario)) == (0, 1)


class TestFailFast:
    def test_a_completion_after_a_failure_has_lost_its_lease(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        x, y = scenario.claim("x"), scenario.claim("y")
        on(first, scenario).fail(x)

        answer = second.start(complete(y))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert scenario.task("y").status is TaskStatus.CANCELLED

    def test_a_failure_waits_for_a_completion_and_keeps_it(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        x, y = scenario.claim("x"), scenario.claim("y")
        complete(y)(first.store)

        answer = second.start(by(scenario, lambda late: late.fail(x)))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT) == (TaskStatus.FAILED, RunStatus.FAILED, ())
        assert scenario.task("y").status is TaskStatus.COMPLETED
        assert (scenario.run().stages[0].remaining, scenario.run().stages[0].failed) == (0, 1)

    def test_of_two_failures_the_first_is_the_run_s(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        x, y = scenario.claim("x"), scenario.claim("y")
        on(first, scenario).fail(x, BROKEN)

        answer = second.start(by(scenario, lambda late: late.fail(y, FLAKY)))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert scenario.run().error == BROKEN
        assert scenario.task("y").status is TaskStatus.CANCELLED
        assert [kind for kind, _ in scenario.told()].count("job_ended") == 1

    def test_a_failure_that_lost_its_lease_meanwhile_is_undone(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        first.lock("runs", run=1)

        answer = second.start(by(scenario, lambda late: late.fail(lease)))
        assert arena.waits(second, first)
        scenario.requeue(lease, charged=False)
        successor = scenario.claim("x", 2)
        first.rollback()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert scenario.run().status is RunStatus.PROCESSING
        assert scenario.task("y").status is TaskStatus.QUEUED
        assert scenario.complete(successor).task_status is TaskStatus.COMPLETED

    def test_a_failure_holds_no_count_while_it_waits_for_other_tasks(self, arena: Arena) -> None:
        scenario = Scenario.started(arena.store, "a", "b", "c")
        a, b, c = (scenario.claim(name) for name in "abc")
        first, failing, ending = arena.holder(), arena.session(), arena.session()
        on(first, scenario).store.renew_lease(a, LEASE, at(3))
        first.lock("tasks", name="a")

        answer = failing.start(by(scenario, lambda late: late.fail(c)))
        assert arena.waits(failing, first)
        assert ending.start(complete(b)).result(PATIENT).task_status is TaskStatus.COMPLETED
        first.commit()

        assert answer.result(PATIENT).run_status is RunStatus.FAILED
        assert [scenario.task(name).status for name in "abc"] == ["cancelled", "completed", "failed"]


class TestRetryBudget:
    def test_of_two_retries_over_the_last_of_the_budget_one_is_a_failure(self, arena: Arena) -> None:
        scenario = Scenario.started(arena.store, "x", "y", policy=FailurePolicy.TOLERATE, budget=1)
        first, second = arena.holder(), arena.session()
        x, y = scenario.claim("x"), scenario.claim("y")
        on(first, scenario).requeue(x)

        answer = second.start(by(scenario, lambda late: late.requeue(y)))
        assert arena.waits(second, first)
        first.commit()

        assert answer.result(PATIENT).task_status is TaskStatus.FAILED
        assert (scenario.task("x").attempt, scenario.run().retries_used) == (2, 1)

    def test_an_attempt_that_is_interrupted_as_its_run_ends_has_lost_its_lease(self, arena: Arena) -> None:
        scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
        lease = scenario.claim("x")
        cancel(scenario)(first.store)
        wakeup = task_message(scenario.job_id, 1, "x", 2)

        answer = second.start(lambda store: store.finish_attempt(lease, Requeue("interrupted", False), wakeup, at(8)))
        assert arena.waits(second, first)
        first.commit()

        with pytest.raises(LeaseLost):
            answer.result(PATIENT)
        assert scenario.waiting() == []
        assert arena.store.claim_task(lease.task_id, 2, WORKER, LEASE, at(9)) is NotClaimed.ENDED
