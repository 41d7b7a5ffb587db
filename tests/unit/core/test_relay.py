from __future__ import annotations

from collections.abc import Sequence

from core.errors import BusUnavailable, StoreUnavailable
from core.model import OutboundMessage
from core.relay import OutboxRelay
from testing.clock import FakeClock
from testing.contracts.scenario import FOREVER, START, Scenario, at
from testing.mock_bus import MockServiceBusRepository
from testing.mock_state import MockStateManager


class MoodyBus(MockServiceBusRepository):
    """A bus that is away while ``down``; ``accepts`` says whether it took the messages all the same."""

    down = False
    accepts = False

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        if not self.down or self.accepts:
            super().send(messages)
        if self.down:
            raise BusUnavailable("away")


class ForgetfulStore(MockStateManager):
    """A store that is away when rows are to be marked."""

    def mark_published(self, row_ids: Sequence[int], now: object) -> None:
        raise StoreUnavailable("away")


class Desk:
    def __init__(self, store: MockStateManager | None = None, batch: int = 2) -> None:
        self.clock = FakeClock(START)
        self.store = store or MockStateManager(self.clock)
        self.bus = MoodyBus(self.clock)
        self.relay = OutboxRelay(self.store, self.bus, self.clock, batch=batch)

    def sent(self) -> list[str]:
        return [message["message_id"] for message in self.bus.get_sent_messages()]


def test_what_was_committed_is_published_in_batches_and_leaves_the_outbox() -> None:
    desk = Desk()
    opened = Scenario.submitted(desk.store).open(1, "a", "b", "c", "d", "e")

    assert desk.relay.publish(opened.outbox) == 5

    assert desk.sent() == [row.message.message_id for row in opened.outbox]
    assert [row.message.message_type for row in desk.store.unpublished(10, at(FOREVER))] == ["job"]


def test_nothing_to_publish_is_no_call_to_the_bus() -> None:
    desk = Desk()
    desk.bus.down = True

    assert desk.relay.publish(()) == 0
    assert desk.relay.publish_unpublished(at(FOREVER)) == 0


def test_while_the_bus_is_down_rows_stay_and_are_published_later_oldest_first() -> None:
    desk = Desk()
    scenario = Scenario.submitted(desk.store)
    desk.bus.down = True
    opened = scenario.open(1, "a", "b", "c", when=1)
    assert desk.relay.publish(opened.outbox) == 0
    assert scenario.outbox() == ["job", "task", "task", "task"]

    desk.bus.down = False

    assert desk.relay.publish_unpublished(at(FOREVER)) == 4
    assert desk.sent() == [scenario.job.message.message_id, *(row.message.message_id for row in opened.outbox)]
    assert scenario.outbox() == []


def test_a_send_that_reported_failure_is_repeated_and_its_messages_are_there_once() -> None:
    desk = Desk()
    scenario = Scenario.submitted(desk.store)
    desk.bus.down = desk.bus.accepts = True
    desk.relay.publish_unpublished(at(FOREVER))

    desk.bus.down = False
    desk.relay.publish_unpublished(at(FOREVER))

    assert desk.sent() == [scenario.job.message.message_id] * 2
    assert len(desk.bus.receive("jobs", 10)) == 1


def test_rows_that_were_sent_and_not_marked_stay() -> None:
    desk = Desk(ForgetfulStore())
    scenario = Scenario.submitted(desk.store)

    assert desk.relay.publish_unpublished(at(FOREVER)) == 0

    assert len(desk.sent()) == 1
    assert scenario.outbox() == ["job"]


def test_at_most_the_limit_is_published() -> None:
    desk = Desk()
    Scenario.started(desk.store, "a", "b", "c", "d")

    assert desk.relay.publish_unpublished(at(FOREVER), limit=3) == 3
    assert len(desk.sent()) == 3


def test_rows_that_are_too_fresh_are_left_to_the_process_that_wrote_them() -> None:
    desk = Desk()
    Scenario.started(desk.store, "a")

    assert desk.relay.publish_unpublished(at(0)) == 0
    assert desk.relay.publish_unpublished(at(0.001)) == 2
