"""What a link may attach to: a queue, its management node, and ``$cbs``."""

from __future__ import annotations

from datetime import datetime

from testing.service_bus_emulator.amqp.errors import NOT_ALLOWED, NOT_IMPLEMENTED, DecodeError, LinkError
from testing.service_bus_emulator.amqp.performatives import Attach
from testing.service_bus_emulator.amqp.types import Described, Int, Symbol, Value
from testing.service_bus_emulator.broker.errors import BrokerError
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.cbs import Right, TokenRefused, check_token, path_of
from testing.service_bus_emulator.link import Link
from testing.service_bus_emulator.management import Management
from testing.service_bus_emulator.queue_links import QueueReceiver, QueueSender, SessionReceiver, has_session_filter
from testing.service_bus_emulator.request_links import Answer, RequestLink, ResponseLink
from testing.service_bus_emulator.sections import Request
from testing.service_bus_emulator.session import Session

CBS = "$cbs"
MANAGEMENT = "/$management"
_COORDINATOR = 0x30


def new_link(session: Session, attach: Attach) -> Link:
    """Raises :class:`LinkError`."""
    path = _address(attach.source if attach.role else attach.target)
    if path == CBS:
        return ResponseLink(session, attach, path) if attach.role else RequestLink(session, attach, path, _Cbs(session))
    if path.endswith(MANAGEMENT):
        return _management_link(session, attach, path)
    return _queue_link(session, attach, path)


def _address(terminus: Value) -> str:
    if not isinstance(terminus, Described) or not isinstance(terminus.value, list):
        raise LinkError(NOT_ALLOWED, "a link needs a source and a target")
    if terminus.descriptor in (_COORDINATOR, "amqp:coordinator:list"):
        raise LinkError(NOT_IMPLEMENTED, "there are no transactions")
    address = terminus.value[0] if terminus.value else None
    if not isinstance(address, str):
        raise LinkError(NOT_IMPLEMENTED, "a link names a queue; there are no dynamic nodes")
    return path_of(address)


def _queue_link(session: Session, attach: Attach, path: str) -> Link:
    session.connection.authorize(path, Right.LISTEN if attach.role else Right.SEND)
    queue = _find(session, path)
    if not attach.role:
        return QueueSender(session, attach, queue)
    if has_session_filter(attach):
        return SessionReceiver(session, attach, queue)
    if queue.rules.requires_session:
        raise LinkError(NOT_ALLOWED, f"{path} requires sessions: a receiver needs a session filter")
    return QueueReceiver(session, attach, queue)


def _management_link(session: Session, attach: Attach, path: str) -> Link:
    entity = path.removesuffix(MANAGEMENT)
    session.connection.authorize(entity, Right.LISTEN, Right.SEND)
    if attach.role:
        _find(session, entity)
        return ResponseLink(session, attach, path)
    management = Management(_find(session, entity), entity, session.connection)
    return RequestLink(session, attach, path, management.respond)


def _find(session: Session, path: str) -> Queue:
    try:
        return session.connection.server.namespace.find(path)
    except BrokerError as error:
        raise LinkError(error.condition, error.description) from error


class _Cbs:
    """``put-token``: what it allows is the connection's from then on."""

    def __init__(self, session: Session) -> None:
        self._connection = session.connection

    def __call__(self, request: Request) -> Answer:
        properties = request.properties
        if properties.get("operation") != "put-token":
            raise DecodeError("$cbs knows put-token", NOT_IMPLEMENTED)
        try:
            self._put_token(properties.get("name"), request.body, self._connection.now())
        except TokenRefused as refused:
            return _answer(refused.status, refused.description)
        return _answer(202, "Accepted")

    def _put_token(self, audience: Value, token: Value, now: datetime) -> None:
        """The type that comes along is not looked at: the Python SDK calls every token a jwt."""
        if not isinstance(token, str) or not isinstance(audience, str):
            raise TokenRefused(400, "MalformedToken: a token and its audience are strings.")
        self._connection.grant(check_token(token, audience, self._connection.server.keys, now))


def _answer(status: int, description: str) -> Answer:
    return Answer({Symbol("status-code"): Int(status), Symbol("status-description"): description})
