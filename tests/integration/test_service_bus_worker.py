"""The worker's loop on Service Bus's adapter: a job whose tasks and ends travel by the emulator."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from core.claim_check import ClaimCheckBus
from core.context import StopSignal
from core.deadletters import DeadLetters
from core.ids import JobId
from core.machine import CoreMachine
from core.model import OutboundMessage, RunRecord, RunStatus
from core.ports import MessageBus, ReceivedMessage
from core.system import RandomIds, SystemClock
from core.worker import Worker
from infrastructure.service_bus.bus import AzureServiceBus
from testing.factories import Registries
from testing.memory_blobs import MemoryBlobStore
from testing.mock_state import MockStateManager
from testing.service_bus_emulator.broker.faults import DropConnection, FaultRule, LoseLock, Operation, Throttle
from testing.service_bus_emulator.broker.rules import MEGABYTE, QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.service_bus import Faults, bus_on

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

RULES = QueueRules(duplicate_window=timedelta(minutes=10))
ROUNDS = 2_000


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def emulator(faults: Faults) -> Iterator[RunningEmulator]:
    with run_emulator(dict.fromkeys(("jobs", "tasks", "long-running-tasks"), RULES), faults=faults) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def service_bus(emulator: RunningEmulator) -> Iterator[AzureServiceBus]:
    with bus_on(emulator, wait_seconds=0.01) as bus:
        yield bus


@pytest.fixture(scope="module")
def bus(service_bus: AzureServiceBus) -> ClaimCheckBus:
    return ClaimCheckBus(service_bus, MemoryBlobStore(), SystemClock(), 64 * 1024)


class Locked(MockStateManager):
    """The store in memory, for the worker's two threads."""

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        def call(*args: object, **named: object) -> object:
            with _LOCK:
                return found(*args, **named)

        return call


_LOCK = threading.RLock()


def machine_on(bus: MessageBus) -> CoreMachine:
    known = Registries.hello_world()
    return CoreMachine(
        known.jobs, known.handlers, Locked(), bus, blobs=MemoryBlobStore(), clock=SystemClock(), ids=RandomIds()
    )


def work_until_ended(machine: CoreMachine, bus: MessageBus, job_id: JobId) -> RunRecord:
    """What waits for its time is not waited for: each round that has nothing to do publishes what was left behind."""
    stop = StopSignal()
    with Worker(machine, bus, machine.queues.all(), lambda _: None) as worker:
        for _ in range(ROUNDS):
            if not worker.step(stop):
                machine.relay.publish_unpublished(machine.clock.now())
            record = machine.store.load_run(job_id, 1)
            assert record is not None
            if record.ended:
                return record
    raise AssertionError(f"the run has not ended after {ROUNDS} rounds")


def test_a_job_runs_to_its_end(bus: MessageBus) -> None:
    machine = machine_on(bus)
    job_id = machine.submit("hello_world", {"n": 40}).run.job_id

    record = work_until_ended(machine, bus, job_id)

    assert record.status is RunStatus.COMPLETED
    assert sum(stage.total for stage in record.stages) >= 40
    for queue in machine.queues.all():
        assert bus.receive(queue, 1) == []
        assert bus.dead_letters(queue, 1) == []


def test_it_ends_although_connections_drop_locks_are_lost_and_the_bus_throttles(
    bus: MessageBus, faults: Faults
) -> None:
    machine = machine_on(bus)
    faults.expect(
        FaultRule(DropConnection(), Operation.RECEIVE, "tasks", after=2, times=1),
        FaultRule(LoseLock(), Operation.SETTLE, "tasks", after=3, times=3),
        FaultRule(Throttle(), Operation.SEND, "tasks", after=0, times=1),
        FaultRule(DropConnection(), Operation.SEND, "jobs", after=1, times=1),
    )
    job_id = machine.submit("hello_world", {"n": 20, "message": "in spite of faults"}).run.job_id

    record = work_until_ended(machine, bus, job_id)
    faults.expect()

    assert record.status is RunStatus.COMPLETED
    for queue in machine.queues.all():
        assert bus.dead_letters(queue, 1) == []


def test_a_message_that_is_none_of_ours_is_dead_lettered_and_stops_nothing(bus: MessageBus) -> None:
    machine = machine_on(bus)
    bus.send([OutboundMessage("tasks", "foreign", "?", b"\x00 not json")])
    job_id = machine.submit("hello_world", {"n": 3, "message": "beside others"}).run.job_id

    work_until_ended(machine, bus, job_id)

    assert [letter.reason for letter in bus.dead_letters("tasks", 5)] == ["MESSAGE_INVALID"]


def test_a_dead_letter_of_any_size_is_moved_into_the_store_and_sent_again(
    service_bus: AzureServiceBus, bus: ClaimCheckBus
) -> None:
    machine = machine_on(bus)
    letters = DeadLetters(machine.store, machine.relay, machine.clock)
    body = bytes(range(256)) * 4_096
    bus.send([OutboundMessage("long-running-tasks", "large", "task", body)])
    (one,) = received(bus, "long-running-tasks")
    assert one.body == body
    bus.dead_letter(one, "REASON", "why")

    assert service_bus.move_dead_letters("long-running-tasks", letters.record, 10, MEGABYTE) == 1
    assert bus.dead_letters("long-running-tasks", 1) == []
    (record,) = letters.listed()
    letters.replay(record.record_id, "somebody")

    (again,) = received(bus, "long-running-tasks")
    assert (again.message_id, again.body) == (f"large:r{record.record_id}.1", body)
    bus.complete(again)


def received(bus: MessageBus, queue: str) -> Sequence[ReceivedMessage]:
    for _ in range(100):
        if found := bus.receive(queue, 10):
            return found
    raise AssertionError("nothing came")
