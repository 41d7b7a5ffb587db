"""Messages into batches that are as full as the link takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from azure.servicebus import ServiceBusMessage, ServiceBusMessageBatch, ServiceBusSender
from azure.servicebus.exceptions import MessageSizeExceededError

from core.errors import CoreMachineError
from core.model import OutboundMessage
from infrastructure.service_bus.messages import outgoing

SURELY_ENOUGH = 1024
"""Bytes of a message on the wire beside its body, id and type; they are less than a third of this."""

ENVELOPE = 512
"""Bytes of a batch that the SDK does not count: its copy of the first message's id."""

_LENGTHS = 8
"""What ``add_message`` counts for the length of a message of 256 bytes and more."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Sends(Protocol):
    error: CoreMachineError | None


S = TypeVar("S", bound=Sends)


class Room(NamedTuple):
    """Bytes on the wire of the largest single message, and of the largest batch."""

    message: int
    batch: int


class Load(Generic[S]):
    """What goes in one send: ``parts`` say whose messages are in it."""

    __slots__ = ("_content", "_sender", "parts")

    def __init__(self, sender: ServiceBusSender, content: ServiceBusMessage | ServiceBusMessageBatch) -> None:
        self._sender = sender
        self._content = content
        self.parts: list[tuple[S, OutboundMessage]] = []

    def send(self) -> None:
        self._sender.send_messages(self._content)

    def counts(self) -> Counter[S]:
        return Counter(whose for whose, _ in self.parts)

    def takes(self, message: ServiceBusMessage) -> bool:
        """Whether there was room for it in the batch."""
        assert isinstance(self._content, ServiceBusMessageBatch)
        try:
            self._content.add_message(message)
        except MessageSizeExceededError:
            return False
        return True


def room_of(sender: ServiceBusSender) -> Room:
    """Of an open sender. The SDK keeps a single message's limit to itself; without it, a batch's is taken for both."""
    batch = sender.create_message_batch().max_size_in_bytes
    message = getattr(sender, "_max_message_size_on_link", 0) or batch
    return Room(message, min(message, batch))


def size_over(message: OutboundMessage, limit: int) -> int:
    """Bytes on the wire of a message over ``limit``; 0 for one that is not."""
    roughly = len(message.body) + 4 * (len(message.message_id) + len(message.message_type)) + SURELY_ENOUGH
    if roughly <= limit:
        return 0
    if len(message.body) > limit:
        return len(message.body)
    batch = ServiceBusMessageBatch(max_size_in_bytes=2 * roughly)
    empty = batch.size_in_bytes
    batch.add_message(outgoing(message, _LONG_AGO))
    size = batch.size_in_bytes - empty - _LENGTHS
    return size if size > limit else 0


def packed(
    sender: ServiceBusSender, room: Room, parts: Iterable[tuple[S, OutboundMessage]], now: datetime
) -> Iterator[Load[S]]:
    """The messages in order, in as few loads as can be. Those of somebody who has an error by then are left out.

    What fits into no batch, as the largest messages of Premium, is a load of its own.
    """
    load: Load[S] | None = None
    for part in parts:
        message = outgoing(part[1], now)
        if load is not None and part[0].error is None and not load.takes(message):
            yield load
            load = None
        if part[0].error is not None:
            continue
        if load is None:
            load = Load(sender, sender.create_message_batch(max(room.batch - ENVELOPE, room.batch // 2)))
            if not load.takes(message):
                yield _alone(sender, part, message)
                load = None
                continue
        load.parts.append(part)
    if load is not None and load.parts:
        yield load


def _alone(sender: ServiceBusSender, part: tuple[S, OutboundMessage], message: ServiceBusMessage) -> Load[S]:
    load: Load[S] = Load(sender, message)
    load.parts.append(part)
    return load
