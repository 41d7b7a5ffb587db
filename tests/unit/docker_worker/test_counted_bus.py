"""What the loop asks of its bus is counted, and done."""

from __future__ import annotations

import pytest

from core.errors import LockLost
from core.model import OutboundMessage
from docker_worker.counted_bus import CountedBus
from testing.clock import FakeClock
from testing.mock_bus import MockServiceBusRepository


def test_polls_messages_and_renewals_are_counted() -> None:
    clock = FakeClock()
    bus = CountedBus(MockServiceBusRepository(clock))
    bus.send([OutboundMessage("long", "one", "task", b"{}")])
    [message] = bus.receive("long", 1)
    renewed = bus.renew_lock(message)
    bus.complete(renewed)
    assert bus.receive("long", 1) == []
    with pytest.raises(LockLost):
        bus.renew_lock(renewed)

    assert (bus.counts.polls, bus.counts.received, bus.counts.locks_renewed) == (2, 1, 1)


def test_what_is_given_back_or_buried_arrives() -> None:
    bus = CountedBus(MockServiceBusRepository(FakeClock()))
    bus.send([OutboundMessage("long", "one", "task", b"{}")])
    bus.abandon(bus.receive("long", 1)[0])
    [again] = bus.receive("long", 1)
    assert again.delivery_count == 2
    bus.dead_letter(again, "WHY", "because")
    assert [letter.reason for letter in bus.dead_letters("long", 10)] == ["WHY"]
