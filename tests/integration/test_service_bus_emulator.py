"""The emulator, spoken to by the SDK as it is.

Opening a client takes the SDK half a second, so one emulator and one client serve the whole module, and a test has a
queue of its own. Time is skipped, never waited for, except where the SDK itself waits.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusMessageState,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
    TransportType,
)
from azure.servicebus.aio import ServiceBusClient as AsyncServiceBusClient
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    SessionCannotBeLockedError,
)

from testing.service_bus_emulator.broker.faults import DropConnection, FaultPlan, FaultRule, Operation, Throttle
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.running import RunningEmulator, run_emulator
from tests.support.certificates import own_certificate

# The SDK forgets the sockets of connections that ended by themselves.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

RULES = QueueRules(lock_duration=timedelta(seconds=60), max_delivery_count=3)
PLAIN = [f"plain-{number}" for number in range(30)]
WAIT = 5.0  # seconds at most for what is there


class Stack:
    """The emulator, one client, and a fresh queue when asked."""

    def __init__(self, emulator: RunningEmulator, client: ServiceBusClient) -> None:
        self.emulator = emulator
        self.client = client
        self._open: list[ServiceBusSender | ServiceBusReceiver] = []
        self._names = itertools.count()

    def close(self) -> None:
        """All at once: each takes the SDK half a second."""
        with ThreadPoolExecutor(max_workers=20) as pool:
            list(pool.map(lambda one: one.close(), self._open))

    def queue(self, **options: Any) -> tuple[str, ServiceBusSender, ServiceBusReceiver]:
        name = PLAIN[next(self._names)]
        return name, self.sender(name), self.receiver(name, **options)

    def sender(self, name: str) -> ServiceBusSender:
        sender = self.client.get_queue_sender(name).__enter__()
        self._open.append(sender)
        return sender

    def receiver(self, name: str, **options: Any) -> ServiceBusReceiver:
        receiver = self.client.get_queue_receiver(name, **options).__enter__()
        self._open.append(receiver)
        return receiver


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    queues = dict.fromkeys(PLAIN, RULES) | {
        "sessions": QueueRules(requires_session=True, lock_duration=timedelta(seconds=60)),
        "once": QueueRules(duplicate_window=timedelta(minutes=1)),
        "short": QueueRules(default_time_to_live=timedelta(minutes=1), dead_letter_on_expiration=True),
        "aio": RULES,
    }
    with run_emulator(queues) as emulator:
        client = ServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0)
        stack = Stack(emulator, client)
        yield stack
        stack.close()
        client.close()


def receive(receiver: ServiceBusReceiver, count: int = 1) -> list[Any]:
    """Messages, as ``Any``: the SDK says of most that a message has that it may be None."""
    found: list[Any] = []
    while len(found) < count:
        more = receiver.receive_messages(count - len(found), max_wait_time=WAIT)
        assert more, f"{len(found)} of {count} messages came"
        found += more
    return found


def nothing_left(receiver: ServiceBusReceiver) -> bool:
    return not receiver.receive_messages(1, max_wait_time=0.3)


def text(message: ServiceBusReceivedMessage) -> str:
    return str(message)


# Messages as they were sent


def test_a_message_arrives_as_it_was_sent(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sent = ServiceBusMessage(
        b"\x00body\xff",
        message_id="id-1",
        application_properties={
            "text": "ä",
            "number": 2**30,
            "real": 1.5,
            "yes": True,
            "id": UUID(int=7),
        },
        correlation_id="correlation",
        subject="subject",
        content_type="application/json",
        to="to",
        reply_to="reply",
        partition_key="key",
        time_to_live=timedelta(minutes=5),
    )
    sender.send_messages(sent)

    (found,) = receive(receiver)

    assert b"".join(found.body) == b"\x00body\xff"
    assert (found.message_id, found.correlation_id, found.subject) == ("id-1", "correlation", "subject")
    assert (found.content_type, found.to, found.reply_to) == ("application/json", "to", "reply")
    assert (found.partition_key, found.time_to_live) == ("key", timedelta(minutes=5))
    properties = {key.decode(): value for key, value in found.application_properties.items()}
    assert properties["text"].decode() == "ä"
    assert (properties["number"], properties["real"], properties["yes"]) == (2**30, 1.5, True)
    assert properties["id"] == UUID(int=7)
    assert (found.delivery_count, found.state) == (0, ServiceBusMessageState.ACTIVE)
    assert found.sequence_number == 1
    assert abs(found.enqueued_time_utc - stack.emulator.now()) < timedelta(minutes=1)
    assert found.expires_at_utc == found.enqueued_time_utc + timedelta(minutes=5)
    receiver.complete_message(found)
    assert nothing_left(receiver)


def test_a_message_of_many_frames_arrives_whole(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    body = bytes(range(256)) * 900
    sender.send_messages(ServiceBusMessage(body))

    (found,) = receive(receiver)

    assert b"".join(found.body) == body
    receiver.complete_message(found)


def test_a_batch_is_as_many_messages_in_order(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    batch = sender.create_message_batch()
    for number in range(100):
        batch.add_message(ServiceBusMessage(str(number), message_id=f"m{number}"))
    sender.send_messages(batch)
    sender.send_messages([ServiceBusMessage("100"), ServiceBusMessage("101")])

    found = receive(receiver, 102)

    assert [text(one) for one in found] == [str(number) for number in range(102)]
    assert found[7].message_id == "m7"
    for one in found:
        receiver.complete_message(one)


def test_a_message_over_the_limit_is_refused_and_the_sender_lives_on(stack: Stack) -> None:
    _, sender, receiver = stack.queue()

    with pytest.raises(MessageSizeExceededError):
        sender.send_messages(ServiceBusMessage(b"x" * 300_000))
    sender.send_messages(ServiceBusMessage("small"))

    (found,) = receive(receiver)
    assert text(found) == "small"


def test_what_the_broker_refuses_is_an_error_at_once_and_not_a_hang(stack: Stack) -> None:
    sender = stack.sender("sessions")

    with pytest.raises(ServiceBusError, match="session"):
        sender.send_messages(ServiceBusMessage("without a session"), timeout=10)


def test_duplicates_are_dropped(stack: Stack) -> None:
    sender, receiver = stack.sender("once"), stack.receiver("once")
    for _ in range(3):
        sender.send_messages(ServiceBusMessage("once", message_id="same"))

    (found,) = receive(receiver)
    receiver.complete_message(found)
    assert nothing_left(receiver)


# Settling


def test_an_abandoned_message_comes_again_and_the_delivery_counts(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("again"))
    (first,) = receive(receiver)
    receiver.abandon_message(first)

    (again,) = receive(receiver)

    assert (again.delivery_count, again.sequence_number) == (1, first.sequence_number)
    assert again.lock_token != first.lock_token
    receiver.complete_message(again)


def test_after_the_last_delivery_a_message_is_a_dead_letter(stack: Stack) -> None:
    name, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("poison"))
    for _ in range(RULES.max_delivery_count):
        (found,) = receive(receiver)
        receiver.abandon_message(found)

    (dead,) = receive(stack.receiver(name, sub_queue=ServiceBusSubQueue.DEAD_LETTER))

    assert (text(dead), dead.dead_letter_reason) == ("poison", "MaxDeliveryCountExceeded")
    assert nothing_left(receiver)


def test_a_dead_letter_keeps_its_properties_and_says_why(stack: Stack) -> None:
    name, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("bad", message_id="1", application_properties={"a": "b"}))
    (found,) = receive(receiver)
    receiver.dead_letter_message(found, reason="Because", error_description="it was bad")

    dead_letters = stack.receiver(name, sub_queue=ServiceBusSubQueue.DEAD_LETTER)
    (dead,) = receive(dead_letters)

    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("Because", "it was bad")
    assert (dead.message_id, dead.application_properties[b"a"]) == ("1", b"b")
    dead_letters.complete_message(dead)
    assert nothing_left(dead_letters)
    assert nothing_left(receiver)


def test_a_deferred_message_is_given_by_its_number_only(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("later"))
    (found,) = receive(receiver)
    receiver.defer_message(found)
    assert nothing_left(receiver)

    (deferred,) = receiver.receive_deferred_messages(found.sequence_number)

    assert text(deferred) == "later"
    receiver.renew_message_lock(deferred)
    receiver.complete_message(deferred)
    with pytest.raises(MessageNotFoundError):
        receiver.receive_deferred_messages(found.sequence_number)


def test_deferred_messages_can_be_abandoned_and_dead_lettered(stack: Stack) -> None:
    name, sender, receiver = stack.queue()
    sender.send_messages([ServiceBusMessage("1"), ServiceBusMessage("2")])
    numbers = []
    for found in receive(receiver, 2):
        receiver.defer_message(found)
        numbers.append(found.sequence_number)
    one, two = receiver.receive_deferred_messages(numbers)
    receiver.abandon_message(one)
    receiver.dead_letter_message(two, reason="R", error_description="D")

    (again,) = receiver.receive_deferred_messages(numbers[0])
    assert again.delivery_count == 1
    (dead,) = receive(stack.receiver(name, sub_queue=ServiceBusSubQueue.DEAD_LETTER))
    assert (text(dead), dead.dead_letter_reason, dead.dead_letter_error_description) == ("2", "R", "D")


def test_nothing_is_settled_after_its_lock_ended(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("late"))
    for settle in (receiver.complete_message, receiver.abandon_message):
        (found,) = receive(receiver)
        stack.emulator.advance(61)
        with pytest.raises(MessageLockLostError):
            settle(found)

    (found,) = receive(receiver)
    assert found.delivery_count == 2
    receiver.complete_message(found)
    assert nothing_left(receiver)


def test_a_renewed_lock_lasts_longer(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("slow"))
    (found,) = receive(receiver)
    until = found.locked_until_utc
    for _ in range(3):
        stack.emulator.advance(40)
        renewed = receiver.renew_message_lock(found)
        assert renewed > until
        until = renewed

    receiver.complete_message(found)
    assert nothing_left(receiver)


def test_a_lost_lock_is_not_renewed(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages(ServiceBusMessage("slow"))
    (found,) = receive(receiver)
    stack.emulator.advance(61)

    with pytest.raises(MessageLockLostError):
        receiver.renew_message_lock(found)


def test_what_is_received_and_deleted_is_gone(stack: Stack) -> None:
    name, sender, _ = stack.queue()
    receiver = stack.receiver(name, receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE)
    sender.send_messages([ServiceBusMessage("1"), ServiceBusMessage("2")])

    assert [text(one) for one in receive(receiver, 2)] == ["1", "2"]
    assert nothing_left(receiver)
    assert receiver.peek_messages(5) == []


def test_a_receiver_that_is_closed_gives_back_what_it_prefetched(stack: Stack) -> None:
    name, sender, receiver = stack.queue()
    sender.send_messages([ServiceBusMessage(str(number)) for number in range(10)])
    with stack.client.get_queue_receiver(name, prefetch_count=20) as greedy:
        (first,) = receive(greedy)
        greedy.complete_message(first)

    found = receive(receiver, 9)

    assert [text(one) for one in found] == [str(number) for number in range(1, 10)]
    assert {one.delivery_count for one in found} == {0}


def test_two_receivers_share_a_queue_and_take_nothing_twice(stack: Stack) -> None:
    name, sender, one = stack.queue()
    other = stack.receiver(name)
    sender.send_messages([ServiceBusMessage(str(number)) for number in range(40)])

    found = []
    for receiver in (one, other) * 2:
        for message in receive(receiver, 10):
            found.append(text(message))
            receiver.complete_message(message)

    assert sorted(map(int, found)) == list(range(40))


# Schedules, peeking, time to live


def test_a_scheduled_message_comes_when_it_is_due(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    due = stack.emulator.now() + timedelta(minutes=10)
    number = sender.schedule_messages(ServiceBusMessage("later"), due)[0]
    assert nothing_left(receiver)
    (seen,) = receiver.peek_messages()
    assert (seen.state, seen.sequence_number) == (ServiceBusMessageState.SCHEDULED, number)

    stack.emulator.advance(601)

    (found,) = receive(receiver)
    assert (text(found), found.state) == ("later", ServiceBusMessageState.ACTIVE)
    assert abs(found.scheduled_enqueue_time_utc - due) < timedelta(milliseconds=2)
    receiver.complete_message(found)


def test_a_message_sent_with_a_time_is_scheduled(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages(
        ServiceBusMessage("later", scheduled_enqueue_time_utc=stack.emulator.now() + timedelta(minutes=10))
    )
    assert nothing_left(receiver)

    stack.emulator.advance(601)

    assert text(receive(receiver)[0]) == "later"


def test_a_cancelled_schedule_never_comes(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    numbers = sender.schedule_messages(
        [ServiceBusMessage("1"), ServiceBusMessage("2")], stack.emulator.now() + timedelta(minutes=10)
    )
    sender.cancel_scheduled_messages(numbers[0])

    with pytest.raises(MessageNotFoundError):
        sender.cancel_scheduled_messages(numbers[0])
    stack.emulator.advance(601)
    assert [text(one) for one in receive(receiver)] == ["2"]
    assert nothing_left(receiver)


def test_peeking_shows_every_message_and_takes_none(stack: Stack) -> None:
    _, sender, receiver = stack.queue()
    sender.send_messages([ServiceBusMessage(str(number)) for number in range(5)])
    (held,) = receive(receiver)

    seen = receiver.peek_messages(10, sequence_number=1)

    assert [text(one) for one in seen] == ["0", "1", "2", "3", "4"]
    assert [text(one) for one in receiver.peek_messages(2, sequence_number=4)] == ["3", "4"]
    receiver.complete_message(held)


def test_an_expired_message_is_a_dead_letter(stack: Stack) -> None:
    sender = stack.sender("short")
    sender.send_messages(ServiceBusMessage("old"))
    stack.emulator.advance(61)

    (dead,) = receive(stack.receiver("short", sub_queue=ServiceBusSubQueue.DEAD_LETTER))

    assert (text(dead), dead.dead_letter_reason) == ("old", "TTLExpiredException")


# Sessions


def test_a_session_gives_its_messages_in_order_to_one_receiver(stack: Stack) -> None:
    sender = stack.sender("sessions")
    sender.send_messages([ServiceBusMessage(f"{name}{n}", session_id=name) for n in range(3) for name in ("a", "b")])

    with stack.client.get_queue_receiver("sessions", session_id="b") as receiver:
        assert receiver.session.session_id == "b"
        until = receiver.session.locked_until_utc
        assert until is not None
        assert until > stack.emulator.now()
        found = receive(receiver, 3)
        assert [text(one) for one in found] == ["b0", "b1", "b2"]
        assert {one.session_id for one in found} == {"b"}
        with pytest.raises(SessionCannotBeLockedError):
            stack.client.get_queue_receiver("sessions", session_id="b").__enter__()
        assert receiver.session.renew_lock() > stack.emulator.now()
        receiver.session.set_state(b"state")
        assert receiver.session.get_state() == b"state"
        for one in found:
            receiver.complete_message(one)
        receiver.session.set_state(None)
    with stack.client.get_queue_receiver("sessions", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5) as receiver:
        assert receiver.session.session_id == "a"
        for one in receive(receiver, 3):
            receiver.complete_message(one)


def test_waiting_for_a_session_ends_when_none_comes(stack: Stack) -> None:
    with pytest.raises(OperationTimeoutError):
        stack.client.get_queue_receiver("sessions", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1).__enter__()


# Who may


def test_a_wrong_key_is_refused(stack: Stack) -> None:
    wrong = stack.emulator.connection_string.replace("SharedAccessKey=SAS_KEY_VALUE", "SharedAccessKey=wrong")
    with (
        ServiceBusClient.from_connection_string(wrong, retry_total=0) as client,
        pytest.raises((ServiceBusAuthenticationError, ServiceBusAuthorizationError)),
    ):
        client.get_queue_sender(PLAIN[0]).__enter__()


def test_an_entity_that_is_not_there_is_not_found(stack: Stack) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        stack.client.get_queue_sender("nowhere").__enter__()
    with pytest.raises(MessagingEntityNotFoundError):
        stack.client.get_queue_receiver("nowhere").__enter__()


# The asynchronous SDK


def test_the_asynchronous_sdk_sends_receives_and_settles(stack: Stack) -> None:
    asyncio.run(_asynchronously(stack.emulator))


async def _asynchronously(emulator: RunningEmulator) -> None:
    client = AsyncServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0)
    async with client, client.get_queue_sender("aio") as sender, client.get_queue_receiver("aio") as receiver:
        await sender.send_messages([ServiceBusMessage(str(number), message_id=str(uuid4())) for number in range(4)])
        number = (await sender.schedule_messages(ServiceBusMessage("later"), emulator.now() + timedelta(hours=1)))[0]
        await sender.cancel_scheduled_messages(number)
        assert [str(one) for one in await receiver.peek_messages(9)] == ["0", "1", "2", "3"]

        first, second, third, fourth = await _receive(receiver, 4)
        await receiver.renew_message_lock(first)
        await receiver.complete_message(first)
        await receiver.abandon_message(second)
        await receiver.defer_message(third)
        await receiver.dead_letter_message(fourth, reason="R", error_description="D")

        (again,) = await _receive(receiver, 1)
        assert (str(again), again.delivery_count) == ("1", 1)
        await receiver.complete_message(again)
        (deferred,) = await receiver.receive_deferred_messages(third.sequence_number)
        await receiver.complete_message(deferred)
        async with client.get_queue_receiver("aio", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
            (dead,) = await _receive(dead_letters, 1)
            assert (str(dead), dead.dead_letter_reason) == ("3", "R")
            await dead_letters.complete_message(dead)


def test_the_asynchronous_sdk_holds_a_session_and_gives_it_back(stack: Stack) -> None:
    asyncio.run(_session_asynchronously(stack.emulator))


async def _session_asynchronously(emulator: RunningEmulator) -> None:
    client = AsyncServiceBusClient.from_connection_string(emulator.connection_string, retry_total=0)
    async with client:
        async with client.get_queue_sender("sessions") as sender:
            await sender.send_messages([ServiceBusMessage(f"x{n}", session_id="x") for n in range(3)])
        async with client.get_queue_receiver("sessions", session_id="x") as receiver:
            assert receiver.session.session_id == "x"
            assert await receiver.session.renew_lock() > emulator.now()
            await receiver.session.set_state(b"half")
            first, second, _ = await _receive(receiver, 3)
            await receiver.complete_message(first)
            await receiver.abandon_message(second)
            with pytest.raises(SessionCannotBeLockedError):
                await client.get_queue_receiver("sessions", session_id="x").__aenter__()
        async with client.get_queue_receiver(
            "sessions", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=WAIT
        ) as receiver:
            assert (receiver.session.session_id, await receiver.session.get_state()) == ("x", b"half")
            found = await _receive(receiver, 2)
            assert [(str(one), one.delivery_count) for one in found] == [("x1", 1), ("x2", 0)]
            for one in found:
                await receiver.complete_message(one)
            await receiver.session.set_state(None)
        with pytest.raises(OperationTimeoutError):
            await client.get_queue_receiver("sessions", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1).__aenter__()


async def _receive(receiver: Any, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        more = await receiver.receive_messages(count - len(found), max_wait_time=WAIT)
        assert more, f"{len(found)} of {count} messages came"
        found += more
    return found


# Faults, and the process by itself


def test_the_sdk_survives_a_dropped_connection_and_a_throttled_send() -> None:
    rules = [
        FaultRule(DropConnection(), Operation.SEND, after=1, times=1),
        FaultRule(Throttle(), Operation.SEND, after=2, times=1),
    ]
    with (
        run_emulator({"tasks": RULES}, faults=FaultPlan(rules)) as emulator,
        ServiceBusClient.from_connection_string(
            emulator.connection_string, retry_total=3, retry_backoff_factor=0.01
        ) as client,
        client.get_queue_sender("tasks") as sender,
    ):
        for number in range(3):
            sender.send_messages(ServiceBusMessage(str(number)))

        (queue,) = emulator.server.namespace
        seen = emulator.call(lambda: queue.peek(1, 10, emulator.now()))
        assert len(seen) == 3
        assert len(emulator.server.faults.injected) == 2


def test_over_tls_the_sdk_speaks_to_it_as_well(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with run_emulator({"tasks": RULES}, tls=context) as emulator:
        address = emulator.connection_string.replace(";UseDevelopmentEmulator=true", "")
        port = emulator.server.port
        with (
            ServiceBusClient.from_connection_string(
                address.replace(f"127.0.0.1:{port}", "localhost"),
                custom_endpoint_address=f"sb://127.0.0.1:{port}",
                transport_type=TransportType.Amqp,
                connection_verify=str(certificate),
                retry_total=0,
            ) as client,
            client.get_queue_sender("tasks") as sender,
        ):
            sender.send_messages(ServiceBusMessage("secret"))


CONFIG = {
    "UserConfig": {
        "Namespaces": [
            {
                "Name": "sbemulatorns",
                "Queues": [{"Name": "tasks", "Properties": {"LockDuration": "PT1M"}}],
                "Topics": [],
            }
        ],
        "Logging": {"Type": "File"},
    }
}


@contextmanager
def _process(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The emulator as a process, and its connection string."""
    config = folder / "Config.json"
    config.write_text(json.dumps(CONFIG))
    command = [sys.executable, "-m", "testing.service_bus_emulator", "--config", str(config), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_process_keeps_its_messages_in_its_journal_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "journal"), "--key", "mine=secret")
    with _process(tmp_path, *journal) as (process, address):
        assert "SharedAccessKeyName=mine" in address
        with ServiceBusClient.from_connection_string(address) as client, client.get_queue_sender("tasks") as sender:
            sender.send_messages(ServiceBusMessage("kept", message_id="1"))
            process.terminate()
            assert process.wait(timeout=20) == 0

    with (
        _process(tmp_path, *journal) as (process, address),
        ServiceBusClient.from_connection_string(address) as client,
        client.get_queue_receiver("tasks") as receiver,
    ):
        (found,) = receive(receiver)
        assert (text(found), found.message_id) == ("kept", "1")
        receiver.complete_message(found)


@pytest.mark.parametrize(
    ("options", "error"), [(["--key", "nameless"], "NAME=KEY"), (["--faults", "{config}"], "array")]
)
def test_what_is_wrong_with_its_settings_is_said_and_ends_the_process(
    tmp_path: Path, options: list[str], error: str
) -> None:
    config = tmp_path / "Config.json"
    config.write_text(json.dumps(CONFIG))
    given = [option.format(config=config) for option in options]
    command = [sys.executable, "-m", "testing.service_bus_emulator", "--config", str(config), "--port", "0", *given]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert error in ended.stderr
    assert ended.stdout == ""
