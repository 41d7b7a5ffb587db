"""The bus between the processes of a chaos run: without its faults it is a bus like any other."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.chaos_bus import BusServer, SocketBus
from benchmarks.chaos_setting import RULES
from core.errors import BusUnavailable
from core.model import OutboundMessage
from testing.clock import FakeClock
from testing.contracts.message_bus import BusUnderTest, MessageBusContract
from testing.faults import FaultPlan


@contextmanager
def served(clock: FakeClock, faults: FaultPlan | None = None) -> Iterator[str]:
    """The address of a bus."""
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "bus.sock")
        server = BusServer(address, clock, faults=faults or FaultPlan())
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield address
        finally:
            server.close()
            thread.join()


class TestSocketBus(MessageBusContract):
    @pytest.fixture
    def under_test(self) -> Iterator[BusUnderTest]:
        clock = FakeClock()
        with served(clock) as address, SocketBus(address) as bus:
            yield BusUnderTest(
                bus=bus,
                now=clock.now,
                advance=clock.advance,
                lock_seconds=RULES.lock_seconds,
                max_delivery_count=RULES.max_delivery_count,
                max_message_bytes=RULES.max_message_bytes,
                duplicate_window=RULES.duplicate_window,
            )


def message(name: str) -> OutboundMessage:
    return OutboundMessage("tasks", name, "task", b"{}")


def test_all_clients_share_one_bus() -> None:
    with served(FakeClock()) as address, SocketBus(address) as one, SocketBus(address) as other:
        one.send([message("1")])

        (received,) = other.receive("tasks", 10)

    assert received.message_id == "1"


def test_a_bus_that_is_not_there_is_unavailable() -> None:
    with SocketBus("/nowhere/bus.sock") as bus, pytest.raises(BusUnavailable):
        bus.receive("tasks", 1)


def test_a_client_connects_again_after_its_connection_broke() -> None:
    with served(FakeClock()) as address, SocketBus(address) as bus:
        bus.send([message("1")])
        assert bus._connection is not None
        bus._connection.close()

        with pytest.raises(BusUnavailable):
            bus.receive("tasks", 1)
        assert len(bus.receive("tasks", 1)) == 1


def test_an_injected_fault_reaches_the_client() -> None:
    with served(FakeClock(), FaultPlan(unavailable=0.9)) as address, SocketBus(address) as bus:
        for _ in range(100):
            try:
                bus.send([message("1")])
            except BusUnavailable:
                return
    raise AssertionError("no call met a fault")


def test_what_was_ever_sent_can_be_delivered_once_more() -> None:
    clock = FakeClock()
    with served(clock) as address, SocketBus(address) as bus:
        bus.send([message("1"), message("2"), message("2")])
        for received in bus.receive("tasks", 10):
            bus.complete(received)
        assert bus.stats().waiting == 0

        assert bus.echo(10) == 2
        assert [received.message_id for received in bus.receive("tasks", 10)] == ["1", "2"]
        assert (bus.stats().waiting, bus.stats().sent) == (2, 3)
