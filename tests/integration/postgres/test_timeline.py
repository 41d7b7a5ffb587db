"""What pages of a timeline hold while others write to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from core.model import Event
from testing.contracts.scenario import Scenario
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, by, on


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


def behind(scenario: Scenario, after: int) -> list[Event]:
    return list(scenario.store.list_events(scenario.job_id, 1, after))


def test_an_event_that_is_committed_late_is_passed_over_by_a_page_and_is_there_in_the_end(arena: Arena) -> None:
    scenario, first = Scenario.started(arena.store, "x", "y"), arena.holder()
    early = on(first, scenario).claim("x").token
    late = scenario.claim("y").token

    assert [event.sequence for event in behind(scenario, 0)][-1] == late > early
    first.commit()

    assert behind(scenario, late) == []
    scenario.finish()
    assert [event.sequence for event in behind(scenario, 0) if event.kind == "task_started"] == [early, late]


def test_a_run_does_not_end_before_what_is_told_of_it_is_there(arena: Arena) -> None:
    scenario, first, second = Scenario.started(arena.store, "x", "y"), arena.holder(), arena.session()
    lease = scenario.claim("y")
    begun = on(first, scenario).claim("x").token
    on(first, scenario).requeue(lease, charged=False)

    end = second.start(by(scenario, Scenario.finish))
    assert arena.waits(second, first)
    first.commit()
    end.result(PATIENT)

    whole = behind(scenario, 0)
    assert whole[-1].kind == "job_ended"
    assert [event.kind.value for event in whole if event.task_id is not None] == [
        "task_started",
        "task_started",
        "task_requeued",
    ]
    assert begun in [event.sequence for event in whole]
