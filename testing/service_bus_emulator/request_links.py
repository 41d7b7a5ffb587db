"""Request and response over a pair of links, as ``$cbs`` and the management nodes have them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import uuid4

from testing.service_bus_emulator.amqp.errors import NOT_FOUND, RESOURCE_LIMIT_EXCEEDED, DecodeError, LinkError
from testing.service_bus_emulator.amqp.performatives import Attach
from testing.service_bus_emulator.amqp.types import Described, Value
from testing.service_bus_emulator.link import IncomingLink, OutgoingLink
from testing.service_bus_emulator.outcomes import ACCEPTED, rejected_with
from testing.service_bus_emulator.requests import Request, read_request, write_answer
from testing.service_bus_emulator.session import Session

MAX_REQUEST = 1024 * 1024  # bytes
_MAX_WAITING = 100  # answers that nobody gave credit for


class Answer(NamedTuple):
    properties: Mapping[str, Value]
    body: Value = None


class RequestLink(IncomingLink):
    """``respond`` raises :class:`DecodeError` for what is no request at all."""

    def __init__(self, session: Session, attach: Attach, node: str, respond: Callable[[Request], Answer]) -> None:
        super().__init__(session, attach, MAX_REQUEST)
        self._node = node
        self._respond = respond

    def deliver(self, message_format: int, payload: bytes) -> Value:
        try:
            request = read_request(payload)
            answer = self._respond(request)
        except DecodeError as error:
            return rejected_with(error.condition, error.description)
        link = self._response_link(request.reply_to)
        if link is None:
            return rejected_with(NOT_FOUND, f"no link of this session receives from {self._node}")
        link.put(write_answer(request.message_id, answer.properties, answer.body))
        return ACCEPTED

    def _response_link(self, reply_to: str | None) -> ResponseLink | None:
        """The link to the address that is asked for; the last of the node's, where none is or nobody has it."""
        links = [one for one in self.session.links.values() if isinstance(one, ResponseLink) and one.node == self._node]
        named = [link for link in links if reply_to is not None and link.reply_address == reply_to]
        found = named or links
        return found[-1] if found else None


class ResponseLink(OutgoingLink):
    def __init__(self, session: Session, attach: Attach, node: str) -> None:
        super().__init__(session, attach)
        self.node = node
        self._waiting: deque[bytes] = deque()

    @property
    def reply_address(self) -> Value:
        target = self.request.target
        fields = target.value if isinstance(target, Described) else None
        return fields[0] if isinstance(fields, list) and fields else None

    def put(self, payload: bytes) -> None:
        """Raises :class:`LinkError` where the peer asks and asks, and takes no answers."""
        if len(self._waiting) >= _MAX_WAITING:
            raise LinkError(RESOURCE_LIMIT_EXCEEDED, f"{_MAX_WAITING} answers wait for credit")
        self._waiting.append(payload)
        self.session.hold(len(payload))
        self.pump()

    def pump(self) -> None:
        while self._waiting and self.is_open and self.credit > 0 and self.session.room > 0:
            self.send(uuid4().bytes, self._take(), settled=True)

    def closed(self) -> None:
        super().closed()
        while self._waiting:
            self._take()

    def _take(self) -> bytes:
        payload = self._waiting.popleft()
        self.session.hold(-len(payload))
        return payload
