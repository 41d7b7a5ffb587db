"""Counts what the loop asks of its bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.model import OutboundMessage
from core.ports import DeadLetter, MessageBus, ReceivedMessage


@dataclass(slots=True)
class BusCounts:
    """They only grow. Written by the loop's thread, read by any."""

    polls: int = 0
    received: int = 0
    locks_renewed: int = 0


class CountedBus:
    """:class:`core.ports.MessageBus` in front of another one."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.counts = BusCounts()

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        self._bus.send(messages)

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        self.counts.polls += 1
        found = self._bus.receive(queue, limit)
        self.counts.received += len(found)
        return found

    def complete(self, message: ReceivedMessage) -> None:
        self._bus.complete(message)

    def abandon(self, message: ReceivedMessage) -> None:
        self._bus.abandon(message)

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        self._bus.dead_letter(message, reason, description)

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        renewed = self._bus.renew_lock(message)
        self.counts.locks_renewed += 1
        return renewed

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        return self._bus.dead_letters(queue, limit)
