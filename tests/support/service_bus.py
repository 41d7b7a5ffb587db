"""The adapter of Service Bus on an emulator of a test's own queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from core.model import OutboundMessage
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.connection import BusConnection, CallLimits
from infrastructure.settings import Settings
from testing.service_bus_emulator.broker.faults import Fault, FaultPlan, FaultRule, Operation
from testing.service_bus_emulator.running import RunningEmulator

ONCE = CallLimits(attempt_seconds=10, retries=0)


class EmulatorClock:
    """The emulator's time."""

    def __init__(self, emulator: RunningEmulator) -> None:
        self._emulator = emulator

    def now(self) -> datetime:
        return self._emulator.now()


class Faults(FaultPlan):
    """A plan that is made anew by each test, and counts what was asked of each queue. Used by the emulator's thread."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[Operation, str]] = Counter()
        self._plan = FaultPlan()

    def expect(self, *rules: FaultRule) -> None:
        self._plan = FaultPlan(rules)

    def ask(self, operation: Operation, entity: str) -> Fault | None:
        self.asked[operation, entity.lower()] += 1
        return self._plan.ask(operation, entity)


def settings_of(emulator: RunningEmulator) -> Settings:
    return Settings.from_environment({"SERVICE_BUS_CONNECTION": emulator.connection_string})


@contextmanager
def bus_on(
    emulator: RunningEmulator, wait_seconds: float = 0.05, limits: CallLimits | None = None
) -> Iterator[AzureServiceBus]:
    bus = AzureServiceBus(BusConnection(settings_of(emulator), limits=limits), EmulatorClock(emulator), wait_seconds)
    try:
        yield bus
    finally:
        bus.close()


def messages(queue: str, *ids: str, body: bytes = b'{"a": 1}', due: datetime | None = None) -> list[OutboundMessage]:
    return [OutboundMessage(queue, name, "task", body, due) for name in ids]


def cut_all_connections(emulator: RunningEmulator) -> None:
    """Without a word, as a network does."""

    def cut() -> None:
        for connection in list(emulator.server._connections):
            connection.abort()

    emulator.call(cut)
