"""Pauses at the same moment as what they hold back.

Whatever meets whatever: a task's wake-up is given to somebody, or waits in the outbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from core.model import Claimed, NotClaimed, RunStatus, TaskStatus
from core.ports import StateStore
from testing.contracts.scenario import LEASE, WORKER, Scenario, at
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, at_once, by, on


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def test_a_stage_that_opens_under_a_pause_is_woken_by_who_resumes(arena: Arena) -> None:
    scenario, first, second = Scenario.submitted(arena.store), arena.holder(), arena.session()
    scenario.pause()
    assert on(first, scenario).open(1, "x").outbox == ()

    resumed = second.start(by(scenario, Scenario.resume))
    assert arena.waits(second, first)
    first.commit()

    assert resumed.result(PATIENT) == [f"{scenario.task_id('x')}:1"]


def test_a_stage_that_waited_for_a_resumption_is_woken_by_who_opens_it(arena: Arena) -> None:
    scenario, first, second = Scenario.submitted(arena.store), arena.holder(), arena.session()
    scenario.pause()
    on(first, scenario).resume()

    opened = second.start(by(scenario, lambda late: late.open(1, "x")))
    assert arena.waits(second, first)
    first.commit()

    assert len(opened.result(PATIENT).outbox) == 1


def test_what_was_parked_is_woken_by_who_resumes(arena: Arena) -> None:
    scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
    scenario.publish_all()
    scenario.pause()
    assert on(first, scenario).park("x")

    resumed = second.start(by(scenario, Scenario.resume))
    assert arena.waits(second, first)
    first.commit()

    assert resumed.result(PATIENT) == [f"{scenario.task_id('x')}:2"]
    assert scenario.claim("x", 2).attempt == 2


def test_nothing_is_parked_after_a_resumption(arena: Arena) -> None:
    scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
    scenario.pause()
    on(first, scenario).resume()

    parked = second.start(by(scenario, lambda late: late.park("x")))
    assert arena.waits(second, first)
    first.commit()

    assert parked.result(PATIENT) is False
    assert scenario.claim("x").attempt == 1


def test_a_claim_under_way_is_not_parked(arena: Arena) -> None:
    scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
    lease = on(first, scenario).claim("x")
    scenario.pause()

    parked = second.start(by(scenario, lambda late: late.park("x")))
    assert arena.waits(second, first)
    first.commit()

    assert parked.result(PATIENT) is False
    assert scenario.task("x").status is TaskStatus.RUNNING
    assert scenario.complete(lease).task_status is TaskStatus.COMPLETED


@pytest.mark.parametrize("first_is", ["park", "requeue"])
def test_a_task_that_waits_again_is_woken_once(arena: Arena, first_is: str) -> None:
    scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
    scenario.publish_all()
    if first_is == "park":
        scenario.pause()
        assert on(first, scenario).park("x")
    else:
        lease = scenario.claim("x")
        scenario.pause()
        assert on(first, scenario).requeue(lease, charged=False).outbox == ()

    late = second.start(by(scenario, lambda late: late.park("x")))
    assert arena.waits(second, first)
    first.commit()

    assert late.result(PATIENT) is False
    assert scenario.resume() == [f"{scenario.task_id('x')}:2"]


def test_what_is_queued_again_as_its_run_is_resumed_waits_in_the_outbox_at_least(arena: Arena) -> None:
    scenario, first = Scenario.started(arena.store, "x"), arena.holder()
    lease = scenario.claim("x")
    scenario.publish_all()
    scenario.pause()
    given = on(first, scenario).requeue(lease, charged=False).outbox

    assert scenario.resume() == []
    first.commit()

    assert given == ()
    assert scenario.waiting() == [f"{scenario.task_id('x')}:2"]


def test_a_run_that_ends_is_paused_no_more(arena: Arena) -> None:
    scenario, first, second = Scenario.started(arena.store, "x"), arena.holder(), arena.session()
    on(first, scenario).pause()

    ended = second.start(by(scenario, Scenario.finish))
    assert arena.waits(second, first)
    first.commit()

    ended.result(PATIENT)
    assert (scenario.run().status, scenario.run().paused) == (RunStatus.CANCELLED, False)
    assert scenario.task("x").status is TaskStatus.CANCELLED


def test_many_at_once_leave_no_task_without_a_way_to_be_woken(arena: Arena) -> None:
    names = [f"t{number}" for number in range(6)]
    scenario = Scenario.started(arena.store, *names)
    scenario.publish_all(when=1)
    stores = [arena.session().store for _ in range(8)]

    def knock(store: StateStore, name: str) -> None:
        mine = replace(scenario, store=store)
        attempt = mine.task(name).attempt
        answer = store.claim_task(mine.task_id(name), attempt, WORKER, LEASE, at(5))
        if answer is NotClaimed.PAUSED:
            mine.park(name, attempt)
        elif isinstance(answer, Claimed):
            mine.requeue(answer.lease, charged=False, cause="interrupted")

    def flap(store: StateStore) -> None:
        store.pause_run(scenario.job_id, 1, "alice", at(5))
        store.resume_run(scenario.job_id, 1, "alice", at(5))

    for _ in range(8):
        at_once([partial(flap, store) for store in stores[:2]] + list(map(partial, [knock] * 6, stores[2:], names)))
    scenario.store.resume_run(scenario.job_id, 1, "alice", at(6))
    scenario.publish_all(when=7)

    woken = {row.message.message_id for row in arena.store.reissue_stale(at(8), at(9), 100)}
    assert woken == {f"{scenario.task_id(name)}:{scenario.task(name).attempt}" for name in names}
    assert arena.number("SELECT count(*) FROM coremachine.leases") == 0
