"""Dead letters that leave the broker: received under lock, written down, and completed only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from azure.servicebus import ServiceBusReceivedMessage, ServiceBusSubQueue

from core.errors import CoreMachineError, LockLost
from core.ports import DeadLetter
from infrastructure.service_bus.errors import closed, guarded
from infrastructure.service_bus.messages import dead
from infrastructure.service_bus.receiving import LOOKS_UP_SECONDS
from infrastructure.service_bus.sending import Connects
from infrastructure.service_bus.steadied import Steadied

Record = Callable[[Sequence[DeadLetter]], object]
"""Writes letters down, all of them or, where it raises, perhaps none. Doing so again changes nothing."""

BATCH = 64
BATCH_BYTES = 4 * 1024 * 1024
"""What is held at a time, at most, unless a single message is larger."""

WAIT_SECONDS = 1.0
"""A queue that gives nothing for so long is taken to be empty."""


def move_dead_letters(connection: Connects, queue: str, record: Record, limit: int, max_message_bytes: int) -> int:
    """Move up to ``limit`` dead letters of a queue, the oldest first; how many are off the broker.

    ``max_message_bytes`` is what a message on the bus may have. What ``record`` raises is passed on, the letters being
    given back. Whoever is killed between the two leaves letters locked; they are recorded again after that.
    """
    client = guarded(connection.client)
    try:
        receiver = guarded(
            lambda: client.get_queue_receiver(
                queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER, socket_timeout=LOOKS_UP_SECONDS
            )
        )
        batch = max(1, min(BATCH, BATCH_BYTES // max_message_bytes))
        return _moved(Steadied(receiver), queue, record, limit, batch)
    finally:
        closed(client)


def _moved(steadied: Steadied, queue: str, record: Record, limit: int, batch: int) -> int:
    taken = moved = 0
    try:
        while taken < limit:
            found = guarded(partial(_received, steadied, min(batch, limit - taken)))
            if not found:
                break
            _recorded(steadied, queue, record, found)
            taken += len(found)
            moved += sum([_completed(steadied, one) for one in found])
    finally:
        closed(steadied)
    return moved


def _received(steadied: Steadied, limit: int) -> list[ServiceBusReceivedMessage]:
    """What has arrived before is taken first; the SDK would wait for more."""
    receiver = steadied.open()
    first = min(limit, steadied.waiting) or limit
    found = receiver.receive_messages(first, max_wait_time=WAIT_SECONDS)
    steadied.rest()
    return found


def _recorded(steadied: Steadied, queue: str, record: Record, found: Sequence[ServiceBusReceivedMessage]) -> None:
    try:
        record([dead(queue, one) for one in found])
    except BaseException:
        for one in found:
            with suppress(CoreMachineError):
                guarded(partial(steadied.receiver.abandon_message, one))
        raise


def _completed(steadied: Steadied, found: ServiceBusReceivedMessage) -> bool:
    """A letter whose lock has ended comes again, and is known by then."""
    try:
        guarded(lambda: steadied.receiver.complete_message(found))
    except LockLost:
        return False
    return True
