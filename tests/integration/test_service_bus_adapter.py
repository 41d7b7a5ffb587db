"""What the adapter of Service Bus does beyond its contract: many threads, limits, faults, and what operators ask.

Opening a connection takes the SDK half a second, so that most tests share them; each has a queue of its own.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.servicebus import ServiceBusMessage
from azure.servicebus.amqp import AmqpAnnotatedMessage

import infrastructure.service_bus.receiving
from core.errors import (
    BusBusy,
    BusMisconfigured,
    BusUnavailable,
    BusWrongThread,
    CoreMachineError,
    InvalidIdentifier,
    LockLost,
    MessageInvalid,
    MessageTooLarge,
)
from core.messages import decode
from core.model import OutboundMessage
from core.ports import ReceivedMessage
from core.system import SystemClock
from infrastructure.service_bus.bus import AzureServiceBus
from infrastructure.service_bus.connection import BusConnection, service_bus_client
from infrastructure.service_bus.properties import PropertiesUnavailable, QueueMissing, QueueProperties
from infrastructure.settings import Settings
from testing.service_bus_emulator.broker.faults import Delay, DropConnection, FaultRule, LoseLock, Operation, Throttle
from testing.service_bus_emulator.broker.rules import MEGABYTE, QueueRules, Tier
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.service_bus import ONCE, Faults, bus_on, cut_all_connections, messages, settings_of

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

RULES = QueueRules(lock_duration=timedelta(seconds=60), max_delivery_count=5)
PLAIN = [f"plain-{number}" for number in range(40)]
QUEUES = dict.fromkeys(PLAIN, RULES) | {
    "large": QueueRules(tier=Tier.PREMIUM, max_message_bytes=4 * MEGABYTE),
    "set-up": QueueRules(
        lock_duration=timedelta(seconds=45),
        max_delivery_count=7,
        duplicate_window=timedelta(minutes=3),
        default_time_to_live=timedelta(days=2),
        dead_letter_on_expiration=True,
    ),
}

_names = itertools.count()


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def emulator(faults: Faults) -> Iterator[RunningEmulator]:
    with run_emulator(QUEUES, faults=faults) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bus(emulator: RunningEmulator) -> Iterator[AzureServiceBus]:
    with bus_on(emulator) as bus:
        yield bus


@pytest.fixture(scope="module")
def once(emulator: RunningEmulator) -> Iterator[AzureServiceBus]:
    """A bus that tries nothing twice."""
    with bus_on(emulator, limits=ONCE) as bus:
        yield bus


@pytest.fixture(autouse=True)
def nothing_goes_wrong_on(faults: Faults) -> Iterator[None]:
    yield
    faults.expect()


@pytest.fixture
def queue() -> str:
    return PLAIN[next(_names)]


def received(bus: AzureServiceBus, queue: str, count: int) -> list[ReceivedMessage]:
    """So many messages, as soon as they are there."""
    found: list[ReceivedMessage] = []
    for _ in range(200):
        found += bus.receive(queue, count - len(found))
        if len(found) == count:
            return found
    raise AssertionError(f"{len(found)} of {count} messages came")


def ids(found: Sequence[ReceivedMessage]) -> list[str]:
    return [one.message_id for one in found]


# --- many threads ---


def test_what_many_threads_send_at_once_arrives_once_each_in_each_ones_order(
    bus: AzureServiceBus, queue: str, faults: Faults
) -> None:
    other = PLAIN[next(_names)]

    def send(thread: int) -> None:
        for number in range(20):
            mine = [f"{thread}/{number}/{part}" for part in range(3)]
            bus.send([*messages(queue, *mine, body=str(thread).encode()), *messages(other, mine[0])])

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(16)))

    found = received(bus, queue, 16 * 20 * 3)
    for thread in range(16):
        own = [one for one in found if one.body == str(thread).encode()]
        assert ids(own) == [f"{thread}/{number}/{part}" for number in range(20) for part in range(3)]
    assert len(set(ids(received(bus, other, 16 * 20)))) == 16 * 20
    assert faults.asked[Operation.SEND, queue] < 16 * 20, "nothing was gathered"


def test_what_comes_while_a_send_is_under_way_goes_together(bus: AzureServiceBus, queue: str, faults: Faults) -> None:
    bus.send(messages(queue, "opens the connection"))
    faults.expect(FaultRule(Delay(1.5), Operation.SEND, queue, times=1))
    before = faults.asked[Operation.SEND, queue]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: bus.send(messages(queue, str(number))), range(16)))

    assert len(received(bus, queue, 17)) == 17
    assert faults.asked[Operation.SEND, queue] - before <= 3


def test_one_callers_mistake_is_its_own(bus: AzureServiceBus, queue: str, faults: Faults) -> None:
    bus.send(messages(queue, "opens the connection"))
    faults.expect(FaultRule(Delay(0.3), Operation.SEND, queue, times=1))
    limit = 256 * 1024

    def send(number: int) -> CoreMachineError | None:
        body = b"x" * limit if number % 2 else b"{}"
        try:
            bus.send([*messages(queue, f"{number}-first"), *messages(queue, f"{number}-second", body=body)])
        except CoreMachineError as error:
            return error
        return None

    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(send, range(8)))

    assert [type(error) for error in errors] == [type(None), MessageTooLarge] * 4
    assert len(received(bus, queue, 9)) == 9
    assert bus.receive(queue, 1) == []


def test_only_the_thread_that_received_a_message_settles_it(bus: AzureServiceBus, queue: str) -> None:
    bus.send(messages(queue, "1"))
    (held,) = received(bus, queue, 1)

    with ThreadPoolExecutor(1) as pool:
        for settle in (bus.complete, bus.abandon, bus.renew_lock, lambda one: bus.dead_letter(one, "R", "d")):
            with pytest.raises(BusWrongThread, match="MainThread"):
                pool.submit(settle, held).result()

    bus.complete(held)


def test_threads_receive_beside_each_other(bus: AzureServiceBus, queue: str) -> None:
    bus.send(messages(queue, *map(str, range(200))))
    start = threading.Barrier(3)

    done: list[str] = []

    def work(_: int) -> None:
        start.wait(30)
        while len(done) < 200:
            some = bus.receive(queue, 10)
            for one in some:
                bus.complete(one)
            done.extend(ids(some))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))

    assert sorted(done, key=int) == list(map(str, range(200)))


def test_what_arrives_between_receives_is_given_once_and_in_order(bus: AzureServiceBus, queue: str) -> None:
    """The SDK alone sends it back while other messages are settled, and gets it again later."""
    names = [str(number) for number in range(400)]

    def send() -> None:
        for name in names:
            bus.send(messages(queue, name))

    found: list[ReceivedMessage] = []
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        while len(found) < len(names):
            some = bus.receive(queue, 100)
            for one in some:
                bus.complete(one)
            found += some
        sending.result()

    assert ids(found) == names
    assert {one.delivery_count for one in found} == {1}


def test_who_has_received_holds_nothing_back_that_comes_later(bus: AzureServiceBus, queue: str) -> None:
    bus.send(messages(queue, "1"))
    (one,) = received(bus, queue, 1)
    assert bus.receive(queue, 10) == []
    bus.complete(one)

    bus.send(messages(queue, *map(str, range(2, 7))))

    with ThreadPoolExecutor(1) as pool:
        assert ids(pool.submit(received, bus, queue, 5).result()) == ["2", "3", "4", "5", "6"]


def test_the_connections_of_threads_that_ended_are_not_kept(emulator: RunningEmulator, queue: str) -> None:
    with bus_on(emulator) as bus:
        counts = []
        for _ in range(4):
            thread = threading.Thread(target=bus.receive, args=(queue, 1))
            thread.start()
            thread.join()
            counts.append(emulator.call(lambda: emulator.server.connection_count))

    assert max(counts[1:]) <= counts[0] + 1


# --- sizes ---


def test_a_call_over_a_batchs_limit_is_split_and_stays_in_order(
    bus: AzureServiceBus, queue: str, faults: Faults
) -> None:
    names = [f"{number:03}" for number in range(100)]
    bus.send(messages(queue, *names, body=b"x" * 20_000))

    assert ids(received(bus, queue, 100)) == names
    assert faults.asked[Operation.SEND, queue] == 8, "13 of them fill a batch of 256 KB"


@pytest.mark.parametrize("name", ["i", "i" * 128])
def test_batches_are_never_over_the_limit_whatever_fills_them(bus: AzureServiceBus, queue: str, name: str) -> None:
    bodies = [b"x" * size for size in (1, 200, 255, 256, 70_000, 100, 131_000, 60_000, 90_000, 259_000, 3, 200_000)] * 3
    bus.send([OutboundMessage(queue, f"{name[:-2]}{number}", "task", body) for number, body in enumerate(bodies)])

    assert [one.body for one in received(bus, queue, len(bodies))] == bodies


def test_the_largest_message_is_found_to_the_byte(bus: AzureServiceBus, queue: str) -> None:
    def fits(size: int) -> bool:
        try:
            bus.send([OutboundMessage(queue, "name", "task", b"x" * size)])
        except MessageTooLarge:
            return False
        return True

    largest = max(size for size in range(262_144 - 200, 262_144, 1) if fits(size))

    assert 262_144 - 200 < largest < 262_144 - 20
    assert not bus.dead_letters(queue, 1)


def test_a_message_larger_than_a_batch_goes_alone_between_the_others(bus: AzureServiceBus) -> None:
    sizes = [10, 3 * MEGABYTE, 20, 900_000, 900_000, 30]
    bus.send([OutboundMessage("large", str(n), "task", b"x" * size) for n, size in enumerate(sizes)])

    found = received(bus, "large", len(sizes))
    assert [len(one.body) for one in found] == sizes
    for one in found:
        bus.complete(one)
    with pytest.raises(MessageTooLarge):
        bus.send([OutboundMessage("large", "x", "task", b"x" * 4 * MEGABYTE)])


def test_texts_that_the_wire_cannot_carry_are_refused_with_nothing_sent(bus: AzureServiceBus, queue: str) -> None:
    for bad in (
        OutboundMessage(queue, "\ud800", "task", b""),
        OutboundMessage(queue, "1", "\ud800", b""),
        OutboundMessage(queue, "1", "t" * 129, b""),
    ):
        with pytest.raises(InvalidIdentifier):
            bus.send([*messages(queue, "good"), bad])
    bus.send([OutboundMessage(queue, "ä" * 128, "ü", b"")])

    (one,) = received(bus, queue, 1)
    assert (one.message_id, one.message_type, one.body) == ("ä" * 128, "ü", b"")


# --- time ---


def test_one_call_may_have_messages_for_now_and_for_many_times(
    bus: AzureServiceBus, emulator: RunningEmulator, queue: str, faults: Faults
) -> None:
    start = emulator.now()
    due = [None, start + timedelta(seconds=60), start + timedelta(seconds=30), start - timedelta(seconds=30)]
    bus.send([OutboundMessage(queue, str(number), "task", b"{}", at) for number, at in enumerate(due)])

    assert faults.asked[Operation.SEND, queue] == 1
    now = received(bus, queue, 2)
    assert ids(now) == ["0", "3"]
    assert [one.state for one in bus.peek(queue, 10)] == ["active", "scheduled", "scheduled", "active"]
    for one in now:
        bus.complete(one)
    emulator.advance(31)
    assert ids(received(bus, queue, 1)) == ["2"]
    emulator.advance(31)
    assert ids(received(bus, queue, 1)) == ["1"]


def test_a_long_wait_ends_with_the_first_message(emulator: RunningEmulator, queue: str) -> None:
    with bus_on(emulator, wait_seconds=30) as bus:
        bus.send(messages(queue, "opens the connection"))
        bus.complete(received(bus, queue, 1)[0])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(bus.receive, queue, 10)
            while not bus._receivers._all[-1]._held and not waiting.done():
                bus.send(messages(queue, "1"))

            assert waiting.result(timeout=10)[0].message_id == "1"


def test_a_wait_that_cannot_be_is_refused(emulator: RunningEmulator) -> None:
    connection = BusConnection(settings_of(emulator))
    for seconds in (-1, 31, float("nan")):
        with pytest.raises(ValueError, match="wait_seconds"):
            AzureServiceBus(connection, SystemClock(), seconds)


# --- faults ---


def test_a_connection_that_is_dropped_in_a_send_is_made_anew_by_the_same_call(
    bus: AzureServiceBus, queue: str, faults: Faults
) -> None:
    bus.send(messages(queue, "1"))
    faults.expect(FaultRule(DropConnection(), Operation.SEND, queue, times=1))

    bus.send(messages(queue, "2"))

    assert ids(received(bus, queue, 2)) == ["1", "2"]


def test_without_further_tries_it_is_made_anew_by_the_next_call(
    once: AzureServiceBus, queue: str, faults: Faults
) -> None:
    faults.expect(FaultRule(DropConnection(), Operation.SEND, queue, times=1))

    with pytest.raises(BusUnavailable) as caught:
        once.send(messages(queue, "1", "2"))
    assert caught.value.__cause__ is not None
    once.send(messages(queue, "1", "2"))

    assert ids(received(once, queue, 2)) == ["1", "2"]


def test_a_connection_that_is_dropped_in_a_receive_is_made_anew_by_the_next(
    once: AzureServiceBus, queue: str, faults: Faults
) -> None:
    once.send(messages(queue, "1"))
    once.complete(received(once, queue, 1)[0])
    faults.expect(FaultRule(DropConnection(), Operation.RECEIVE, queue, times=1))
    once.send(messages(queue, "2"))

    with pytest.raises(BusUnavailable):
        received(once, queue, 1)

    (again,) = received(once, queue, 1)
    assert again.message_id == "2"
    once.complete(again)


def test_when_all_connections_are_cut_every_call_goes_on_and_locks_are_gone(
    bus: AzureServiceBus, emulator: RunningEmulator, queue: str
) -> None:
    bus.send(messages(queue, "1", "2", "3"))
    held = received(bus, queue, 2)
    bus.probe(queue)

    cut_all_connections(emulator)

    for one in held:
        with pytest.raises(LockLost):
            bus.complete(one)
    bus.send(messages(queue, "4"))
    assert [one.message_id for one in bus.peek(queue, 10)] == ["1", "2", "3", "4"]
    found = received(bus, queue, 4)
    assert [(one.message_id, one.delivery_count) for one in found] == [("1", 2), ("2", 2), ("3", 1), ("4", 1)]
    for one in found:
        bus.complete(one)


def test_a_connection_that_is_dropped_in_a_settlement_loses_the_lock_or_tells(
    bus: AzureServiceBus, queue: str, faults: Faults
) -> None:
    bus.send(messages(queue, "1"))
    (held,) = received(bus, queue, 1)
    faults.expect(FaultRule(DropConnection(), Operation.SETTLE, queue, times=1))

    with pytest.raises((LockLost, BusUnavailable)):
        bus.complete(held)

    (again,) = received(bus, queue, 1)
    assert again.delivery_count == 2
    bus.complete(again)


def test_throttling_is_told_and_passes(once: AzureServiceBus, bus: AzureServiceBus, queue: str, faults: Faults) -> None:
    faults.expect(FaultRule(Throttle(), Operation.SEND, queue, times=1))
    with pytest.raises(BusBusy) as caught:
        once.send(messages(queue, "1"))
    assert caught.value.retryable
    once.send(messages(queue, "1"))

    faults.expect(FaultRule(Throttle(), Operation.SEND, queue, times=1))
    bus.send(messages(queue, "2"))

    assert ids(received(bus, queue, 2)) == ["1", "2"]


def test_a_lock_that_was_lost_on_the_way_is_told_and_the_message_comes_again(
    bus: AzureServiceBus, queue: str, faults: Faults
) -> None:
    bus.send(messages(queue, "1"))
    for operation, act in ((Operation.SETTLE, bus.complete), (Operation.RENEW, bus.renew_lock)):
        (held,) = received(bus, queue, 1)
        faults.expect(FaultRule(LoseLock(), operation, queue, times=1))

        with pytest.raises(LockLost):
            act(held)

    (again,) = received(bus, queue, 1)
    assert again.delivery_count == 3
    bus.complete(again)


def test_a_queue_that_is_not_there_is_for_a_person_and_harms_no_other(bus: AzureServiceBus, queue: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: bus.send([*messages("nobody", "1"), *messages(queue, "1")]),
        lambda: bus.receive("nobody", 1),
        lambda: bus.dead_letters("nobody", 1),
        lambda: bus.probe("nobody"),
    ]
    for call in calls:
        with pytest.raises(BusMisconfigured, match="no such queue"):
            call()

    assert bus.peek(queue, 1) == []
    bus.send(messages(queue, "2"))
    assert ids(received(bus, queue, 1)) == ["2"]


def test_a_wrong_key_is_for_a_person_and_is_not_shown(emulator: RunningEmulator, queue: str) -> None:
    text = emulator.connection_string.replace("SAS_KEY_VALUE", "hunter2")
    settings = Settings.from_environment({"SERVICE_BUS_CONNECTION": text})
    bus = AzureServiceBus(BusConnection(settings, limits=ONCE), SystemClock())
    try:
        for call in (lambda: bus.send(messages(queue, "1")), lambda: bus.receive(queue, 1), lambda: bus.probe(queue)):
            with pytest.raises(BusMisconfigured) as caught:
                call()
            assert "hunter2" not in f"{caught.value}{caught.value.details}{bus.address}"
        assert isinstance(bus.queue_properties(queue), PropertiesUnavailable)
    finally:
        bus.close()


class Identity:
    """Gives a token that the emulator, which knows keys alone, refuses; or none."""

    def __init__(self, error: Exception | None) -> None:
        self.scopes: list[str] = []
        self._error = error

    def get_token(self, *scopes: str, **more: object) -> AccessToken:
        self.scopes += scopes
        if self._error is not None:
            raise self._error
        return AccessToken("hunter2", 4_000_000_000)


@pytest.mark.parametrize(("error", "text"), [(None, "sign-in"), (ClientAuthenticationError("hunter2"), "no Microsoft")])
def test_an_identity_is_asked_for_a_token_for_each_connection(
    emulator: RunningEmulator, queue: str, error: Exception | None, text: str
) -> None:
    settings = Settings.from_environment({"SERVICE_BUS_FQDN": "engine.servicebus.windows.net"})
    identity = Identity(error)
    connection = BusConnection(settings, credential=identity, limits=ONCE, use_tls=False)
    connection._fqdn = f"127.0.0.1:{emulator.server.port}"  # which no setting can say, without TLS
    bus = AzureServiceBus(connection, SystemClock())
    try:
        for call in (lambda: bus.send(messages(queue, "1")), lambda: bus.receive(queue, 1), lambda: bus.probe(queue)):
            asked = len(identity.scopes)
            with pytest.raises(BusMisconfigured, match=text) as caught:
                call()
            assert "hunter2" not in f"{caught.value}{caught.value.details}"
            assert identity.scopes[asked:] == ["https://servicebus.azure.net//.default"]
    finally:
        bus.close()


def test_a_bus_that_is_not_there_is_unavailable(queue: str) -> None:
    text = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true"
    settings = Settings.from_environment({"SERVICE_BUS_CONNECTION": text})
    bus = AzureServiceBus(BusConnection(settings, limits=ONCE), SystemClock())
    try:
        for call in (lambda: bus.send(messages(queue, "1")), lambda: bus.receive(queue, 1), lambda: bus.probe(queue)):
            with pytest.raises(BusUnavailable) as caught:
                call()
            assert type(caught.value) is BusUnavailable
            assert caught.value.details["reason"] == "ConnectionRefusedError"
        found = bus.queue_properties(queue)
        assert isinstance(found, PropertiesUnavailable)
        assert type(found.error) is BusUnavailable
    finally:
        bus.close()


# --- what others send ---


def test_messages_of_others_are_given_as_far_as_they_can_be_read(
    bus: AzureServiceBus, emulator: RunningEmulator, queue: str
) -> None:
    with service_bus_client(settings_of(emulator)) as client, client.get_queue_sender(queue) as sender:
        sender.send_messages(ServiceBusMessage(b"no id"))
        for body in ({"value_body": {"a": 1}}, {"value_body": "text"}, {"sequence_body": [1, "x"]}):
            sender.send_messages(AmqpAnnotatedMessage(**body))
        sender.send_messages(
            AmqpAnnotatedMessage(data_body=[b"in ", b"parts"], properties={"message_id": UUID(int=7), "subject": b"s"})
        )

    found = received(bus, queue, 5)

    assert found[0].body == b"no id"
    assert (found[4].body, found[4].message_type) == (b"in parts", "s")
    assert UUID(found[4].message_id) == UUID(int=7)
    for one in found:
        with pytest.raises(MessageInvalid):
            decode(one.body)
        bus.dead_letter(one, "MESSAGE_INVALID", "x" * 100_000)
    assert [letter.reason for letter in bus.dead_letters(queue, 10)] == ["MESSAGE_INVALID"] * 5


# --- operators ---


def test_dead_letters_come_in_pages(bus: AzureServiceBus, queue: str) -> None:
    names = [str(number) for number in range(600)]
    bus.send(messages(queue, *names))
    for one in received(bus, queue, 600):
        bus.dead_letter(one, "REASON", "why")

    assert [letter.message_id for letter in bus.dead_letters(queue, 1_000)] == names
    assert [letter.message_id for letter in bus.dead_letters(queue, 300)] == names[:300]


def test_a_peek_goes_on_behind_a_sequence_number_and_takes_nothing(bus: AzureServiceBus, queue: str) -> None:
    bus.send(messages(queue, *(str(number) for number in range(300))))

    first = bus.peek(queue, 260)
    rest = bus.peek(queue, 260, after=first[-1].sequence_number)

    assert [one.message_id for one in [*first, *rest]] == [str(number) for number in range(300)]
    assert (first[0].body, first[0].delivery_count, first[0].state) == (b'{"a": 1}', 0, "active")
    assert len(received(bus, queue, 300)) == 300


def test_a_queue_tells_how_it_is_set_up_and_what_it_holds(bus: AzureServiceBus) -> None:
    bus.send(messages("set-up", "1", "2"))
    bus.dead_letter(received(bus, "set-up", 1)[0], "R", "d")

    found = bus.queue_properties("set-up")

    assert isinstance(found, QueueProperties)
    assert (found.lock_seconds, found.max_delivery_count, found.duplicate_window) == (45, 7, 180)
    assert (found.time_to_live, found.dead_letters_expired, found.requires_session) == (172_800, True, False)
    assert (found.active, found.dead_letters, found.scheduled, found.status) == (1, 1, 0, "Active")
    plain = bus.queue_properties(PLAIN[0])
    assert isinstance(plain, QueueProperties)
    assert (plain.duplicate_window, plain.time_to_live) == (0, None)
    assert bus.queue_properties("nobody") == QueueMissing("nobody")


def test_a_renewal_that_is_not_answered_is_given_up_soon(
    bus: AzureServiceBus, queue: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infrastructure.service_bus.receiving, "RENEWAL_SECONDS", 0.2)
    bus.send(messages(queue, "1"))
    (held,) = received(bus, queue, 1)
    faults.expect(FaultRule(Delay(1), Operation.RENEW, queue, times=1))

    with pytest.raises(BusUnavailable, match="in time"):
        bus.renew_lock(held)


def test_a_renewal_makes_no_connection(bus: AzureServiceBus, emulator: RunningEmulator, queue: str) -> None:
    bus.send(messages(queue, "1"))
    (held,) = received(bus, queue, 1)
    cut_all_connections(emulator)

    for _ in range(3):
        with pytest.raises(BusUnavailable):
            bus.renew_lock(held)
    assert not bus._receivers.holding(held)._made().connected

    (again,) = received(bus, queue, 1)
    assert bus.renew_lock(again).locked_until >= again.locked_until
    bus.complete(again)


# --- the end ---


def test_waits_can_be_ended_while_what_was_received_is_settled(emulator: RunningEmulator, queue: str) -> None:
    with bus_on(emulator, wait_seconds=30) as bus, ThreadPoolExecutor(1) as pool:
        bus.send(messages(queue, "1"))
        (held,) = pool.submit(bus.receive, queue, 1).result(timeout=30)
        waiting = pool.submit(bus.receive, queue, 1)
        bus.end_waits()

        assert waiting.result(timeout=10) == []
        bus.send(messages(queue, "2"))
        assert pool.submit(bus.receive, queue, 1).result(timeout=10) == []
        pool.submit(bus.complete, held).result(timeout=30)
        assert [one.message_id for one in bus.peek(queue, 10)] == ["2"]


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Those that the SDK has made since."""
    made: list[socket.socket] = []

    def connect(*arguments: Any) -> socket.socket:
        made.append(socket.create_connection(*arguments))
        return made[-1]

    with_connect = SimpleNamespace(**{**vars(socket), "create_connection": connect})
    monkeypatch.setattr("azure.servicebus._pyamqp._transport.socket", with_connect)
    return made


