"""One queue's sender: a thread that owns it, and sends together what many threads hand in.

Whatever gathered while the last batch was under way goes in as few batches as can be. The messages of one call stay in
order, and each call gets its own success or error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Condition, Event, Thread
from typing import Protocol

from azure.servicebus import ServiceBusClient, ServiceBusSender

from core.errors import BusUnavailable, CoreMachineError, MessageTooLarge, TransientError
from core.model import OutboundMessage
from core.ports import Clock
from infrastructure.service_bus.errors import closed, guarded
from infrastructure.service_bus.packing import Load, Room, packed, room_of, size_over
from infrastructure.service_bus.tracked import Tracked

GATHERED = 4_000
"""Messages that are packed at a time, unless one call has more."""


class Connects(Protocol):
    def client(self, socket_seconds: float = ...) -> ServiceBusClient: ...


class Call:
    """One thread's messages, on their way to a success or an error."""

    __slots__ = ("done", "error", "left", "messages")

    def __init__(self, messages: Sequence[OutboundMessage]) -> None:
        self.messages = messages
        self.left = len(messages)
        self.error: CoreMachineError | None = None
        self.done = Event()

    def sent(self, count: int) -> None:
        self.left -= count
        if not self.left:
            self.done.set()

    def fail(self, error: CoreMachineError) -> None:
        """An error of its own, since it is raised in the call's own thread."""
        self.error = type(error)(error.message, **error.details)
        self.error.__cause__ = error.__cause__
        self.done.set()

    def wait(self) -> CoreMachineError | None:
        self.done.wait()
        return self.error


class QueueSender:
    """Any thread may check and submit. After :meth:`stop` it sends what was handed in before, and ends."""

    def __init__(self, queue: str, connection: Connects, clock: Clock) -> None:
        self._queue = queue
        self._connection = connection
        self._clock = clock
        self._room: Room | None = None
        self._client: ServiceBusClient | None = None
        self._sender: Tracked[ServiceBusSender] | None = None
        self._news = Condition()
        self._waiting: list[Call] = []
        self._closing = False
        self._thread = Thread(target=self._run, name=f"service-bus-sender-{queue}", daemon=True)
        self._thread.start()

    def check(self, messages: Sequence[OutboundMessage]) -> None:
        """Raises :class:`MessageTooLarge` where one of them is over what the link takes.

        The first time it connects to ask, and may raise :class:`BusUnavailable`.
        """
        if self._room is None:
            error = self.submit([]).wait()
            if error is not None:
                raise error
        room = self._room
        assert room is not None, "a call that ended well has opened the link"
        for message in messages:
            size = size_over(message, room.message)
            if size:
                text = f"a message of {size} bytes, at most {room.message}"
                raise MessageTooLarge(text, size=size, limit=room.message)

    def submit(self, messages: Sequence[OutboundMessage]) -> Call:
        call = Call(messages)
        with self._news:
            if self._closing:
                raise BusUnavailable("this process has closed the service bus")
            self._waiting.append(call)
            self._news.notify()
        return call

    def stop(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify()

    def join(self) -> None:
        self._thread.join()

    # --- the thread ---

    def _run(self) -> None:
        while calls := self._gathered():
            try:
                self._send(calls)
            except BaseException as error:  # noqa: BLE001 - the top of the thread; those that wait for it hear of it
                failure = BusUnavailable("the thread that sends has met a bug", error=type(error).__name__)
                failure.__cause__ = error
                _fail(calls, failure)
                self._disconnect()
        self._disconnect()

    def _gathered(self) -> list[Call]:
        """What waits, at least one call; none once it is closed and nothing is left."""
        with self._news:
            while not (self._waiting or self._closing):
                self._news.wait()
            count = taken = 0
            while taken < len(self._waiting) and (count < GATHERED or not taken):
                count += len(self._waiting[taken].messages)
                taken += 1
            calls = self._waiting[:taken]
            del self._waiting[:taken]
            return calls

    def _send(self, calls: Sequence[Call]) -> None:
        try:
            sender = guarded(self._open)
        except CoreMachineError as error:
            _fail(calls, error)
            return
        for call in calls:
            call.sent(0)
        self._deliver(sender, [(call, message) for call in calls for message in call.messages])

    def _deliver(self, sender: ServiceBusSender, parts: Sequence[tuple[Call, OutboundMessage]]) -> None:
        """Send in order. Once the bus is away, what is left fails with it; a call that failed sends nothing more."""
        for load in packed(sender, self._room or room_of(sender), parts, self._clock.now()):
            try:
                guarded(load.send)
            except TransientError as error:
                _fail({call: None for call, _ in parts}, error)
                return
            except CoreMachineError as error:
                self._refused(sender, load, error)
            else:
                for call, count in load.counts().items():
                    call.sent(count)

    def _refused(self, sender: ServiceBusSender, load: Load[Call], error: CoreMachineError) -> None:
        """What the bus refuses of several calls is the fault of one of them."""
        calls = load.counts()
        if len(calls) == 1:
            _fail(calls, error)
            return
        for call in calls:
            self._deliver(sender, [part for part in load.parts if part[0] is call])

    def _open(self) -> ServiceBusSender:
        """Connects where there is no connection, or where it was lost."""
        if self._client is None:
            self._client = self._connection.client()
        if self._sender is None:
            self._sender = Tracked(self._client.get_queue_sender(self._queue))
        sender = self._sender.open()
        self._room = room_of(sender)
        return sender

    def _disconnect(self) -> None:
        sender, client = self._sender, self._client
        self._sender = self._client = None
        closed(sender, client)


def _fail(calls: Iterable[Call], error: CoreMachineError) -> None:
    for call in calls:
        if not call.done.is_set():
            call.fail(error)
