"""The links to a queue: messages into it, and out of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import assert_never
from uuid import UUID

from testing.service_bus_emulator.amqp.errors import ConnectionLost, DecodeError, LinkError
from testing.service_bus_emulator.amqp.performatives import Attach
from testing.service_bus_emulator.amqp.types import Value
from testing.service_bus_emulator.broker.errors import BrokerError
from testing.service_bus_emulator.broker.faults import Operation
from testing.service_bus_emulator.broker.message import Delivery, Owner, ReceiveMode
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.link import IncomingLink, OutgoingLink
from testing.service_bus_emulator.messages import BATCH_FORMAT, read_batch, read_message, write_message
from testing.service_bus_emulator.outcomes import (
    ACCEPTED,
    Abandon,
    Complete,
    DeadLetter,
    Defer,
    Release,
    Settlement,
    echo,
    rejected,
    rejected_with,
    settlement,
)
from testing.service_bus_emulator.session import Session

_SETTLED = 1  # snd-settle-mode: receive and delete
_TURN = 50  # messages that one receiver takes before the next is asked


class QueueSender(IncomingLink):
    def __init__(self, session: Session, attach: Attach, queue: Queue) -> None:
        super().__init__(session, attach, queue.rules.message_bytes)
        self._queue = queue

    def deliver(self, message_format: int, payload: bytes) -> Value:
        try:
            self._take(message_format, payload)
        except BrokerError as error:
            return rejected(error)
        except DecodeError as error:
            return rejected_with(error.condition, error.description)
        return ACCEPTED

    def _take(self, message_format: int, payload: bytes) -> None:
        connection = self.session.connection
        connection.strike(Operation.SEND, self._queue.path)
        if message_format == BATCH_FORMAT:
            self._queue.send(read_batch(payload), connection.now(), batch_bytes=len(payload))
        else:
            self._queue.send([read_message(payload)], connection.now())


class QueueReceiver(OutgoingLink):
    """Takes messages whenever the peer has credit, and settles them.

    A lock dies with the connection and not with the link, since the SDK settles over the management link what it was
    not told the outcome of.
    """

    def __init__(self, session: Session, attach: Attach, queue: Queue) -> None:
        super().__init__(session, attach)
        self.queue = queue
        self.session_id: str | None = None
        self._mode = ReceiveMode.RECEIVE_AND_DELETE if attach.snd_settle_mode == _SETTLED else ReceiveMode.PEEK_LOCK
        self._stop_listening: Callable[[], None] | None = None

    @property
    def owner(self) -> Owner:
        return self.session.connection

    def closed(self) -> None:
        super().closed()
        self.rest()

    def listen(self, listener: Callable[[], bool]) -> None:
        """Have ``listener`` called when there is something new, in place of the one before."""
        self.rest()
        self._stop_listening = self.queue.on_available(listener)

    def rest(self) -> None:
        stop, self._stop_listening = self._stop_listening, None
        if stop is not None:
            stop()

    def pump(self) -> None:
        while self._take_turn():
            pass
        if self.is_open and self.credit > 0 and self._stop_listening is None:
            self.listen(self._take_turn)

    def _take_turn(self) -> bool:
        """Whether it took something and wants more. Who has no credit is not asked again until it has."""
        room = min(self.credit, self.session.room, _TURN)
        if room <= 0 or not self.is_open:
            if self.credit <= 0:
                self.rest()
            return False
        try:
            given = self._receive(room)
        except BrokerError as error:
            self.session.detach(self, LinkError(error.condition, error.description))
            return False
        except ConnectionLost:  # it was dropped; whoever asked this link to take something is another connection
            return False
        for delivery in given:
            self._give(delivery)
        if self.credit <= 0:
            self.rest()
        return bool(given) and self.credit > 0

    def _receive(self, limit: int) -> list[Delivery]:
        connection = self.session.connection
        connection.strike(Operation.RECEIVE, self.queue.path)
        return self.queue.receive(
            limit, connection.now(), mode=self._mode, owner=self.owner, session_id=self.session_id
        )

    def _give(self, delivery: Delivery) -> None:
        settled = self._mode is ReceiveMode.RECEIVE_AND_DELETE
        tag = delivery.lock_token.bytes_le
        payload = write_message(delivery.stored, delivery.locked_until)
        number = self.send(tag, payload, settled=settled)
        if not settled:
            self.session.track(number, self, tag)

    def settle(self, tag: bytes, outcome: Value) -> Value:
        connection, token = self.session.connection, UUID(bytes_le=tag)
        try:
            if connection.strike(Operation.SETTLE, self.queue.path):
                self.queue.lose_lock(token, connection.now())
            settle(self.queue, token, settlement(outcome), connection.now())
        except BrokerError as error:
            return rejected(error)
        except DecodeError as error:
            return rejected_with(error.condition, error.description)
        return echo(outcome)


def settle(queue: Queue, token: UUID, asked: Settlement, now: datetime) -> None:
    """Raises :class:`BrokerError`."""
    match asked:
        case Complete():
            queue.complete(token, now)
        case Release():
            queue.release(token, now)
        case Abandon(properties):
            queue.abandon(token, now, properties_to_modify=properties)
        case Defer(properties):
            queue.defer(token, now, properties_to_modify=properties)
        case DeadLetter():
            queue.dead_letter(
                token,
                now,
                reason=asked.reason,
                description=asked.description,
                properties_to_modify=asked.properties,
            )
        case _:
            assert_never(asked)