@pytest.mark.parametrize("used_again", [False, True])
def test_connections_that_were_lost_leave_no_socket_open(
    emulator: RunningEmulator, sockets: list[socket.socket], queue: str, used_again: bool
) -> None:
    times = 2 if used_again else 1
    with bus_on(emulator) as bus:
        for number in range(times):
            bus.send(messages(queue, str(number)))
            bus.peek(queue, 1)
            with suppress(BusUnavailable):  # as a receive says that finds its connection lost
                bus.receive(queue, 1)
            cut_all_connections(emulator)

    assert len(sockets) > 2 * times
    assert [one for one in sockets if one.fileno() != -1] == []


def test_closing_sends_what_was_handed_in_and_ends_the_waits(
    emulator: RunningEmulator, bus: AzureServiceBus, queue: str, faults: Faults
) -> None:
    with bus_on(emulator, wait_seconds=30) as closing:
        closing.send(messages(queue, "0"))
        bus.complete(received(bus, queue, 1)[0])
        other = PLAIN[next(_names)]
        faults.expect(FaultRule(Delay(0.3), Operation.SEND, queue))
        with ThreadPoolExecutor(5) as pool:
            waiting = pool.submit(closing.receive, other, 1)
            while not closing._receivers._all:
                closing.send([])
            sending = [pool.submit(closing.send, messages(queue, str(number))) for number in range(1, 4)]
            while faults.asked[Operation.SEND, queue] < 2:
                closing.send([])
            closing.close()
            outcomes = [sent.exception() for sent in sending]
            found = waiting.result(timeout=1)
        closing.close()

    assert found == []
    sent = [number for number, error in enumerate(outcomes, 1) if error is None]
    assert {type(error) for error in outcomes if error is not None} <= {BusUnavailable}
    assert sent
    assert sorted(ids(received(bus, queue, len(sent))), key=int) == [str(number) for number in sent]
    uses: list[Callable[[], object]] = [
        lambda: closing.send(messages(queue, "9")),
        lambda: closing.receive(queue, 1),
        lambda: closing.dead_letters(queue, 1),
        lambda: closing.move_dead_letters(queue, len, 1, MEGABYTE),
        lambda: closing.probe(queue),
    ]
    for use in uses:
        with pytest.raises(BusUnavailable):
            use()


def test_a_closed_bus_holds_no_connection_and_no_thread(emulator: RunningEmulator, queue: str) -> None:
    before = emulator.call(lambda: emulator.server.connection_count)
    with bus_on(emulator) as bus:
        bus.send(messages(queue, "1"))
        (held,) = received(bus, queue, 1)
        bus.probe(queue)
        assert emulator.call(lambda: emulator.server.connection_count) == before + 3
        bus.complete(held)

    with pytest.raises(LockLost):
        bus.complete(held)
    assert not [thread for thread in threading.enumerate() if thread.name == f"service-bus-sender-{queue}"]
    while emulator.call(lambda: emulator.server.connection_count) > before:
        threading.Event().wait(0.01)
