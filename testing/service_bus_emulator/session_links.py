"""The link that holds a session of a queue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from testing.service_bus_emulator.amqp.errors import INVALID_FIELD, LinkError
from testing.service_bus_emulator.amqp.performatives import Attach
from testing.service_bus_emulator.amqp.types import Described, Long, Symbol, Value
from testing.service_bus_emulator.broker.errors import BrokerError, OperationTimeout
from testing.service_bus_emulator.broker.message import Owner
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.queue_links import QueueReceiver
from testing.service_bus_emulator.session import Session

SESSION_FILTER = "com.microsoft:session-filter"
SESSION_LOCKED_UNTIL = "com.microsoft:locked-until-utc"
TIMEOUT = "com.microsoft:timeout"
_WAIT = 65.0  # seconds, where the receiver does not say
_FILTERS = 7  # the field of a source
_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SessionReceiver(QueueReceiver):
    """Holds a session as long as it is attached: the one that it names, or the next that has something to give.

    The attach is answered when there is one; until then the peer waits, for as long as it says. A session that is
    closed counts no deliveries of what was not settled in it; one whose connection broke does, as does one whose lock
    ran out: https://learn.microsoft.com/azure/service-bus-messaging/message-sessions, "Impact of delivery count".
    """

    def __init__(self, session: Session, attach: Attach, queue: Queue) -> None:
        super().__init__(session, attach, queue)
        self._wanted = _filter(attach)
        self._locked_until: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_given_up = False

    @property
    def owner(self) -> Owner:
        return self

    def start(self) -> None:
        if self._accept():
            return
        self.listen(self._accept_when_open)
        self._timer = self.session.connection.call_later(_wait(self.request), self._give_up)

    def answer(self) -> Attach:
        asked = super().answer()
        if self.session_id is None or self._locked_until is None:
            return asked
        ticks = (self._locked_until - _YEAR_1) // _MICROSECOND * 10  # of 100 ns
        properties = {**(self.request.properties or {}), Symbol(SESSION_LOCKED_UNTIL): Long(ticks)}
        return asked._replace(source=_with_filter(asked.source, self.session_id), properties=properties)

    def given_up(self) -> None:
        self._is_given_up = True

    def closed(self) -> None:
        super().closed()
        self._stop_waiting()
        if self.session_id is not None:
            self.queue.release_all(self, self.session.connection.now(), counted=not self._is_given_up)

    def _accept_when_open(self) -> bool:
        if self.session_id is None:
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
        self.session.connection.flush()

    def _stop_waiting(self) -> None:
        self.rest()
        if self._timer is not None:
            self._timer.cancel()


def has_session_filter(attach: Attach) -> bool:
    return SESSION_FILTER in _filters(attach.source)


def _filters(source: Value) -> dict[Value, Value]:
    fields = source.value if isinstance(source, Described) and isinstance(source.value, list) else []
    found = fields[_FILTERS] if len(fields) > _FILTERS else None
    return found if isinstance(found, dict) else {}


def _filter(attach: Attach) -> str | None:
    value = _filters(attach.source).get(SESSION_FILTER)
    if isinstance(value, Described):
        value = value.value
    if value is not None and not isinstance(value, str):
        raise LinkError(INVALID_FIELD, "a session id is a string")
    return None if value is None else str(value)


def _with_filter(source: Described, session_id: str) -> Described:
    fields = list(source.value)
    given = fields[_FILTERS][SESSION_FILTER]
    value = Described(given.descriptor, session_id) if isinstance(given, Described) else session_id
    fields[_FILTERS] = {**fields[_FILTERS], Symbol(SESSION_FILTER): value}
    return Described(source.descriptor, fields)


def _wait(attach: Attach) -> float:
    """Seconds that the receiver waits for a session."""
    milliseconds = (attach.properties or {}).get(TIMEOUT)
    return milliseconds / 1000 if isinstance(milliseconds, int) else _WAIT
