"""The sender's thread on an SDK that does as it is told: who is told what, and what goes together."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, cast

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusMessageBatch, ServiceBusSender
from azure.servicebus import exceptions as sdk
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BusBusy, BusRequestRefused, BusUnavailable, CoreMachineError, MessageTooLarge
from core.model import OutboundMessage
from infrastructure.service_bus.packing import ENVELOPE, Room, packed, room_of, size_over
from infrastructure.service_bus.sending import QueueSender
from testing.clock import FakeClock

LIMIT = 4_096
SOON = 30.0
"""Seconds that a test waits for another thread; none takes so long unless it hangs."""


class FakeSdkSender:
    """Keeps what it is given; ``act`` is called with the ids of each send, and may raise or wait."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.act: Callable[[list[str]], None] = lambda ids: None
        self.opened = 0
        self.closed = 0
        self.threads: set[str] = set()
        self._max_message_size_on_link = 2 * LIMIT

    def __enter__(self) -> Self:
        self.opened += 1
        self.threads.add(threading.current_thread().name)
        return self

    def create_message_batch(self, size: int | None = None) -> ServiceBusMessageBatch:
        return ServiceBusMessageBatch(max_size_in_bytes=size or LIMIT)

    def send_messages(self, content: ServiceBusMessage | ServiceBusMessageBatch) -> None:
        self.threads.add(threading.current_thread().name)
        parts = content._messages if isinstance(content, ServiceBusMessageBatch) else [content]
        ids = [str(one.message_id) for one in parts]
        self.act(ids)
        self.sent.append(ids)

    def close(self) -> None:
        self.closed += 1

    def client(self, socket_seconds: float = 0) -> ServiceBusClient:
        return cast(ServiceBusClient, self)

    def get_queue_sender(self, queue: str) -> FakeSdkSender:
        return self


class Gate:
    """Holds the sender's thread in its next send."""

    def __init__(self, fake: FakeSdkSender) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self._then, fake.act = fake.act, self._wait

    def _wait(self, ids: list[str]) -> None:
        self.entered.set()
        assert self.open.wait(SOON)
        self._then(ids)


@pytest.fixture
def fake() -> FakeSdkSender:
    return FakeSdkSender()


@pytest.fixture
def sender(fake: FakeSdkSender) -> Iterator[QueueSender]:
    sender = QueueSender("tasks", fake, FakeClock())
    yield sender
    sender.stop()
    sender.join()


def some(*ids: str, size: int = 10) -> list[OutboundMessage]:
    return [OutboundMessage("tasks", name, "task", b"x" * size) for name in ids]


def outcome(sender: QueueSender, messages: Sequence[OutboundMessage]) -> CoreMachineError | None:
    call = sender.submit(messages)
    assert call.done.wait(SOON)
    return call.error


def gathered(
    sender: QueueSender, fake: FakeSdkSender, calls: Sequence[Sequence[OutboundMessage]]
) -> list[CoreMachineError | None]:
    """The outcomes of calls that all came while another send was under way."""
    gate = Gate(fake)
    first = sender.submit(some("first"))
    assert gate.entered.wait(SOON)
    waiting = [sender.submit(call) for call in calls]
    gate.open.set()
    assert all(call.done.wait(SOON) for call in [first, *waiting])
    return [call.error for call in waiting]


def test_calls_that_came_meanwhile_go_in_one_batch(sender: QueueSender, fake: FakeSdkSender) -> None:
    assert gathered(sender, fake, [some("a", "b"), some("c"), some("d")]) == [None] * 3

    assert fake.sent == [["first"], ["a", "b", "c", "d"]]
    assert fake.threads == {"service-bus-sender-tasks"}


def test_what_the_bus_refuses_is_the_fault_of_one_and_the_others_are_sent(
    sender: QueueSender, fake: FakeSdkSender
) -> None:
    def refuse_c(ids: list[str]) -> None:
        if "c" in ids:
            raise sdk.ServiceBusError("no", condition="com.microsoft:argument-error")

    fake.act = refuse_c
    errors = gathered(sender, fake, [some("a", "b"), some("c", "c2"), some("d")])

    assert [type(error) for error in errors] == [type(None), BusRequestRefused, type(None)]
    assert fake.sent == [["first"], ["a", "b"], ["d"]]


