"""What a link may attach to: a queue, its management node, and ``$cbs``."""

from __future__ import annotations

from datetime import datetime

from testing.service_bus_emulator.amqp.errors import NOT_ALLOWED, NOT_IMPLEMENTED, DecodeError, LinkError
from testing.service_bus_emulator.amqp.performatives import Attach
from testing.service_bus_emulator.amqp.types import Described, Int, Symbol, Value
from testing.service_bus_emulator.broker.errors import BrokerError
from testing.service_bus_emulator.broker.faults import Operation
from testing.service_bus_emulator.broker.queue import Queue
from testing.service_bus_emulator.cbs import Claim, Right, TokenRefused, check_token, path_of
from testing.service_bus_emulator.link import Link
from testing.service_bus_emulator.management import Management
from testing.service_bus_emulator.queue_links import QueueReceiver, QueueSender
from testing.service_bus_emulator.request_links import Answer, RequestLink, ResponseLink
from testing.service_bus_emulator.requests import Request
from testing.service_bus_emulator.session import Session
from testing.service_bus_emulator.session_links import SessionReceiver, has_session_filter

CBS = "$cbs"
MANAGEMENT = "/$management"
_COORDINATOR = 0x30


def new_link(session: Session, attach: Attach) -> Link:
    """Raises :class:`LinkError`."""
    path = _address(attach.source if attach.role else attach.target)
    if path == CBS:
        return ResponseLink(session, attach, path) if attach.role else RequestLink(session, attach, path, _Cbs(session))
    claim = _claim(attach, path)
    session.connection.authorize(claim)
    try:
        session.connection.strike(Operation.ATTACH, claim.path)
        link = _link(session, attach, path, session.connection.server.namespace.find(claim.path))
    except BrokerError as error:
        raise LinkError(error.condition, error.description) from error
    link.claim = claim
    return link


def _address(terminus: Value) -> str:
    if not isinstance(terminus, Described) or not isinstance(terminus.value, list):
        raise LinkError(NOT_ALLOWED, "a link needs a source and a target")
    if terminus.descriptor in (_COORDINATOR, "amqp:coordinator:list"):
        raise LinkError(NOT_IMPLEMENTED, "there are no transactions")
    address = terminus.value[0] if terminus.value else None
    if not isinstance(address, str):
        raise LinkError(NOT_IMPLEMENTED, "a link names a queue; there are no dynamic nodes")
    return path_of(address)


def _claim(attach: Attach, path: str) -> Claim:
    if path.endswith(MANAGEMENT):
        return Claim(path.removesuffix(MANAGEMENT), (Right.LISTEN, Right.SEND))
    return Claim(path, (Right.LISTEN if attach.role else Right.SEND,))


def _link(session: Session, attach: Attach, path: str, queue: Queue) -> Link:
    if path.endswith(MANAGEMENT):
        if attach.role:
            return ResponseLink(session, attach, path)
        return RequestLink(session, attach, path, Management(queue, session.connection).respond)
    if not attach.role:
        return QueueSender(session, attach, queue)
    if has_session_filter(attach):
        return SessionReceiver(session, attach, queue)
    if queue.rules.requires_session:
        raise LinkError(NOT_ALLOWED, f"{path} requires sessions: a receiver needs a session filter")
    return QueueReceiver(session, attach, queue)


class _Cbs:
    """``put-token``: what it allows is the connection's from then on."""

    def __init__(self, session: Session) -> None:
        self._connection = session.connection

    def __call__(self, request: Request) -> Answer:
        properties = request.properties
        if properties.get("operation") != "put-token":
            raise DecodeError("$cbs knows put-token", NOT_IMPLEMENTED)
        try:
            self._put_token(properties.get("name"), request.body, self._connection.server.token_now())
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
