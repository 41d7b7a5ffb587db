"""Looking at queues and their dead letters, by a thread that owns the receivers for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple, TypeVar

from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusSubQueue

from core.errors import BusUnavailable
from core.ports import DeadLetter
from infrastructure.service_bus.errors import closed, guarded
from infrastructure.service_bus.messages import dead
from infrastructure.service_bus.sending import Connects
from infrastructure.service_bus.tracked import Tracked

T = TypeVar("T")

PAGE = 250
"""Messages that are asked for at a time; the service gives no more than 256, nor more than fit into an answer."""


class Peeked(NamedTuple):
    """A message that was looked at and left where it is. ``delivery_count`` is 0 for one that was not delivered."""

    queue: str
    sequence_number: int
    message_id: str
    message_type: str
    body: bytes
    delivery_count: int
    enqueued_at: datetime | None
    state: str


class Browser:
    """For any thread; calls wait for one another. The connections stay open."""

    def __init__(self, connection: Connects) -> None:
        self._connection = connection
        self._client: ServiceBusClient | None = None
        self._receivers: dict[tuple[str, bool], Tracked[ServiceBusReceiver]] = {}
        self._thread = ThreadPoolExecutor(1, "service-bus-browser")

    def peek(self, queue: str, limit: int, after: int = 0) -> Sequence[Peeked]:
        return self._run(lambda: [_peeked(queue, one) for one in self._peek(queue, False, limit, after)])

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        return self._run(lambda: [dead(queue, one) for one in self._peek(queue, True, limit)])

    def close(self) -> None:
        """Ends what was asked for before. Asking afterwards raises :class:`BusUnavailable`."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown()

    def _run(self, act: Callable[[], T]) -> T:
        try:
            answer = self._thread.submit(lambda: guarded(act))
        except RuntimeError as error:
            raise BusUnavailable("this process has closed the service bus") from error
        return answer.result()

    # --- the thread ---

    def _peek(self, queue: str, is_dead: bool, limit: int, after: int = 0) -> list[ServiceBusReceivedMessage]:
        return _pages(self._receiver(queue, is_dead), limit, after)

    def _receiver(self, queue: str, is_dead: bool) -> ServiceBusReceiver:
        if self._client is None:
            self._client = self._connection.client()
        found = self._receivers.get((queue, is_dead))
        if found is None:
            sub_queue = ServiceBusSubQueue.DEAD_LETTER if is_dead else None
            receiver = self._client.get_queue_receiver(queue, sub_queue=sub_queue)
            found = self._receivers[queue, is_dead] = Tracked(receiver)
        return found.open()

    def _disconnect(self) -> None:
        """Each takes the SDK half a second, so all at once."""
        with ThreadPoolExecutor(len(self._receivers) + 1, "service-bus-closing") as pool:
            for receiver in self._receivers.values():
                pool.submit(closed, receiver)
        closed(self._client)


def _pages(receiver: ServiceBusReceiver, limit: int, after: int = 0) -> list[ServiceBusReceivedMessage]:
    """The oldest behind sequence number ``after``. A page ends early where its answer is full."""
    found: list[ServiceBusReceivedMessage] = []
    while len(found) < limit:
        page = receiver.peek_messages(min(PAGE, limit - len(found)), sequence_number=after + 1)
        if not page:
            break
        found += page
        after = page[-1].sequence_number or 0
    return found


def _peeked(queue: str, found: ServiceBusReceivedMessage) -> Peeked:
    letter = dead(queue, found)
    return Peeked(
        queue,
        found.sequence_number or 0,
        letter.message_id,
        letter.message_type,
        letter.body,
        found.delivery_count or 0,
        found.enqueued_time_utc,
        found.state.name.lower(),
    )
