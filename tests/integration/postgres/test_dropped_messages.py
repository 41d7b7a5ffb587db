"""What a run that ends leaves in the outbox: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from core.model import RunStatus
from testing.contracts.scenario import FOREVER, Scenario, at
from tests.support.postgres import Database
from tests.support.stepped import PATIENT, Arena, by


@pytest.fixture
def arena(postgres_database: Database) -> Iterator[Arena]:
    with closing(Arena(postgres_database.url)) as opened:
        yield opened


@pytest.mark.parametrize("status", [RunStatus.CANCELLED, RunStatus.FAILED])
def test_a_run_that_never_began_takes_its_message_along(arena: Arena, status: RunStatus) -> None:
    scenario, other = Scenario.submitted(arena.store), Scenario.submitted(arena.store, "b")

    scenario.finish(status)

    assert arena.number("SELECT count(*) FROM coremachine.outbox") == 1
    assert other.outbox() == ["job"]


def test_a_run_whose_stage_has_ended_takes_its_messages_along(arena: Arena) -> None:
    scenario = Scenario.started(arena.store, "x")
    scenario.complete(scenario.claim("x"))

    scenario.finish()

    assert arena.number("SELECT count(*) FROM coremachine.outbox") == 0


def test_a_relay_that_takes_the_message_out_is_waited_for(arena: Arena) -> None:
    scenario = Scenario.submitted(arena.store)
    first, second = arena.holder(), arena.session()
    first.store.mark_published([row.row_id for row in arena.store.unpublished(10, at(FOREVER))], at(5))

    late = second.start(by(scenario, Scenario.finish))
    assert arena.waits(second, first)
    first.commit()
    late.result(PATIENT)

    assert scenario.run().status is RunStatus.CANCELLED
    assert arena.number("SELECT count(*) FROM coremachine.outbox") == 0
