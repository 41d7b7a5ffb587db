"""MockServiceBusRepository: the message bus in memory, with peek-lock, schedules and Service Bus's limits."""

from __future__ import annotations

import heapq
import json
from bisect import insort
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, groupby
from operator import attrgetter
from random import Random
from typing import Any

from core.errors import InvalidIdentifier, LockLost, MessageTooLarge
from core.ids import MAX_MESSAGE_ID
from core.model import OutboundMessage
from core.ports import DeadLetter, ReceivedMessage
from testing.clock import AdvanceableClock, FakeClock

MAX_DELIVERY_COUNT_EXCEEDED = "MaxDeliveryCountExceeded"
HEADER_BYTES = 512
"""What the mock counts for a message's fixed properties, beside its id and type."""

_queue_name = attrgetter("queue")


@dataclass(frozen=True, slots=True)
class QueueRules:
    """A queue's settings; the defaults are Service Bus's, Standard tier.

    ``lock_seconds`` is 60 by default and 300 at most; ``max_message_bytes`` is 256 KB with headers;
    ``duplicate_window`` is in seconds, 0 for no duplicate detection.
    """

    lock_seconds: float = 60.0
    max_delivery_count: int = 10
    max_message_bytes: int = 256 * 1024
    duplicate_window: float = 600.0


class _Message:
    """``sequence`` is its place in the queue, which a delivery that came to nothing does not change."""

    __slots__ = ("delivery_count", "lock_token", "locked_until", "outbound", "sequence")

    def __init__(self, outbound: OutboundMessage, sequence: int) -> None:
        self.outbound = outbound
        self.sequence = sequence
        self.delivery_count = 0
        self.lock_token = ""
        self.locked_until: datetime | None = None


class _Queue:
    def __init__(self) -> None:
        self.ready: deque[_Message] = deque()
        self.scheduled: list[tuple[datetime, int, _Message]] = []
        self.locked: dict[str, _Message] = {}
        self.dead: list[DeadLetter] = []
        self.seen: dict[str, datetime] = {}


