"""Dead letters are moved from the broker into PostgreSQL: all of them, each once, whatever happens on the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from azure.servicebus import ServiceBusMessage

from core.deadletters import DeadLetters
from core.errors import BusMisconfigured, StoreUnavailable
from core.model import OutboundMessage
from core.ports import DeadLetter, StateStore
from core.relay import OutboxRelay
from infrastructure.postgres.store import PostgresStateStore
from infrastructure.service_bus import letters as moving
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.connection import service_bus_client
from infrastructure.settings import Settings
from infrastructure.wiring import build_backend
from testing.ocr_engines import ReadsText, always
from testing.service_bus_emulator.broker.faults import DropConnection, FaultRule, LoseLock, Operation
from testing.service_bus_emulator.broker.rules import MEGABYTE, QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.postgres import Database
from tests.support.postgres_store import pool_to
from tests.support.service_bus import EmulatorClock, Faults, bus_on, settings_of

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

LOCK_SECONDS = 60
QUEUES = [f"letters-{number}" for number in range(8)]
THREE = ("jobs", "tasks", "long-running-tasks")
LARGEST = MEGABYTE // 4
NO_STORAGE = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=Zm9v;BlobEndpoint=http://127.0.0.1:1/a;"

_names = itertools.count()


class Killed(BaseException):
    """Nobody below cleans up after it."""


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def emulator(faults: Faults) -> Iterator[RunningEmulator]:
    rules = QueueRules(lock_duration=timedelta(seconds=LOCK_SECONDS), max_delivery_count=10)
    with run_emulator(dict.fromkeys([*QUEUES, *THREE], rules), faults=faults) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bus(emulator: RunningEmulator) -> Iterator[AzureServiceBus]:
    with bus_on(emulator, wait_seconds=1) as bus:
        yield bus


@pytest.fixture(autouse=True)
def nothing_goes_wrong_on(faults: Faults) -> Iterator[None]:
    yield
    faults.expect()


@pytest.fixture
def queue() -> str:
    return QUEUES[next(_names)]


@pytest.fixture
def store(postgres_database: Database) -> Iterator[StateStore]:
    with pool_to(postgres_database.url) as pool:
        yield PostgresStateStore(pool)


@pytest.fixture
def table(store: StateStore, bus: AzureServiceBus, emulator: RunningEmulator) -> DeadLetters:
    clock = EmulatorClock(emulator)
    return DeadLetters(store, OutboxRelay(store, bus, clock), clock)


def bury(bus: AzureServiceBus, queue: str, bodies: Sequence[bytes]) -> None:
    bus.send([OutboundMessage(queue, f"m{number}", "task", body) for number, body in enumerate(bodies)])
    bury_all(bus, queue, len(bodies))


def bury_all(bus: AzureServiceBus, queue: str, count: int) -> None:
    while count:
        found = bus.receive(queue, count)
        assert found, f"{count} messages did not come"
        for one in found:
            bus.dead_letter(one, "REASON", "why")
        count -= len(found)


def bodies_of(table: DeadLetters) -> list[bytes]:
    return [record.letter.body for record in table.listed(0, 1_000)]


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def move(bus: AzureServiceBus, queue: str, record: moving.Record, limit: int = 1_000) -> int:
    return bus.move_dead_letters(queue, record, limit, LARGEST)


def test_letters_are_moved_in_small_batches_and_a_second_pass_does_nothing(
    bus: AzureServiceBus, queue: str, table: DeadLetters
) -> None:
    bury(bus, queue, numbered(300))
    batches: list[int] = []

    def record(letters: Sequence[DeadLetter]) -> int:
        batches.append(len(letters))
        return table.record(letters)

    assert move(bus, queue, record) == 300

    assert bodies_of(table) == numbered(300)
    assert {(one.letter.queue, one.letter.reason, one.letter.description) for one in table.listed(0, 300)} == {
        (queue, "REASON", "why")
    }
    assert bus.dead_letters(queue, 1) == []
    assert max(batches) <= moving.BATCH_BYTES // LARGEST
    batches.clear()
    assert move(bus, queue, record) == 0
    assert batches == []
    assert len(table.listed(0, 1_000)) == 300


def test_a_pass_takes_no_more_than_its_limit_and_the_next_goes_on(
    bus: AzureServiceBus, queue: str, table: DeadLetters
) -> None:
    bury(bus, queue, numbered(50))

    assert [move(bus, queue, table.record, 20) for _ in range(4)] == [20, 20, 10, 0]
    assert bodies_of(table) == numbered(50)


def test_letters_without_an_id_are_all_written_down(
    bus: AzureServiceBus, queue: str, table: DeadLetters, emulator: RunningEmulator
) -> None:
    with service_bus_client(settings_of(emulator)) as client, client.get_queue_sender(queue) as sender:
        sender.send_messages([ServiceBusMessage(body) for body in numbered(4)])
    bury_all(bus, queue, 4)

    assert move(bus, queue, table.record) == 4
    assert sorted(bodies_of(table)) == numbered(4)
    assert len({record.letter.message_id for record in table.listed()}) == 4


def test_what_fails_after_writing_gives_the_letters_back_and_doubles_none(
    bus: AzureServiceBus, queue: str, table: DeadLetters, faults: Faults
) -> None:
    bury(bus, queue, numbered(40))

    def fails(letters: Sequence[DeadLetter]) -> None:
        table.record(letters)
        raise StoreUnavailable("the answer was lost")

    with pytest.raises(StoreUnavailable):
        move(bus, queue, fails)
    assert len(bus.dead_letters(queue, 100)) == 40
    assert 0 < len(bodies_of(table)) < 40
    assert faults.asked[Operation.SETTLE, f"{queue}/$deadletterqueue"] == len(bodies_of(table))

    assert move(bus, queue, table.record) == 40
    assert sorted(bodies_of(table), key=int) == numbered(40)
    assert bus.dead_letters(queue, 1) == []


def test_who_is_killed_between_writing_and_completing_loses_and_doubles_nothing(
    bus: AzureServiceBus, queue: str, table: DeadLetters, emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury(bus, queue, numbered(40))

    def killed(*_: object) -> bool:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(moving, "_completed", killed)
        with pytest.raises(Killed):
            move(bus, queue, table.record)
    written = bodies_of(table)
    assert written == numbered(len(written))
    assert len(bus.dead_letters(queue, 100)) == 40

    emulator.advance(LOCK_SECONDS + 1)
    assert move(bus, queue, table.record) == 40
    assert sorted(bodies_of(table), key=int) == numbered(40)
    assert bus.dead_letters(queue, 1) == []


@pytest.mark.parametrize(
    "rule",
    [
        lambda queue: FaultRule(LoseLock(), Operation.SETTLE, queue, after=3, times=2),
        lambda queue: FaultRule(DropConnection(), Operation.SETTLE, queue, after=3, times=1),
    ],
    ids=["locks that are lost", "a connection that is lost"],
)
def test_faults_of_the_bus_leave_the_letters_to_a_later_pass(
    bus: AzureServiceBus,
    queue: str,
    table: DeadLetters,
    emulator: RunningEmulator,
    faults: Faults,
    rule: Callable[[str], FaultRule],
) -> None:
    bury(bus, queue, numbered(20))
    faults.expect(rule(f"{queue}/$deadletterqueue"))

    move(bus, queue, table.record)
    emulator.advance(LOCK_SECONDS + 1)
    move(bus, queue, table.record)

    assert sorted(bodies_of(table), key=int) == numbered(20)
    assert bus.dead_letters(queue, 1) == []


def test_a_queue_that_is_not_there_is_told(bus: AzureServiceBus, table: DeadLetters) -> None:
    with pytest.raises(BusMisconfigured):
        move(bus, "nobody", table.record)


def test_the_timer_moves_the_letters_of_all_three_queues(
    bus: AzureServiceBus, postgres_database: Database, emulator: RunningEmulator
) -> None:
    for name in THREE:
        bury(bus, name, [name.encode()])
    environment = {
        "DATABASE_URL": postgres_database.url,
        "SERVICE_BUS_CONNECTION": emulator.connection_string,
        "AZURE_STORAGE_CONNECTION_STRING": NO_STORAGE,
    }

    with build_backend(Settings.from_environment(environment), always(ReadsText([]))) as backend:
        backend.collect_dead_letters()
        backend.collect_dead_letters()
        assert [record.letter.queue for record in backend.dead_letters.listed()] == list(THREE)

    assert [bus.dead_letters(name, 1) for name in THREE] == [[], [], []]
