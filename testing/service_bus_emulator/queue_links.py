"""The links to a queue: messages into it, and out of it by itself or by session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import assert_never
from uuid import UUID

from testing.service_bus_emulator.amqp.errors import INTERNAL_ERROR, DecodeError, LinkError
from testing.service_bus_emulator.amqp.performatives import Attach
from testing.service_bus_emulator.amqp.types import Described, Long, Symbol, Value
from testing.service_bus_emulator.broker.errors import BrokerError, OperationTimeout
from testing.service_bus_emulator.broker.message import Delivery, Owner, PropertyValue, ReceiveMode
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.link import IncomingLink, OutgoingLink
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
from testing.service_bus_emulator.sections import BATCH_FORMAT, read_batch, read_message, write_message
from testing.service_bus_emulator.session import Session

SESSION_FILTER = "com.microsoft:session-filter"
SESSION_LOCKED_UNTIL = "com.microsoft:locked-until-utc"
TIMEOUT = "com.microsoft:timeout"
_SETTLED = 1  # snd-settle-mode: receive and delete
_TURN = 50  # messages that one receiver takes before the next is asked
_SESSION_WAIT = 65.0  # seconds, where the receiver does not say
_FILTER_FIELD = 7  # of a source
_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)


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
        now = self.session.connection.now()
        if message_format == BATCH_FORMAT:
            self._queue.send(read_batch(payload), now, batch_bytes=len(payload))
        else:
            self._queue.send([read_message(payload)], now)


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
        self._stop_listening: Callable[[], None] = lambda: None

    @property
    def owner(self) -> Owner:
        return self.session.connection

    def opened(self) -> None:
        super().opened()
        self._stop_listening = self.queue.on_available(self._take_turn)

    def closed(self) -> None:
        super().closed()
        self._stop_listening()

    def pump(self) -> None:
        while self._take_turn():
            pass

    def _take_turn(self) -> bool:
        """Whether it took something and wants more."""
        if self.credit <= 0 or not self.is_open or not self.session.may_send:
            return False
        try:
            given = self.queue.receive(
                min(self.credit, _TURN),
                self.session.connection.now(),
                mode=self._mode,
                owner=self.owner,
                session_id=self.session_id,
            )
        except BrokerError as error:
            self.session.detach(self, LinkError(error.condition, error.description))
            return False
        for delivery in given:
            self._give(delivery)
        return bool(given) and self.credit > 0

    def _give(self, delivery: Delivery) -> None:
        settled = self._mode is ReceiveMode.RECEIVE_AND_DELETE
        tag = delivery.lock_token.bytes_le
        payload = write_message(delivery.stored, delivery.locked_until)
        number = self.send(tag, payload, settled=settled)
        if not settled:
            self.session.track(number, self, tag)

    def settle(self, tag: bytes, outcome: Value) -> Value:
        try:
            settle(self.queue, UUID(bytes_le=tag), settlement(outcome), self.session.connection.now())
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
        case DeadLetter(reason, description, properties):
            _dead_letter(queue, token, reason, description, properties, now)
        case _:
            assert_never(asked)


def _dead_letter(
    queue: Queue,
    token: UUID,
    reason: str | None,
    description: str | None,
    properties: Mapping[str, PropertyValue],
    now: datetime,
) -> None:
    queue.dead_letter(token, now, reason=reason, description=description, properties_to_modify=properties)


class SessionReceiver(QueueReceiver):
    """Holds a session as long as it is attached: the one that it names, or the next that has something to give.

    The attach is answered when there is one; until then the peer waits, for as long as it says.
    """

    def __init__(self, session: Session, attach: Attach, queue: Queue) -> None:
        super().__init__(session, attach, queue)
        self._wanted = _filter(attach)
        self._locked_until: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def owner(self) -> Owner:
        return self

    def start(self) -> None:
        if self._accept():
            return
        self._stop_listening = self.queue.on_available(self._accept_when_open)
        self._timer = self.session.connection.call_later(_wait(self.request), self._give_up)

    def answer(self) -> Attach:
        asked = super().answer()
        if self.session_id is None or self._locked_until is None:
            return asked
        ticks = (self._locked_until - _YEAR_1) // timedelta(microseconds=1) * 10
        properties = {**(self.request.properties or {}), Symbol(SESSION_LOCKED_UNTIL): Long(ticks)}
        return asked._replace(source=_with_filter(asked.source, self.session_id), properties=properties)

    def closed(self) -> None:
        super().closed()
        self._stop_waiting()
        if self.session_id is not None:
            self.queue.release_all(self, self.session.connection.now(), counted=True)

    def _accept_when_open(self) -> bool:
        if self.session_id is not None:
            return False
        try:
            self._accept()
        except LinkError as error:
            self.session.detach(self, error)
        return False

    def _accept(self) -> bool:
        try:
            lock = self.queue.accept_session(self._wanted, self, self.session.connection.now())
        except BrokerError as error:
            raise LinkError(error.condition, error.description) from error
        if lock is None:
            return False
        self._stop_waiting()
        self.session_id, self._locked_until = lock.session_id, lock.locked_until
        self.session.attached(self)
        return True

    def _give_up(self) -> None:
        waited = OperationTimeout("no session had a message in time")
        self.session.detach(self, LinkError(waited.condition, waited.description))

    def _stop_waiting(self) -> None:
        self._stop_listening()
        if self._timer is not None:
            self._timer.cancel()


def has_session_filter(attach: Attach) -> bool:
    return SESSION_FILTER in _filters(attach.source)


def _filters(source: Value) -> dict[Value, Value]:
    fields = source.value if isinstance(source, Described) and isinstance(source.value, list) else []
    found = fields[_FILTER_FIELD] if len(fields) > _FILTER_FIELD else None
    return found if isinstance(found, dict) else {}


def _filter(attach: Attach) -> str | None:
    value = _filters(attach.source).get(SESSION_FILTER)
    if isinstance(value, Described):
        value = value.value
    if value is not None and not isinstance(value, str):
        raise LinkError(INTERNAL_ERROR, "a session id is a string")
    return None if value is None else str(value)


def _with_filter(source: Described, session_id: str) -> Described:
    fields = list(source.value)
    given = fields[_FILTER_FIELD].get(SESSION_FILTER)
    value = Described(given.descriptor, session_id) if isinstance(given, Described) else session_id
    fields[_FILTER_FIELD] = {**fields[_FILTER_FIELD], Symbol(SESSION_FILTER): value}
    return Described(source.descriptor, fields)


def _wait(attach: Attach) -> float:
    """Seconds that the receiver waits for a session."""
    milliseconds = (attach.properties or {}).get(TIMEOUT)
    return milliseconds / 1000 if isinstance(milliseconds, int) else _SESSION_WAIT
