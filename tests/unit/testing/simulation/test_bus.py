from __future__ import annotations

from collections.abc import Callable

import pytest

from core.model import OutboundMessage
from testing.simulation.actions import MessageFault
from testing.simulation.bus import SimulatedBus
from testing.simulation.clocks import WorldClock


def message(name: str) -> OutboundMessage:
    return OutboundMessage("jobs", name, "job", b"{}")


def bus_with(fault: MessageFault = MessageFault.NONE) -> tuple[SimulatedBus, WorldClock]:
    clock = WorldClock()
    fault_of: Callable[[str], MessageFault] = lambda message_id: fault  # noqa: E731
    return SimulatedBus(clock, ("jobs", "tasks"), fault_of), clock


def received(bus: SimulatedBus) -> list[str]:
    return [found.message_id for found in bus.receive("jobs", 10)]


def after(bus: SimulatedBus, clock: WorldClock, seconds: float) -> list[str]:
    clock.advance(seconds)
    bus.refresh()
    return received(bus)


def test_a_message_that_nothing_happens_to_arrives_once() -> None:
    bus, _ = bus_with()
    bus.send([message("a")])

    assert bus.ready_queue() == "jobs"
    assert received(bus) == ["a"]
    assert bus.ready_queue() is None


@pytest.mark.parametrize(
    ("fault", "at_once", "in_time"),
    [
        (MessageFault.LOSE, [], []),
        (MessageFault.DUPLICATE, ["a", "a"], []),
        (MessageFault.DELAY, [], ["a"]),
        (MessageFault.DELAY_LONG, [], ["a"]),
        (MessageFault.DUPLICATE_LATE, ["a"], ["a"]),
    ],
)
def test_what_happens_to_a_message(fault: MessageFault, at_once: list[str], in_time: list[str]) -> None:
    bus, clock = bus_with(fault)
    bus.send([message("a")])

    first = bus.receive("jobs", 10)
    assert [found.message_id for found in first] == at_once
    for found in first:
        bus.complete(found)
    assert after(bus, clock, 300.0) == in_time


def test_a_lost_message_was_accepted_and_is_a_duplicate_when_it_comes_again() -> None:
    bus, clock = bus_with(MessageFault.LOSE)
    bus.send([message("a")])
    bus._fault_of = lambda message_id: MessageFault.NONE
    bus.send([message("a")])

    assert bus.accepted == {"a"}
    assert received(bus) == []
    clock.advance(121.0)
    bus.send([message("a")])
    assert received(bus) == ["a"]


def test_a_lock_that_ends_gives_the_message_back_when_the_clock_has_moved() -> None:
    bus, clock = bus_with()
    bus.send([message("a")])
    assert received(bus) == ["a"]
    arrival = bus.next_arrival()

    assert arrival is not None
    assert clock.seconds_until(arrival) == 60.0
    assert not bus.empty
    assert after(bus, clock, 60.0) == ["a"]


def test_reordering_puts_the_first_last() -> None:
    bus, _ = bus_with()
    bus.send([message("a"), message("b"), message("c")])

    assert bus.reorder()
    assert received(bus) == ["b", "c", "a"]
    assert not bus.reorder()