def test_once_the_bus_is_away_nobody_of_the_group_waits_for_more_tries(
    sender: QueueSender, fake: FakeSdkSender
) -> None:
    tried: list[list[str]] = []

    def away(ids: list[str]) -> None:
        if ids != ["first"]:
            tried.append(ids)
            raise sdk.ServiceBusServerBusyError

    fake.act = away
    errors = gathered(sender, fake, [some("a", size=3_000), some("b", size=3_000), some("c", size=3_000)])

    assert [type(error) for error in errors] == [BusBusy] * 3
    assert len({id(error) for error in errors}) == 3, "each thread raises an error of its own"
    assert all(isinstance(error.__cause__, sdk.ServiceBusServerBusyError) for error in errors if error)
    assert tried == [["a"]]
    fake.act = lambda ids: None
    assert outcome(sender, some("d")) is None


def test_who_has_failed_sends_nothing_more_and_who_was_sent_before_is_done(
    sender: QueueSender, fake: FakeSdkSender
) -> None:
    def away_for_b(ids: list[str]) -> None:
        if ids == ["b1"]:
            raise sdk.ServiceBusConnectionError

    fake.act = away_for_b
    calls = [some("a", size=3_000), [*some("b1", size=3_000), *some("b2", size=3_000)], some("c", size=3_000)]
    errors = gathered(sender, fake, calls)

    assert [type(error) for error in errors] == [type(None), BusUnavailable, BusUnavailable]
    assert fake.sent == [["first"], ["a"]]


def test_a_link_that_cannot_be_opened_fails_those_that_wait_and_is_tried_again(
    fake: FakeSdkSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: FakeSdkSender) -> FakeSdkSender:
        raise sdk.ServiceBusConnectionError

    sender = QueueSender("tasks", fake, FakeClock())
    try:
        with monkeypatch.context() as broken:
            broken.setattr(FakeSdkSender, "__enter__", away)
            with pytest.raises(BusUnavailable):
                sender.check(some("a"))
            assert type(outcome(sender, some("a"))) is BusUnavailable
        sender.check(some("a"))
        assert outcome(sender, some("a")) is None
    finally:
        sender.stop()
        sender.join()


def test_a_bug_is_told_to_those_that_wait_and_the_next_call_begins_anew(
    sender: QueueSender, fake: FakeSdkSender
) -> None:
    def broken(ids: list[str]) -> None:
        raise ZeroDivisionError

    fake.act = broken
    errors = [outcome(sender, some("a")), outcome(sender, some("b"))]
    fake.act = lambda ids: None

    assert [type(error) for error in errors] == [BusUnavailable] * 2
    assert all(isinstance(error.__cause__, ZeroDivisionError) for error in errors if error)
    assert fake.closed == 4, "the sender and its client, each time"
    assert outcome(sender, some("c")) is None


def test_stopping_sends_what_was_handed_in(sender: QueueSender, fake: FakeSdkSender) -> None:
    gate = Gate(fake)
    calls = [sender.submit(some("a"))]
    assert gate.entered.wait(SOON)
    calls += [sender.submit(some("b")), sender.submit(some("c"))]
    sender.stop()
    with pytest.raises(BusUnavailable):
        sender.submit(some("d"))
    gate.open.set()
    sender.join()

    assert [call.error for call in calls] == [None] * 3
    assert fake.sent == [["a"], ["b", "c"]]


def test_a_message_over_the_links_limit_is_refused_before_it_is_handed_in(
    sender: QueueSender, fake: FakeSdkSender
) -> None:
    with pytest.raises(MessageTooLarge) as caught:
        sender.check([*some("a"), *some("b", size=2 * LIMIT + 1)])

    assert caught.value.details == {"size": 2 * LIMIT + 1, "limit": 2 * LIMIT}
    sender.check(some("b", size=LIMIT))
    assert fake.opened == 1
    assert fake.sent == []


