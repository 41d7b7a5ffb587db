"""One queue's receiver, and the one thread that receives with it and settles what it received."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event, Lock, current_thread
from typing import TypeVar

from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver

from core.errors import BusUnavailable, LockLost
from core.ports import ReceivedMessage
from infrastructure.service_bus.errors import closed, guarded
from infrastructure.service_bus.messages import MAX_REASON, incoming
from infrastructure.service_bus.steadied import GAP_SECONDS, Steadied

T = TypeVar("T")

LOOKS_UP_SECONDS = 0.01
"""How long one read of a receiver's socket waits: what the SDK waits for is late by up to this."""

BURST = 8
"""So many messages after one another may well be followed by more."""

SLICE_SECONDS = 1.0
"""A long wait is made of these, so that whoever closes need not wait for its end."""

RENEWAL_SECONDS = 3.0
"""What a renewal may take: whoever renews has other things to do, and a bus that is so slow is as good as away."""

MAX_HELD = 10_000
"""Messages that were received and never settled; older ones are forgotten, and come again when their locks end."""


class QueueReceiver:
    """Belongs to the thread that made it. It connects by its first use, and again after its connection was lost."""

    def __init__(self, queue: str, client: ServiceBusClient, waits_ended: Event) -> None:
        self._queue = queue
        self._client = client
        self._waits_ended = waits_ended
        self._steadied: Steadied | None = None
        self._held: dict[str, ServiceBusReceivedMessage] = {}
        self._use = Lock()
        self.owner = current_thread()

    def holds(self, lock_token: str) -> bool:
        return lock_token in self._held

    def receive(self, limit: int, wait_seconds: float) -> Sequence[ReceivedMessage]:
        """Up to ``limit`` messages, as soon as there are any; none after ``wait_seconds``, or once waits are to end."""
        until = time.monotonic() + wait_seconds
        while not self._waits_ended.is_set():
            left = until - time.monotonic()
            found = self._slice(limit, max(GAP_SECONDS, min(left, SLICE_SECONDS)))
            if found or left <= SLICE_SECONDS:
                return found
        return []

    def complete(self, message: ReceivedMessage) -> None:
        self._settle(message, lambda receiver, held: receiver.complete_message(held))

    def abandon(self, message: ReceivedMessage) -> None:
        self._settle(message, lambda receiver, held: receiver.abandon_message(held))

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        why, details = reason[:MAX_REASON], description[:MAX_REASON]
        self._settle(message, lambda receiver, held: receiver.dead_letter_message(held, why, details))

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        """Raises :class:`core.errors.BusUnavailable` after ``RENEWAL_SECONDS``, and at once where the connection was
        lost: it is not made anew for this, which may take long.
        """
        until = self._with(message, self._renew)
        return message._replace(locked_until=until)

    def close(self) -> None:
        """For whoever closes the bus, too: it waits for the call that is under way."""
        with self._use:
            self._held.clear()
            closed(self._steadied, self._client)

    def _slice(self, limit: int, wait_seconds: float) -> list[ReceivedMessage]:
        with self._use:
            return [self._hold(one) for one in guarded(lambda: self._receive(limit, wait_seconds))]

    def _receive(self, limit: int, wait_seconds: float) -> list[ServiceBusReceivedMessage]:
        """What has arrived before is given at once; the SDK would wait for more."""
        steadied = self._opened()
        first = min(limit, steadied.waiting) or limit
        found = some = steadied.receiver.receive_messages(first, max_wait_time=wait_seconds)
        while len(some) >= BURST and len(found) < limit:
            some = steadied.receiver.receive_messages(limit - len(found), max_wait_time=GAP_SECONDS)
            found = found + some
        steadied.rest()
        return found

    def _hold(self, found: ServiceBusReceivedMessage) -> ReceivedMessage:
        message = incoming(self._queue, found)
        self._held[message.lock_token] = found
        if len(self._held) > MAX_HELD:
            del self._held[next(iter(self._held))]
        return message

    def _settle(
        self, message: ReceivedMessage, act: Callable[[ServiceBusReceiver, ServiceBusReceivedMessage], None]
    ) -> None:
        self._with(message, lambda held: act(self._opened().receiver, held))
        self._held.pop(message.lock_token, None)

    def _with(self, message: ReceivedMessage, act: Callable[[ServiceBusReceivedMessage], T]) -> T:
        """``act`` on the message as the SDK has it; where the connection was lost meanwhile, over a new one, by the
        lock's token.
        """
        with self._use:
            held = self._held.get(message.lock_token)
            if held is None:
                raise LockLost(f"message {message.message_id} is not held: its lock has ended, or it was settled")
            try:
                return guarded(lambda: act(held))
            except LockLost:
                self._held.pop(message.lock_token, None)
                raise

    def _renew(self, held: ServiceBusReceivedMessage) -> datetime:
        steadied = self._made()
        if not steadied.connected:
            raise BusUnavailable("the connection to the service bus was lost, and the next call makes it anew")
        with steadied.without_retries():
            return steadied.receiver.renew_message_lock(held, timeout=RENEWAL_SECONDS)

    def _opened(self) -> Steadied:
        steadied = self._made()
        steadied.open()
        return steadied

    def _made(self) -> Steadied:
        if self._steadied is None:
            receiver = self._client.get_queue_receiver(self._queue, socket_timeout=LOOKS_UP_SECONDS)
            self._steadied = Steadied(receiver)
        return self._steadied
