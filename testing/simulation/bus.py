"""A bus that loses, duplicates, delays and reorders what it has accepted, as its script says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from core.model import OutboundMessage
from testing.mock_bus import MockServiceBusRepository, QueueRules
from testing.mock_bus import _Queue as Queue
from testing.simulation.actions import DELAYS, MessageFault
from testing.simulation.clocks import WorldClock

RULES = QueueRules(lock_seconds=60.0, max_delivery_count=10, duplicate_window=120.0)


class SimulatedBus(MockServiceBusRepository):
    """Keeps no log of what was sent. ``accepted`` holds the ids of the messages that a sender may believe sent;
    ``fault_of`` says what becomes of the message of an id."""

    def __init__(
        self,
        clock: WorldClock,
        queues: Collection[str],
        fault_of: Callable[[str], MessageFault],
    ) -> None:
        super().__init__(clock, RULES)
        self._fault_of = fault_of
        self._in_order = [(name, self._queue(name)) for name in queues]
        self._found = [queue for _, queue in self._in_order]
        self.accepted: set[str] = set()

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        now = self.clock.now()
        for message in messages:
            self._check(message)
            self.accepted.add(message.message_id)
            queue = self._queue(message.queue)
            if not self._is_duplicate(queue, message.message_id, now):
                fault = self._fault_of(message.message_id)
                if fault:
                    self._meet(fault, message)
                else:
                    self._enqueue(queue, message, now)

    def _meet(self, fault: MessageFault, message: OutboundMessage) -> None:
        if fault in (MessageFault.DUPLICATE, MessageFault.DUPLICATE_LATE):
            self.inject(message)
        if fault is not MessageFault.LOSE:
            due = max(message.not_before or self.clock.now(), self.clock.now()) + timedelta(seconds=DELAYS[fault])
            self.inject(message._replace(not_before=due))

    def ready_queue(self) -> str | None:
        """The first queue that has a message to give."""
        for name, queue in self._in_order:
            if queue.ready:
                return name
        return None

    def next_arrival(self) -> datetime | None:
        """When something that is not ready will be."""
        times = [queue.scheduled[0][0] for queue in self._found if queue.scheduled]
        times += [held.locked_until for queue in self._found for held in queue.locked.values() if held.locked_until]
        return min(times, default=None)

    def refresh(self) -> None:
        """After the clock has moved: what is due, and what was locked for too long, is ready."""
        now = self.clock.now()
        for queue in self._found:
            if queue.scheduled or queue.locked:
                super()._make_ready(queue, now)

    def _make_ready(self, queue: Queue, now: datetime) -> None:
        """Done when the clock moves: see :meth:`refresh`."""

    def reorder(self) -> bool:
        """What was to come first in each queue comes last; whether that changes anything."""
        for queue in self._found:
            queue.ready.rotate(-1)
        return any(len(queue.ready) > 1 for queue in self._found)

    @property
    def empty(self) -> bool:
        """Whether nothing is ready, scheduled or locked."""
        return not any(queue.ready or queue.scheduled or queue.locked for queue in self._found)
