"""A thread's receiver on an SDK that does as it is told: waits, what is held, and what others sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from types import SimpleNamespace
from typing import Any, Self, cast
from uuid import UUID

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage
from azure.servicebus import exceptions as sdk
from azure.servicebus.amqp import AmqpMessageBodyType

import infrastructure.service_bus.receiving
from core.errors import BusUnavailable, InvalidIdentifier, LockLost
from core.model import OutboundMessage
from core.ports import ReceivedMessage
from infrastructure.service_bus.messages import MAX_REASON, body_of, checked, incoming, outgoing
from infrastructure.service_bus.receiving import BURST, RENEWAL_SECONDS, SLICE_SECONDS, QueueReceiver

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RETRIES = 3


def found(number: int, **more: Any) -> Any:
    """A message as the SDK gives it."""
    given = {
        "message_id": str(number),
        "subject": "task",
        "body": iter([b"bo", b"dy"]),
        "body_type": AmqpMessageBodyType.DATA,
        "delivery_count": 0,
        "lock_token": UUID(int=number),
        "locked_until_utc": NOW,
    }
    return SimpleNamespace(**given | more)


class FakeSdkReceiver:
    """Gives what waits, ``at_once`` at a time; ``act`` is called with the name of each settlement."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.at_once = 1_000
        self.asked: list[tuple[int, float]] = []
        self.settled: list[tuple[str, tuple[object, ...]]] = []
        self.act: Callable[[str], None] = lambda name: None
        self.opened = 0
        self._config = SimpleNamespace(retry_total=RETRIES)

    @property
    def retries(self) -> int:
        return cast(int, self._config.retry_total)

    def __enter__(self) -> Self:
        self.opened += 1
        return self

    def receive_messages(self, limit: int, max_wait_time: float) -> list[Any]:
        self.asked.append((limit, max_wait_time))
        count = min(limit, self.at_once)
        some, self.waiting = self.waiting[:count], self.waiting[count:]
        return some

    def complete_message(self, message: object) -> None:
        self._settle("complete")

    def abandon_message(self, message: object) -> None:
        self._settle("abandon")

    def dead_letter_message(self, message: object, reason: str, description: str) -> None:
        self._settle("dead_letter", reason, description)

    def renew_message_lock(self, message: object, timeout: float) -> datetime:
        assert timeout == RENEWAL_SECONDS
        self._settle("renew")
        return NOW + timedelta(minutes=1)

    def _settle(self, name: str, *texts: object) -> None:
        self.act(name)
        self.settled.append((name, texts))

    def close(self) -> None: ...

    def get_queue_receiver(self, queue: str, socket_timeout: float) -> FakeSdkReceiver:
        assert socket_timeout < 0.1
        return self


@pytest.fixture
def fake() -> FakeSdkReceiver:
    return FakeSdkReceiver()


@pytest.fixture
def receiver(fake: FakeSdkReceiver) -> QueueReceiver:
    return QueueReceiver("tasks", cast(ServiceBusClient, fake), Event())


def received(receiver: QueueReceiver, fake: FakeSdkReceiver, count: int = 1) -> list[ReceivedMessage]:
    fake.waiting = [found(number) for number in range(count)]
    return list(receiver.receive(count, 0))


def test_a_few_messages_are_given_at_once_and_many_are_followed_up(
    receiver: QueueReceiver, fake: FakeSdkReceiver
) -> None:
    fake.waiting = [found(number) for number in range(3)]
    assert len(receiver.receive(100, 1)) == 3
    assert len(fake.asked) == 1

    fake.asked.clear()
    fake.at_once = BURST
    fake.waiting = [found(number) for number in range(3 * BURST + 1)]
    assert len(receiver.receive(100, 1)) == 3 * BURST + 1
    assert [limit for limit, _ in fake.asked] == [100, 100 - BURST, 100 - 2 * BURST, 100 - 3 * BURST]


def test_no_more_than_the_limit_is_asked_for(receiver: QueueReceiver, fake: FakeSdkReceiver) -> None:
    fake.at_once = BURST
    fake.waiting = [found(number) for number in range(40)]

    assert len(receiver.receive(BURST + 2, 1)) == BURST + 2
    assert [limit for limit, _ in fake.asked] == [BURST + 2, 2]


def test_a_long_wait_is_made_of_short_ones_and_ends_when_it_is_told_to(fake: FakeSdkReceiver) -> None:
    ended = Event()
    receiver = QueueReceiver("tasks", cast(ServiceBusClient, fake), ended)

    def give_up(limit: int, max_wait_time: float) -> list[Any]:
        fake.asked.append((limit, max_wait_time))
        if len(fake.asked) == 3:
            ended.set()
        return []

    fake.receive_messages = give_up  # type: ignore[method-assign]

    assert receiver.receive(1, 3_600) == []
    assert [wait for _, wait in fake.asked] == [SLICE_SECONDS] * 3
    assert receiver.receive(1, 3_600) == []
    assert len(fake.asked) == 3


