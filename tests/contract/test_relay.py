"""What the relay publishes while somebody ends, pauses or resumes the run, on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from core.errors import StoreUnavailable
from core.model import OutboundMessage, RunStatus
from core.ports import StateStore
from core.relay import OutboxRelay
from infrastructure.postgres.store import PostgresStateStore
from testing.clock import FakeClock
from testing.contracts.scenario import FOREVER, START, Scenario, at
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager
from tests.support.postgres_store import pool_to

NAMES = ("a", "b", "c", "d", "e")


class Busy(MockServiceBusRepository):
    """A bus on which something happens after the first batch."""

    after_first: Callable[[], object] | None = None

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        super().send(messages)
        happens, self.after_first = self.after_first, None
        if happens is not None:
            happens()

    def sent(self) -> list[str]:
        return [message["message_id"] for message in self.get_sent_messages()]


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[StateStore]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MockStateManager(FakeClock(START))
        else:
            database: Any = request.getfixturevalue("postgres_database")
            yield PostgresStateStore(stack.enter_context(pool_to(database.url)))


@pytest.fixture
def bus() -> Busy:
    return Busy(FakeClock(START))


@pytest.fixture
def relay(store: StateStore, bus: Busy) -> OutboxRelay:
    return OutboxRelay(store, bus, FakeClock(START), batch=2)


def ids(scenario: Scenario, names: Sequence[str]) -> list[str]:
    return [f"{scenario.task_id(name)}:1" for name in names]


def test_all_batches_are_published(store: StateStore, bus: Busy, relay: OutboxRelay) -> None:
    scenario = Scenario.submitted(store)

    assert relay.publish(scenario.open(1, *NAMES).outbox) == 5

    assert bus.sent() == ids(scenario, NAMES)
    assert scenario.outbox() == ["job"]


def test_of_a_run_that_is_cancelled_between_two_batches_no_more_is_published(
    store: StateStore, bus: Busy, relay: OutboxRelay
) -> None:
    scenario = Scenario.submitted(store)
    bus.after_first = scenario.finish

    assert relay.publish(scenario.open(1, *NAMES).outbox) == 2

    assert bus.sent() == ids(scenario, "ab")


def test_of_a_run_that_is_paused_between_two_batches_the_rest_waits(
    store: StateStore, bus: Busy, relay: OutboxRelay
) -> None:
    scenario = Scenario.submitted(store)
    bus.after_first = scenario.pause

    assert relay.publish(scenario.open(1, *NAMES).outbox) == 2

    assert bus.sent() == ids(scenario, "ab")
    assert scenario.resume() == ids(scenario, "cde")


def test_what_somebody_else_published_meanwhile_is_not_published_again(
    store: StateStore, bus: Busy, relay: OutboxRelay
) -> None:
    scenario = Scenario.submitted(store)
    rows = scenario.open(1, *NAMES).outbox
    bus.after_first = lambda: store.mark_published([rows[2].row_id, rows[3].row_id], at(1))

    assert relay.publish(rows) == 3

    assert bus.sent() == ids(scenario, "abe")


def test_other_runs_are_published_past_one_that_is_cancelled(store: StateStore, bus: Busy, relay: OutboxRelay) -> None:
    first, second = Scenario.submitted(store), Scenario.submitted(store, "b")
    rows = [*first.open(1, *NAMES).outbox, *second.open(1, "x").outbox]
    bus.after_first = first.finish

    assert relay.publish(rows) == 3

    assert bus.sent() == [*ids(first, "ab"), *ids(second, "x")]


def test_what_was_resumed_is_published_in_batches_as_well(store: StateStore, bus: Busy, relay: OutboxRelay) -> None:
    scenario = Scenario.started(store, *NAMES)
    scenario.pause()
    rows = store.resume_run(scenario.job_id, 1, "bob", at(4))
    assert rows is not None
    bus.after_first = lambda: store.finish_run(scenario.job_id, 1, RunStatus.FAILED, None, None, at(5))

    assert relay.publish(rows) == 2

    assert bus.sent() == ids(scenario, "ab")


def test_while_the_store_is_away_between_two_batches_the_rest_is_left(
    store: StateStore, bus: Busy, relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario.submitted(store)
    rows = scenario.open(1, *NAMES).outbox

    def away(row_ids: Sequence[int]) -> set[int]:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "still_unpublished", away)
        assert relay.publish(rows) == 2

    assert relay.publish_unpublished(at(FOREVER)) == 4
    assert bus.sent() == [*ids(scenario, "ab"), scenario.job.message.message_id, *ids(scenario, "cde")]