class MockServiceBusRepository:
    """:class:`core.ports.MessageBus` in memory, and the ways that tests look into it.

    For one thread at a time. Queues come to be when they are first named.
    """

    def __init__(self, clock: AdvanceableClock | None = None, rules: QueueRules | None = None) -> None:
        self.clock: AdvanceableClock = clock or FakeClock()
        self._rules = rules or QueueRules()
        self._queues: dict[str, _Queue] = {}
        self._sent: list[OutboundMessage] = []
        self._sent_at: list[datetime] = []
        self._order = count()
        self._tokens = count(1)

    # --- MessageBus ---

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        for message in messages:
            self._check(message)
        now = self.clock.now()
        self._sent.extend(messages)
        self._sent_at.extend([now] * len(messages))
        for name, batch in groupby(messages, key=_queue_name):
            queue = self._queue(name)
            for message in batch:
                if not self._is_duplicate(queue, message.message_id, now):
                    self._enqueue(queue, message, now)

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        found = self._queue(queue)
        now = self.clock.now()
        self._make_ready(found, now)
        received: list[ReceivedMessage] = []
        locked_until = now + timedelta(seconds=self._rules.lock_seconds)
        while found.ready and len(received) < limit:
            received.append(self._lock(queue, found, found.ready.popleft(), locked_until))
        return received

    def complete(self, message: ReceivedMessage) -> None:
        self._unlock(message)

    def abandon(self, message: ReceivedMessage) -> None:
        self._put_back(self._queue(message.queue), self._unlock(message))

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        self._bury(self._queue(message.queue), self._unlock(message), reason, description)

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        held = self._held(message)
        held.locked_until = self.clock.now() + timedelta(seconds=self._rules.lock_seconds)
        return message._replace(locked_until=held.locked_until)

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        found = self._queue(queue)
        self._make_ready(found, self.clock.now())
        return found.dead[:limit]

    # --- for tests ---

    def get_sent_messages(self) -> list[dict[str, Any]]:
        """Everything that was sent, in order, with the body decoded from its bytes."""
        return [_view(at, message) for at, message in self._log()]

    def get_messages_for_queue(self, queue_name: str) -> list[dict[str, Any]]:
        return [_view(at, message) for at, message in self._log() if message.queue == queue_name]

    def get_stage_complete_signals(self) -> list[dict[str, Any]]:
        return [_view(at, message) for at, message in self._log() if message.message_type == "stage_complete"]

    def get_message_summary(self) -> dict[str, Any]:
        """How many messages were sent: ``total``, ``by_queue`` and ``by_type``."""
        return {
            "total": len(self._sent),
            "by_queue": dict(Counter(message.queue for message in self._sent)),
            "by_type": dict(Counter(message.message_type for message in self._sent)),
        }

    def _log(self) -> Iterator[tuple[datetime, OutboundMessage]]:
        return zip(self._sent_at, self._sent, strict=True)

    def sent_count(self) -> int:
        return len(self._sent)

    def now(self) -> datetime:
        return self.clock.now()

    def next_due(self, queues: Iterable[str]) -> datetime | None:
        """When, in ``queues``, the next scheduled message is due or the next lock ends; now where one is ready."""
        found = [self._queue(name) for name in queues]
        times = [queue.scheduled[0][0] for queue in found if queue.scheduled]
        times += [held.locked_until for queue in found for held in queue.locked.values() if held.locked_until]
        if any(queue.ready for queue in found):
            times.append(self.clock.now())
        return min(times, default=None)

    def inject(self, message: OutboundMessage) -> None:
        """Enqueue a copy past duplicate detection, as a broker that delivers twice does."""
        self._enqueue(self._queue(message.queue), message, self.clock.now())

    def shuffle(self, queue: str, random: Random) -> None:
        """Reorder what is ready in a queue."""
        ready = list(self._queue(queue).ready)
        random.shuffle(ready)
        self._queue(queue).ready = deque(ready)

    # --- helpers ---

    def _queue(self, name: str) -> _Queue:
        found = self._queues.get(name)
        if found is None:
            found = self._queues[name] = _Queue()
        return found

    def _check(self, message: OutboundMessage) -> None:
        if len(message.message_id) > MAX_MESSAGE_ID:
            raise InvalidIdentifier(f"a message id of {len(message.message_id)} characters, at most {MAX_MESSAGE_ID}")
        size = len(message.body) + len(message.message_id) + len(message.message_type) + HEADER_BYTES
        if size > self._rules.max_message_bytes:
            limit = self._rules.max_message_bytes
            raise MessageTooLarge(f"a message of {size} bytes, at most {limit}", size=size, limit=limit)

    def _is_duplicate(self, queue: _Queue, message_id: str, now: datetime) -> bool:
        if not self._rules.duplicate_window:
            return False
        seen = queue.seen.get(message_id)
        if seen is not None and (now - seen).total_seconds() < self._rules.duplicate_window:
            return True
        queue.seen[message_id] = now
        return False

    def _enqueue(self, queue: _Queue, message: OutboundMessage, now: datetime) -> None:
        if message.not_before is not None and message.not_before > now:
            sequence = next(self._order)
            heapq.heappush(queue.scheduled, (message.not_before, sequence, _Message(message, sequence)))
        else:
            queue.ready.append(_Message(message, next(self._order)))

    def _make_ready(self, queue: _Queue, now: datetime) -> None:
        while queue.scheduled and queue.scheduled[0][0] <= now:
            due = heapq.heappop(queue.scheduled)[2]
            due.sequence = next(self._order)
            queue.ready.append(due)
        expired = [held for held in queue.locked.values() if held.locked_until is not None and held.locked_until <= now]
        for held in expired:
            del queue.locked[held.lock_token]
            self._put_back(queue, held)

    def _put_back(self, queue: _Queue, message: _Message) -> None:
        """After a delivery that came to nothing: into its old place, or, after the last one, to the dead letters."""
        if message.delivery_count >= self._rules.max_delivery_count:
            self._bury(queue, message, MAX_DELIVERY_COUNT_EXCEEDED, f"delivered {message.delivery_count} times")
        else:
            insort(queue.ready, message, key=lambda found: found.sequence)

    def _lock(self, name: str, queue: _Queue, message: _Message, locked_until: datetime) -> ReceivedMessage:
        message.delivery_count += 1
        message.lock_token = str(next(self._tokens))
        message.locked_until = locked_until
        queue.locked[message.lock_token] = message
        outbound = message.outbound
        return ReceivedMessage(
            name,
            outbound.message_id,
            outbound.message_type,
            outbound.body,
            message.delivery_count,
            message.lock_token,
            locked_until,
        )

    def _held(self, message: ReceivedMessage) -> _Message:
        held = self._queue(message.queue).locked.get(message.lock_token)
        if held is None or held.locked_until is None or held.locked_until <= self.clock.now():
            raise LockLost(f"the lock of message {message.message_id} has ended")
        return held

    def _unlock(self, message: ReceivedMessage) -> _Message:
        queue = self._queue(message.queue)
        held = queue.locked.pop(message.lock_token, None)
        if held is not None and held.locked_until is not None and held.locked_until > self.clock.now():
            return held
        if held is not None:
            self._put_back(queue, held)
        raise LockLost(f"the lock of message {message.message_id} has ended")

    def _bury(self, queue: _Queue, message: _Message, reason: str, description: str) -> None:
        outbound = message.outbound
        queue.dead.append(
            DeadLetter(outbound.queue, outbound.message_id, outbound.message_type, outbound.body, reason, description)
        )


def _view(at: datetime, message: OutboundMessage) -> dict[str, Any]:
    return {
        "queue_name": message.queue,
        "message_type": message.message_type,
        "message_id": message.message_id,
        "timestamp": at.isoformat(),
        "not_before": message.not_before.isoformat() if message.not_before else None,
        "body": _decoded(message.body),
    }


def _decoded(body: bytes) -> Any:
    """``body`` as JSON values, or as text where a test sent what is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