def test_a_message_is_settled_once(receiver: QueueReceiver, fake: FakeSdkReceiver) -> None:
    (one,) = received(receiver, fake)
    receiver.complete(one)

    for settle in (receiver.complete, receiver.abandon, receiver.renew_lock):
        with pytest.raises(LockLost):
            settle(one)
    assert fake.settled == [("complete", ())]


def test_a_settlement_that_the_bus_did_not_hear_may_be_tried_again(
    receiver: QueueReceiver, fake: FakeSdkReceiver
) -> None:
    (one,) = received(receiver, fake)

    def away(name: str) -> None:
        raise sdk.ServiceBusConnectionError

    fake.act = away
    with pytest.raises(BusUnavailable):
        receiver.complete(one)
    fake.act = lambda name: None

    receiver.complete(one)
    assert not receiver.holds(one.lock_token)


def test_a_lock_that_is_lost_is_forgotten(receiver: QueueReceiver, fake: FakeSdkReceiver) -> None:
    (one,) = received(receiver, fake)

    def lost(name: str) -> None:
        raise sdk.MessageLockLostError

    fake.act = lost
    with pytest.raises(LockLost):
        receiver.renew_lock(one)

    assert not receiver.holds(one.lock_token)


def test_a_renewed_message_is_the_same_with_a_later_time(receiver: QueueReceiver, fake: FakeSdkReceiver) -> None:
    (one,) = received(receiver, fake)

    assert receiver.renew_lock(one) == one._replace(locked_until=NOW + timedelta(minutes=1))


def test_a_renewal_that_fails_is_not_tried_again_and_what_is_settled_is(
    receiver: QueueReceiver, fake: FakeSdkReceiver
) -> None:
    (one,) = received(receiver, fake)
    retries: list[tuple[str, int]] = []

    def away(name: str) -> None:
        retries.append((name, fake.retries))
        raise sdk.ServiceBusConnectionError

    fake.act = away
    for call in (receiver.renew_lock, receiver.complete):
        with pytest.raises(BusUnavailable):
            call(one)

    assert retries == [("renew", 0), ("complete", RETRIES)]


def test_reasons_are_cut_to_what_a_message_carries(receiver: QueueReceiver, fake: FakeSdkReceiver) -> None:
    (one,) = received(receiver, fake)

    receiver.dead_letter(one, "R" * 100_000, "d" * 100_000)

    assert fake.settled == [("dead_letter", ("R" * MAX_REASON, "d" * MAX_REASON))]


def test_what_is_never_settled_does_not_grow(
    receiver: QueueReceiver, fake: FakeSdkReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infrastructure.service_bus.receiving, "MAX_HELD", 3)

    held = [receiver.holds(one.lock_token) for one in received(receiver, fake, 5)]

    assert held == [False, False, True, True, True]


# --- messages ---


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (iter([b"a", b"b"]), AmqpMessageBodyType.DATA, b"ab"),
        (iter([]), AmqpMessageBodyType.DATA, b""),
        (b"value", AmqpMessageBodyType.VALUE, b"value"),
        ("text", AmqpMessageBodyType.VALUE, b"text"),
        ({"a": 1}, AmqpMessageBodyType.VALUE, b"{'a': 1}"),
        (None, AmqpMessageBodyType.VALUE, b"None"),
        (iter([[1, 2]]), AmqpMessageBodyType.SEQUENCE, b"[[1, 2]]"),
        ("\ud800", AmqpMessageBodyType.VALUE, b"?"),
    ],
)
def test_any_body_is_some_bytes(body: object, kind: AmqpMessageBodyType, expected: bytes) -> None:
    assert body_of(cast(ServiceBusReceivedMessage, found(1, body=body, body_type=kind))) == expected


def test_a_message_without_anything_is_a_message() -> None:
    empty = found(1, message_id=None, subject=b"\xff", delivery_count=None, locked_until_utc=None)

    one = incoming("tasks", empty)

    assert (one.message_id, one.message_type, one.delivery_count) == ("", "\ufffd", 1)
    assert one.locked_until == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "scheduled"), [(None, False), (-1, False), (0, False), (1, True)])
def test_only_what_is_due_later_has_a_time(seconds: float | None, scheduled: bool) -> None:
    due = None if seconds is None else NOW + timedelta(seconds=seconds)

    sent = outgoing(OutboundMessage("tasks", "1", "task", b"body", due), NOW)

    assert sent.scheduled_enqueue_time_utc == (due if scheduled else None)
    assert (sent.message_id, sent.subject, b"".join(sent.body)) == ("1", "task", b"body")


def test_the_longest_id_is_taken_and_a_longer_one_is_not() -> None:
    checked(OutboundMessage("tasks", "ä" * 128, "task", b""))
    for message_id, message_type in (("x" * 129, "t"), ("x", "t" * 129), ("\udfff", "t"), ("x", "\udfff")):
        with pytest.raises(InvalidIdentifier):
            checked(OutboundMessage("tasks", message_id, message_type, b""))
