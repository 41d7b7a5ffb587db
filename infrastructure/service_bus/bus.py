""":class:`core.ports.MessageBus` on Azure Service Bus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from threading import Event, Lock, local

from core.errors import BusUnavailable, BusWrongThread, LockLost
from core.model import OutboundMessage
from core.ports import Clock, DeadLetter, ReceivedMessage
from infrastructure.service_bus.browsing import Browser, Peeked
from infrastructure.service_bus.connection import BusConnection
from infrastructure.service_bus.letters import Record, move_dead_letters
from infrastructure.service_bus.messages import checked
from infrastructure.service_bus.properties import QueueInspected, queue_properties
from infrastructure.service_bus.receiving import QueueReceiver
from infrastructure.service_bus.sending import QueueSender

_queue_name = attrgetter("queue")

MAX_WAIT_SECONDS = 30.0


class AzureServiceBus:
    """Any thread may send and look; what a thread received is settled by it.

    ``wait_seconds`` is how long ``receive`` waits for a first message, up to 30. Connections are made by first use and
    stay. One that was lost is made anew by the call after the one that learned of it.
    """

    def __init__(self, connection: BusConnection, clock: Clock, wait_seconds: float = 0.05) -> None:
        if not 0 <= wait_seconds <= MAX_WAIT_SECONDS:
            raise ValueError(f"wait_seconds: 0 to {MAX_WAIT_SECONDS:.0f}")
        self._connection = connection
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._lock = Lock()
        self._closing = Event()
        self._waits_ended = Event()
        self._senders: dict[str, QueueSender] = {}
        self._receivers = _Receivers(connection, self._closing, self._waits_ended)
        self._browser = Browser(connection)

    @property
    def address(self) -> str:
        """The bus's host, without what signs in to it."""
        return self._connection.address

    # --- MessageBus ---

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        by_queue: dict[str, list[OutboundMessage]] = {}
        for message in messages:
            by_queue.setdefault(message.queue, []).append(checked(message))
        senders = [(self._sender(queue), some) for queue, some in by_queue.items()]
        for sender, some in senders:
            sender.check(some)
        calls = [sender.submit(some) for sender, some in senders]
        errors = [call.wait() for call in calls]
        for error in errors:
            if error is not None:
                raise error

    def prepare_to_send(self, queue: str) -> None:
        """Begin to connect to the queue, which takes half a second that the first message then need not wait. Whether
        that comes to anything, the first message learns.
        """
        self._sender(queue).submit([])

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        return self._receivers.mine(queue).receive(limit, self._wait_seconds) if limit > 0 else []

    def complete(self, message: ReceivedMessage) -> None:
        self._receivers.holding(message).complete(message)

    def abandon(self, message: ReceivedMessage) -> None:
        self._receivers.holding(message).abandon(message)

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        self._receivers.holding(message).dead_letter(message, reason, description)

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        return self._receivers.holding(message).renew_lock(message)

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        return self._browser.dead_letters(queue, limit)

    # --- for operators ---

    def peek(self, queue: str, limit: int, after: int = 0) -> Sequence[Peeked]:
        """The oldest messages behind sequence number ``after``: ready, locked or scheduled, left where they are."""
        return self._browser.peek(queue, limit, after)

    def move_dead_letters(self, queue: str, record: Record, limit: int, max_message_bytes: int) -> int:
        """:func:`infrastructure.service_bus.letters.move_dead_letters`, on a connection of its own where there are any,
        by the thread that calls.
        """
        if not self._browser.dead_letters(queue, 1):
            return 0
        return move_dead_letters(self._connection, queue, record, limit, max_message_bytes)

    def queue_properties(self, queue: str) -> QueueInspected:
        return queue_properties(self._connection.administration, queue)

    def probe(self, queue: str) -> None:
        """One look at the queue. Raises :class:`BusUnavailable`, as :class:`BusMisconfigured`."""
        self._browser.peek(queue, 1)

    def end_waits(self) -> None:
        """From now on no message is received, and who waits for one returns within a second. From any thread; what was
        received can be settled, and messages can be sent.
        """
        self._waits_ended.set()

    def close(self) -> None:
        """Send what was handed in, end the calls that are under way, and disconnect. Doing it again does nothing."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
            self._waits_ended.set()
            senders = list(self._senders.values())
        for sender in senders:
            sender.stop()
        _all_at_once([self._browser.close, *self._receivers.closings(), *(sender.join for sender in senders)])

    def _sender(self, queue: str) -> QueueSender:
        with self._lock:
            if self._closing.is_set():
                raise BusUnavailable("this process has closed the service bus")
            found = self._senders.get(queue)
            if found is None:
                found = self._senders[queue] = QueueSender(queue, self._connection, self._clock)
            return found


class _Receivers:
    """Each thread's own, by queue. Those of threads that have ended are closed when another is made."""

    def __init__(self, connection: BusConnection, closing: Event, waits_ended: Event) -> None:
        self._connection = connection
        self._closing = closing
        self._waits_ended = waits_ended
        self._lock = Lock()
        self._all: list[QueueReceiver] = []
        self._mine = local()

    def mine(self, queue: str) -> QueueReceiver:
        by_queue = self._of_this_thread()
        found = by_queue.get(queue)
        if found is None or self._closing.is_set():
            found = QueueReceiver(queue, self._connection.client(), self._waits_ended)
            _all_at_once([one.close for one in self._left_behind(found)])
            by_queue[queue] = found
        return found

    def holding(self, message: ReceivedMessage) -> QueueReceiver:
        """Raises :class:`LockLost` for a message that nobody holds, and :class:`BusWrongThread`."""
        found = self._of_this_thread().get(message.queue)
        if found is not None and found.holds(message.lock_token):
            return found
        with self._lock:
            others = [one for one in self._all if one.holds(message.lock_token)]
        if others:
            raise BusWrongThread(f"{others[0].owner.name} received the message, and only that thread can settle it")
        raise LockLost(f"message {message.message_id} is not held: its lock has ended, or it was settled")

    def closings(self) -> Sequence[Callable[[], None]]:
        with self._lock:
            found, self._all = self._all, []
        return [one.close for one in found]

    def _of_this_thread(self) -> dict[str, QueueReceiver]:
        if not hasattr(self._mine, "by_queue"):
            self._mine.by_queue = {}
        by_queue: dict[str, QueueReceiver] = self._mine.by_queue
        return by_queue

    def _left_behind(self, new: QueueReceiver) -> list[QueueReceiver]:
        with self._lock:
            if self._closing.is_set():
                raise BusUnavailable("this process has closed the service bus")
            ended = [one for one in self._all if not one.owner.is_alive()]
            self._all = [one for one in self._all if one.owner.is_alive()] + [new]
        return ended


def _all_at_once(acts: Iterable[Callable[[], None]]) -> None:
    """Closing a connection takes the SDK half a second each."""
    todo = list(acts)
    if not todo:
        return
    with ThreadPoolExecutor(len(todo), "service-bus-closing") as pool:
        for done in [pool.submit(act) for act in todo]:
            done.result()
