"""Azure Service Bus's adapter on the emulator, over AMQP with the real SDK. Its connections serve all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from core.errors import LockLost
from core.ports import MessageBus
from infrastructure.service_bus.bus import AzureServiceBus
from testing.contracts.message_bus import OTHER_QUEUE, QUEUE, BusUnderTest, MessageBusContract
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.service_bus import bus_on

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

RULES = QueueRules(duplicate_window=timedelta(minutes=10))


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    with run_emulator({QUEUE: RULES, OTHER_QUEUE: RULES}) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def shared(emulator: RunningEmulator) -> Iterator[AzureServiceBus]:
    with bus_on(emulator) as bus:
        yield bus


@pytest.fixture
def emptied(emulator: RunningEmulator, shared: AzureServiceBus) -> MessageBus:
    """Nothing is left of the test before, nor remembered of it."""
    emulator.advance(3_600)
    for queue in (QUEUE, OTHER_QUEUE):
        while messages := shared.receive(queue, 100):
            for message in messages:
                with suppress(LockLost):  # of one that had arrived before the leap of time
                    shared.complete(message)
        shared.move_dead_letters(queue, len, 1_000, RULES.message_bytes)
        assert not shared.peek(queue, 1)
    return shared


class TestAzureServiceBus(MessageBusContract):
    @pytest.fixture
    def under_test(self, emulator: RunningEmulator, emptied: MessageBus) -> BusUnderTest:
        assert RULES.duplicate_window is not None
        return BusUnderTest(
            bus=emptied,
            now=emulator.now,
            advance=emulator.advance,
            lock_seconds=RULES.lock_duration.total_seconds(),
            max_delivery_count=RULES.max_delivery_count,
            max_message_bytes=RULES.message_bytes,
            duplicate_window=RULES.duplicate_window.total_seconds(),
        )
