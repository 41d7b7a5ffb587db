"""How many statements a transition takes: each is a round trip, and what many ask for together takes no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from core.decisions import FailFinally
from core.model import Claimed, FailurePolicy
from core.outcome import Succeeded
from core.ports import AttemptEnd, ClaimRequest
from infrastructure.postgres.store import PostgresStateStore
from testing.contracts.scenario import BROKEN, DONE, LEASE, WORKER, Scenario, at, new_stage
from tests.support.postgres import Database
from tests.support.postgres_store import source_of
from tests.support.stepped import OneConnection

NAMES = [f"t{number:03}" for number in range(200)]


class Counted(NamedTuple):
    store: PostgresStateStore
    sent: list[str]

    def since(self) -> int:
        """How many statements were sent since the last time."""
        count = len(self.sent)
        self.sent.clear()
        return count


@pytest.fixture
def counted(postgres_database: Database) -> Iterator[Counted]:
    sent: list[str] = []

    class CountingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            sent.append(query)
            return super().execute(query, params, **options)

    with source_of(postgres_database.url).connect() as connection:
        connection.cursor_factory = CountingCursor
        yield Counted(PostgresStateStore(OneConnection(connection)), sent)


def started(counted: Counted, policy: FailurePolicy = FailurePolicy.TOLERATE) -> Scenario:
    scenario = Scenario.started(counted.store, *NAMES, policy=policy)
    counted.since()
    return scenario


def test_a_stage_of_any_size_opens_in_one(counted: Counted) -> None:
    scenario = Scenario.submitted(counted.store)
    counted.since()

    counted.store.open_stage(scenario.job_id, 1, new_stage(scenario.job_id, 1, NAMES), at(0))

    assert counted.since() == 1


def test_a_claim_and_an_end_are_one_each(counted: Counted) -> None:
    scenario = started(counted)

    lease = scenario.claim(NAMES[0])
    assert counted.since() == 1
    scenario.complete(lease)
    assert counted.since() == 1


def test_many_claims_are_one_and_so_are_many_ends_though_every_other_failed(counted: Counted) -> None:
    scenario = started(counted)
    requests = [ClaimRequest(scenario.task_id(name), 1, WORKER, LEASE, at(1)) for name in NAMES]

    claims = counted.store.claim_tasks(requests)
    assert counted.since() == 1
    ways: tuple[Succeeded | FailFinally, ...] = (DONE, FailFinally(BROKEN))
    ends = [
        AttemptEnd(claim.lease, ways[index % 2], None, at(2))
        for index, claim in enumerate(claims)
        if isinstance(claim, Claimed)
    ]
    assert None not in counted.store.finish_attempts(ends)

    assert counted.since() == 2  # what a failure does to the run is asked first, once for all
    assert scenario.run().stages[0].failed == len(NAMES) // 2


def test_what_a_failure_does_is_asked_once_whatever_it_is(counted: Counted) -> None:
    scenario = started(counted, FailurePolicy.FAIL_FAST)
    lease = scenario.claim(NAMES[0])
    counted.since()

    scenario.fail(lease)

    assert sum("failure_policy" in statement for statement in counted.sent) == 1
