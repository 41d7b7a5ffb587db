"""The management node of a queue: operations by request and response.

https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from testing.service_bus_emulator.amqp.errors import NOT_IMPLEMENTED, DecodeError, LinkError
from testing.service_bus_emulator.amqp.types import Array, Int, Long, Symbol, Timestamp, Value
from testing.service_bus_emulator.broker.errors import ArgumentInvalid, BrokerError, SessionLockLost
from testing.service_bus_emulator.broker.faults import Operation
from testing.service_bus_emulator.broker.message import Owner, ReceiveMode
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.cbs import Claim, Right
from testing.service_bus_emulator.messages import write_message
from testing.service_bus_emulator.property_values import instant, timestamp
from testing.service_bus_emulator.queue_links import settle
from testing.service_bus_emulator.request_body import Body
from testing.service_bus_emulator.request_links import Answer
from testing.service_bus_emulator.requests import Request
from testing.service_bus_emulator.session_links import SessionReceiver

if TYPE_CHECKING:
    from testing.service_bus_emulator.connection import Connection

_VENDOR = "com.microsoft:"
_MAX_ANSWER = 1024 * 1024  # bytes of messages in one answer
_MAX_PEEKED = 10_000
_ALL_SESSIONS = 253_402_300_799_000  # milliseconds: the last second of the year 9999, or later
_NO_CONTENT: Final = object()


class Management:
    """What it does it does as the connection: locks are found by their tokens, sessions by the connection's own
    receivers."""

    def __init__(self, queue: Queue, connection: Connection) -> None:
        self._queue = queue
        self._connection = connection
        self._operations: dict[str, tuple[Right, Callable[[Body], Value]]] = {
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
        operation = self._operations.get(name.removeprefix(_VENDOR)) if isinstance(name, str) else None
        if operation is None:
            return _failure(501, NOT_IMPLEMENTED, f"no operation {name!r:.100}")
        right, perform = operation
        try:
            self._connection.authorize(Claim(self._queue.path.lower(), (right,)))
            self._connection.strike(Operation.MANAGE, self._queue.path)
            body = perform(Body.of(request.body))
        except BrokerError as error:
            return _failure(error.status_code, error.condition, error.description)
        except DecodeError as error:
            return _failure(400, ArgumentInvalid.condition, error.description)
        except LinkError as error:
            return _failure(401, error.condition, error.description)
        return _answer(204, "No content") if body is _NO_CONTENT else _answer(200, "OK", body)

    @property
    def _now(self) -> datetime:
        return self._connection.now()

    # Messages

    def _renew_lock(self, body: Body) -> Value:
        tokens = body.tokens()
        if self._connection.strike(Operation.RENEW, self._queue.path):
            for token in tokens:
                self._queue.lose_lock(token, self._now)
        until = self._queue.renew(tokens, self._now)
        return {"expirations": Array(tuple(map(timestamp, until)))}

    def _peek(self, body: Body) -> Value:
        found = self._queue.peek(
            body.get("from-sequence-number", int),
            min(body.get("message-count", int), _MAX_PEEKED),
            self._now,
            session_id=body.optional("session-id", str),
        )
        messages: list[Value] = []
        room = _MAX_ANSWER
        for stored in found:
            message = write_message(stored)
            room -= len(message)
            if room < 0 and messages:
                break
            messages.append({"message": message})
        return {"messages": messages} if messages else _NO_CONTENT

    def _receive_deferred(self, body: Body) -> Value:
        session_id = body.optional("session-id", str)
        mode = ReceiveMode.PEEK_LOCK if body.get("receiver-settle-mode", int) else ReceiveMode.RECEIVE_AND_DELETE
        given = self._queue.receive_deferred(
            body.array("sequence-numbers", int),
            self._now,
            mode=mode,
            owner=self._owner(session_id),
            session_id=session_id,
        )
        messages: list[Value] = [
            {"lock-token": one.lock_token, "message": write_message(one.stored, one.locked_until)} for one in given
        ]
        return {"messages": messages} if messages else _NO_CONTENT

    def _update_disposition(self, body: Body) -> Value:
        settlement, tokens = body.settlement(), body.tokens()
        for token in tokens:
            if self._connection.strike(Operation.SETTLE, self._queue.path):
                self._queue.lose_lock(token, self._now)
            settle(self._queue, token, settlement, self._now)

    def _schedule(self, body: Body) -> Value:
        numbers = self._queue.schedule(body.messages(), self._now)
        return {"sequence-numbers": Array(tuple(map(Long, numbers)))}

    def _cancel(self, body: Body) -> Value:
        self._queue.cancel_scheduled(body.array("sequence-numbers", int), self._now)

    # Sessions

    def _renew_session(self, body: Body) -> Value:
        session_id = body.get("session-id", str)
        until = self._queue.renew_session(session_id, self._owner(session_id), self._now)
        return {"expiration": timestamp(until)}

    def _session_state(self, body: Body) -> Value:
        session_id = body.get("session-id", str)
        return {"session-state": self._queue.session_state(session_id, self._owner(session_id), self._now)}

    def _set_session_state(self, body: Body) -> Value:
        session_id, state = body.get("session-id", str), body.optional("session-state", bytes)
        self._queue.set_session_state(session_id, state, self._owner(session_id), self._now)

    def _list_sessions(self, body: Body) -> Value:
        since = body.get("last-updated-time", Timestamp)
        skip, top = max(body.get("skip", int), 0), max(body.get("top", int), 0)
        updated_since = instant(since) if since < _ALL_SESSIONS else None
        found = self._queue.list_sessions(self._now, updated_since=updated_since, skip=skip, top=top)
        return {"skip": Int(skip + len(found)), "sessions-ids": Array(tuple(found))} if found else _NO_CONTENT

    def _owner(self, session_id: str | None) -> Owner:
        """Who acts: the connection, or its receiver that holds the session."""
        if session_id is None:
            return self._connection
        for link in self._connection.links():
            if isinstance(link, SessionReceiver) and link.queue is self._queue and link.session_id == session_id:
                return link
        raise SessionLockLost(f"no receiver of this connection holds the session {session_id!r:.130}")


def _failure(status: int, condition: str, description: str) -> Answer:
    answer = _answer(status, description)
    return Answer({**answer.properties, Symbol("errorCondition"): Symbol(condition)}, answer.body)


def _answer(status: int, description: str, body: Value = None) -> Answer:
    return Answer({Symbol("statusCode"): Int(status), Symbol("statusDescription"): description}, body)
