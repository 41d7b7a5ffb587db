from __future__ import annotations

import pytest

from testing.clock import FakeClock
from testing.contracts.message_bus import BusUnderTest, MessageBusContract
from testing.mock_bus import MockServiceBusRepository, QueueRules


class TestMockServiceBusRepository(MessageBusContract):
    @pytest.fixture
    def under_test(self) -> BusUnderTest:
        clock, rules = FakeClock(), QueueRules()
        return BusUnderTest(
            bus=MockServiceBusRepository(clock, rules),
            now=clock.now,
            advance=clock.advance,
            lock_seconds=rules.lock_seconds,
            max_delivery_count=rules.max_delivery_count,
            max_message_bytes=rules.max_message_bytes,
            duplicate_window=rules.duplicate_window,
        )
