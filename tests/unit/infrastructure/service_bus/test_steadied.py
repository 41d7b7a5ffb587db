"""What is put right in the SDK's receiver, on one that is made of what is touched."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any, Self, cast

from azure.servicebus import ServiceBusClient, ServiceBusReceiver
from azure.servicebus._pyamqp.client import ReceiveClient

from infrastructure.service_bus.steadied import GAP_SECONDS, Steadied

SOON = 30.0
"""Seconds that a test waits for another thread; none takes so long unless it hangs."""


class Connection:
    """Notes who listens at the same time."""

    def __init__(self) -> None:
        self.entered: SimpleQueue[str] = SimpleQueue()
        self.leave = threading.Event()

    def listen(self, wait: float = 0, batch: int = 1) -> None:
        self.entered.put(threading.current_thread().name)
        assert self.leave.wait(SOON)


class Link:
    def __init__(self) -> None:
        self._on_transfer: Any = lambda frame, message: None
        self.current_link_credit = 5
        self.credits: list[int] = []

    def flow(self, link_credit: int) -> None:
        self.current_link_credit = link_credit
        self.credits.append(link_credit)


class Handler:
    def __init__(self) -> None:
        self._connection = Connection()
        self._link = Link()
        self._received_messages: SimpleQueue[object] = SimpleQueue()

    def _message_received(self, frame: object, message: object) -> None:
        self._received_messages.put((frame, message))


class Receiver:
    def __init__(self) -> None:
        self._handler: Handler | None = None
        self._further_pull_receive_timeout = 0.2
        self.closed = False

    def __enter__(self) -> Self:
        self._handler = self._handler or Handler()
        return self

    def close(self) -> None:
        self.closed = True


def steadied() -> tuple[Steadied, Receiver]:
    receiver = Receiver()
    return Steadied(cast(ServiceBusReceiver, receiver)), receiver


def test_what_arrives_between_receives_waits() -> None:
    one, receiver = steadied()
    assert one.waiting == 0
    one.open()
    assert receiver._handler is not None

    receiver._handler._link._on_transfer("frame", "message")

    assert one.waiting == 1
    assert receiver._further_pull_receive_timeout == GAP_SECONDS


def test_credit_that_is_left_is_taken_back_once() -> None:
    one, receiver = steadied()
    one.open()
    assert receiver._handler is not None

    one.rest()
    one.rest()

    assert receiver._handler._link.credits == [0]


def test_one_thread_at_a_time_reads_the_connection() -> None:
    one, receiver = steadied()
    one.open()
    assert receiver._handler is not None
    connection = receiver._handler._connection

    threads = [threading.Thread(target=connection.listen, kwargs={"batch": 1}, name=name) for name in ("a", "b")]
    threads[0].start()
    assert connection.entered.get(timeout=SOON) == "a"
    threads[1].start()
    assert connection.entered.empty()
    connection.leave.set()
    assert connection.entered.get(timeout=SOON) == "b"
    for thread in threads:
        thread.join(SOON)


def test_a_new_connection_is_put_right_too() -> None:
    one, receiver = steadied()
    one.open()
    first = receiver._handler
    one.open()
    assert receiver._handler is first

    second = receiver._handler = Handler()
    one.open()

    second._link._on_transfer("frame", "message")
    assert one.waiting == 1
    assert "listen" in vars(second._connection)


def test_a_receiver_without_these_parts_is_used_as_it_is() -> None:
    class Other:
        def __enter__(self) -> Self:
            return self

        def close(self) -> None: ...

    one = Steadied(cast(ServiceBusReceiver, Other()))

    one.open()
    one.rest()
    one.close()
    assert one.waiting == 0


def test_the_sdk_that_is_installed_has_these_parts() -> None:
    text = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true"
    with ServiceBusClient.from_connection_string(text) as client:
        receiver = client.get_queue_receiver("q")
        assert receiver._further_pull_receive_timeout == 0.2
        assert hasattr(receiver, "_handler")
    handler = cast(Any, ReceiveClient)("127.0.0.1", "q")
    for name in ("_message_received", "_received_messages", "_link", "_connection"):
        assert hasattr(handler, name)