def test_each_thread_gets_its_own_answer(sender: QueueSender, fake: FakeSdkSender) -> None:
    def refuse_odd(ids: list[str]) -> None:
        if any(int(name) % 2 for name in ids):
            raise sdk.MessageSizeExceededError

    fake.act = refuse_odd
    with ThreadPoolExecutor(8) as pool:
        answers: list[Future[CoreMachineError | None]] = [
            pool.submit(outcome, sender, some(str(number))) for number in range(60)
        ]

    kinds = [type(answer.result()) for answer in answers]
    assert kinds == [type(None), MessageTooLarge] * 30
    assert sorted(int(name) for ids in fake.sent for name in ids) == list(range(0, 60, 2))


# --- packing ---


class Caller:
    def __init__(self) -> None:
        self.error: CoreMachineError | None = None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6_000)), max_size=40), st.text(max_size=20))
def test_loads_are_in_order_whole_and_within_the_limits(parts: list[tuple[int, int]], name: str) -> None:
    fake = FakeSdkSender()
    callers = [Caller() for _ in range(4)]
    room = Room(2 * LIMIT, LIMIT)
    todo = [(callers[who], OutboundMessage("q", f"{name}{n}", "t", b"x" * size)) for n, (who, size) in enumerate(parts)]

    loads = list(packed(cast(ServiceBusSender, fake), room, todo, FakeClock().now()))

    assert [part for load in loads for part in load.parts] == todo
    for load in loads:
        load.send()
        if len(load.parts) > 1:
            assert sum(len(message.body) for _, message in load.parts) < LIMIT - ENVELOPE
    assert [name for ids in fake.sent for name in ids] == [message.message_id for _, message in todo]
    for before, after in itertools.pairwise(loads):
        together = [message for _, message in [*before.parts, after.parts[0]]]
        assert sum(len(one.body) + 200 + 4 * len(one.message_id) for one in together) > LIMIT - ENVELOPE


def test_who_fails_on_the_way_is_left_out_of_what_comes() -> None:
    fake = FakeSdkSender()
    one, other = Caller(), Caller()
    todo = [(one, some(str(number), size=3_000)[0]) for number in range(3)] + [(other, some("3")[0])]

    loads = []
    for load in packed(cast(ServiceBusSender, fake), Room(LIMIT, LIMIT), todo, FakeClock().now()):
        one.error = BusUnavailable("away")
        loads.append([message.message_id for _, message in load.parts])

    assert loads == [["0"], ["3"]]


@given(st.integers(LIMIT - 300, LIMIT + 10), st.text(min_size=1, max_size=60).filter(lambda text: "\ud800" not in text))
def test_the_size_on_the_wire_is_what_the_sdk_encodes(size: int, name: str) -> None:
    from azure.servicebus._pyamqp._encode import encode_payload  # noqa: PLC0415 - the judge

    message = OutboundMessage("q", name[:60], "task", b"x" * size)
    sdk_message = ServiceBusMessage(message.body, message_id=message.message_id, subject="task")
    ServiceBusMessageBatch(max_size_in_bytes=1 << 20).add_message(sdk_message)
    encoded = len(encode_payload(bytearray(), cast(Any, sdk_message._message)))

    assert size_over(message, LIMIT) == (0 if encoded <= LIMIT else size if size > LIMIT else encoded)


def test_the_link_says_how_much_it_takes_and_the_sdk_still_keeps_it_where_we_look() -> None:
    text = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true"
    with ServiceBusClient.from_connection_string(text) as client:
        assert client.get_queue_sender("q")._max_message_size_on_link == 0
        assert client.get_queue_receiver("q")._further_pull_receive_timeout == 0.2

    fake = FakeSdkSender()
    assert room_of(cast(ServiceBusSender, fake)) == Room(2 * LIMIT, LIMIT)
    fake._max_message_size_on_link = LIMIT // 2
    assert room_of(cast(ServiceBusSender, fake)) == Room(LIMIT // 2, LIMIT // 2)
    fake._max_message_size_on_link = 0
    assert room_of(cast(ServiceBusSender, fake)) == Room(LIMIT, LIMIT)
