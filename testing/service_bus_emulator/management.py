"""The management node of a queue: operations by request and response.

https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from testing.service_bus_emulator.amqp.errors import NOT_IMPLEMENTED, AmqpError, DecodeError
from testing.service_bus_emulator.amqp.types import Array, Int, Long, Symbol, Timestamp, Value
from testing.service_bus_emulator.broker.errors import ArgumentInvalid, BrokerError, SessionLockLost
from testing.service_bus_emulator.broker.message import Message, Owner, ReceiveMode
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.cbs import Right
from testing.service_bus_emulator.outcomes import Abandon, Complete, DeadLetter, Defer, Settlement, properties
from testing.service_bus_emulator.queue_links import SessionReceiver, settle
from testing.service_bus_emulator.request_links import Answer
from testing.service_bus_emulator.sections import Request, instant, read_message, timestamp, write_message

if TYPE_CHECKING:
    from testing.service_bus_emulator.connection import Connection

_T = TypeVar("_T")
_VENDOR = "com.microsoft:"
_MAX_ANSWER = 1024 * 1024  # bytes of messages in one answer
_ALL_SESSIONS = 253_402_300_799_000  # milliseconds: the last second of the year 9999, or later


class Management:
    """What it does it does as the connection: the locks are found by their tokens, the sessions by the connection's
    own receivers."""

    def __init__(self, queue: Queue, path: str, connection: Connection) -> None:
        self._queue = queue
        self._path = path
        self._connection = connection
        self._operations: dict[str, tuple[Right, Callable[[dict[Value, Value]], Value]]] = {
            "renew-lock": (Right.LISTEN, self._renew_lock),
            "peek-message": (Right.LISTEN, self._peek),
            "receive-by-sequence-number": (Right.LISTEN, self._receive_deferred),
            "update-disposition": (Right.LISTEN, self._update_disposition),
            "schedule-message": (Right.SEND, self._schedule),
            "cancel-scheduled-message": (Right.SEND, self._cancel),
            "renew-session-lock": (Right.LISTEN, self._renew_session),
            "get-session-state": (Right.LISTEN, self._session_state),
            "set-session-state": (Right.LISTEN, self._set_session_state),
            "get-message-sessions": (Right.LISTEN, self._list_sessions),
        }

    def respond(self, request: Request) -> Answer:
        name = request.properties.get("operation")
        try:
            body = self._perform(name, request.body)
        except BrokerError as error:
            return _failure(error.status_code, error.condition, error.description)
        except DecodeError as error:
            return _failure(400, ArgumentInvalid.condition, error.description)
        except AmqpError as error:
            return _failure(501 if error.condition == NOT_IMPLEMENTED else 401, error.condition, error.description)
        return _answer(204, "No content") if body is _NOTHING else _answer(200, "OK", body)

    def _perform(self, name: Value, body: Value) -> Value:
        operation = self._operations.get(name.removeprefix(_VENDOR)) if isinstance(name, str) else None
        if operation is None:
            raise AmqpError(NOT_IMPLEMENTED, f"no operation {name!r:.100}")
        right, perform = operation
        self._connection.authorize(self._path, right)
        return perform(_checked(body, dict, "body"))

    @property
    def _now(self) -> datetime:
        return self._connection.now()

    # Messages

    def _renew_lock(self, body: dict[Value, Value]) -> Value:
        until = self._queue.renew(_array(body, "lock-tokens", UUID), self._now)
        return {"expirations": Array(tuple(map(timestamp, until)))}

    def _peek(self, body: dict[Value, Value]) -> Value:
        first, limit = _get(body, "from-sequence-number", int), _get(body, "message-count", int)
        found = self._queue.peek(first, limit, self._now, session_id=_optional(body, "session-id", str))
        messages: list[Value] = []
        room = _MAX_ANSWER
        for stored in found:
            message = write_message(stored)
            room -= len(message)
            if room < 0 and messages:
                break
            messages.append({"message": message})
        return {"messages": messages} if messages else _NOTHING

    def _receive_deferred(self, body: dict[Value, Value]) -> Value:
        session_id = _optional(body, "session-id", str)
        mode = ReceiveMode.PEEK_LOCK if _get(body, "receiver-settle-mode", int) else ReceiveMode.RECEIVE_AND_DELETE
        given = self._queue.receive_deferred(
            _array(body, "sequence-numbers", int),
            self._now,
            mode=mode,
            owner=self._owner(session_id),
            session_id=session_id,
        )
        messages: list[Value] = [
            {"lock-token": one.lock_token, "message": write_message(one.stored, one.locked_until)} for one in given
        ]
        return {"messages": messages} if messages else _NOTHING

    def _update_disposition(self, body: dict[Value, Value]) -> Value:
        settlement = _settlement(body)
        for token in _array(body, "lock-tokens", UUID):
            settle(self._queue, token, settlement, self._now)
        return None

    def _schedule(self, body: dict[Value, Value]) -> Value:
        given = [_message(_checked(one, dict, "messages")) for one in _get(body, "messages", list)]
        numbers = self._queue.schedule(given, self._now)
        return {"sequence-numbers": Array(tuple(map(Long, numbers)))}

    def _cancel(self, body: dict[Value, Value]) -> Value:
        self._queue.cancel_scheduled(_array(body, "sequence-numbers", int), self._now)

    # Sessions

    def _renew_session(self, body: dict[Value, Value]) -> Value:
        session_id = _get(body, "session-id", str)
        until = self._queue.renew_session(session_id, self._owner(session_id), self._now)
        return {"expiration": timestamp(until)}

    def _session_state(self, body: dict[Value, Value]) -> Value:
        session_id = _get(body, "session-id", str)
        return {"session-state": self._queue.session_state(session_id, self._owner(session_id), self._now)}

    def _set_session_state(self, body: dict[Value, Value]) -> Value:
        session_id, state = _get(body, "session-id", str), _optional(body, "session-state", bytes)
        self._queue.set_session_state(session_id, state, self._owner(session_id), self._now)

    def _list_sessions(self, body: dict[Value, Value]) -> Value:
        since = _get(body, "last-updated-time", Timestamp)
        skip, top = _get(body, "skip", int), _get(body, "top", int)
        found = self._queue.list_sessions(
            self._now,
            updated_since=instant(since) if since < _ALL_SESSIONS else None,
            skip=max(skip, 0),
            top=max(top, 0),
        )
        return {"skip": Int(skip + len(found)), "sessions-ids": Array(tuple(found))} if found else _NOTHING

    def _owner(self, session_id: str | None) -> Owner:
        """Who acts: the connection, or its receiver that holds the session."""
        if session_id is None:
            return self._connection
        for link in self._connection.links():
            if isinstance(link, SessionReceiver) and link.queue is self._queue and link.session_id == session_id:
                return link
        raise SessionLockLost(f"no receiver of this connection holds the session {session_id!r:.130}")


_NOTHING = object()
_SETTLEMENTS: dict[str, Callable[[dict[Value, Value]], Settlement]] = {
    "completed": lambda _: Complete(),
    "abandoned": lambda body: Abandon(_modified(body)),
    "defered": lambda body: Defer(_modified(body)),
    "suspended": lambda body: DeadLetter(
        _optional(body, "deadletter-reason", str), _optional(body, "deadletter-description", str), _modified(body)
    ),
}


def _settlement(body: dict[Value, Value]) -> Settlement:
    status = _get(body, "disposition-status", str)
    if status not in _SETTLEMENTS:
        raise ArgumentInvalid(f"no disposition {status!r:.100}")
    return _SETTLEMENTS[status](body)


def _modified(body: dict[Value, Value]) -> Value:
    return properties(body.get("properties-to-modify"))


def _message(given: dict[Value, Value]) -> Message:
    message = read_message(_get(given, "message", bytes))
    return replace(message, message_id=message.message_id or _optional(given, "message-id", str))


def _checked(value: Value, kind: type[_T], name: str) -> _T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ArgumentInvalid(f"{name} is no {kind.__name__}")
    return value


def _get(body: dict[Value, Value], name: str, kind: type[_T]) -> _T:
    return _checked(body.get(name), kind, name)


def _optional(body: dict[Value, Value], name: str, kind: type[_T]) -> _T | None:
    return None if body.get(name) is None else _get(body, name, kind)


def _array(body: dict[Value, Value], name: str, kind: type[_T]) -> list[_T]:
    value = body.get(name)
    items = value.items if isinstance(value, Array) else _checked(value, list, name)
    return [_checked(item, kind, name) for item in items]


def _failure(status: int, condition: str, description: str) -> Answer:
    answer = _answer(status, description)
    return Answer({**answer.properties, Symbol("errorCondition"): Symbol(condition)}, answer.body)


def _answer(status: int, description: str, body: Value = None) -> Answer:
    return Answer({Symbol("statusCode"): Int(status), Symbol("statusDescription"): description}, body)
