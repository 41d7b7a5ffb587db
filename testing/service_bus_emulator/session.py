"""A session: links by handle, the windows of both directions, deliveries by id."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from testing.service_bus_emulator.amqp.errors import (
    HANDLE_IN_USE,
    NOT_ALLOWED,
    UNATTACHED_HANDLE,
    WINDOW_VIOLATION,
    AmqpError,
    DecodeError,
    LinkError,
    SessionError,
    error_value,
)
from testing.service_bus_emulator.amqp.performatives import (
    Attach,
    Begin,
    Detach,
    Disposition,
    Flow,
    Performative,
    Transfer,
    write,
)
from testing.service_bus_emulator.amqp.types import Described, Value
from testing.service_bus_emulator.link import Link, OutgoingLink, left
from testing.service_bus_emulator.outcomes import LOCK_LOST, is_terminal

if TYPE_CHECKING:
    from testing.service_bus_emulator.connection import Connection

HANDLE_MAX = 255
WINDOW = 5000
"""Transfers that a peer may send before it hears from us, as Service Bus has it."""

_SERIAL = 1 << 32
_TRANSFER_HEAD = 80  # bytes, more than a transfer without its payload ever takes


class LinkFactory(Protocol):
    def __call__(self, session: Session, attach: Attach) -> Link:
        """Raises :class:`LinkError` where there is no such link to have."""


class Session:
    def __init__(self, connection: Connection, channel: int, begin: Begin, new_link: LinkFactory) -> None:
        self.connection = connection
        self.links: dict[int, Link] = {}
        self._leaving: set[int] = set()
        self._new_link = new_link
        self._channel = channel
        self._next_incoming = begin.next_outgoing_id
        self._incoming_window = WINDOW
        self._next_outgoing = 0
        self._outgoing_window = begin.incoming_window
        self._backlog: deque[tuple[int, bytes]] = deque()
        self._next_delivery = 0
        self._unsettled: dict[int, tuple[OutgoingLink, bytes]] = {}
        self._send(Begin(channel, 0, WINDOW, WINDOW, HANDLE_MAX))

    @property
    def room(self) -> int:
        """How many frames leave now, and not later."""
        return self._outgoing_window if self.connection.is_writable and not self._backlog else 0

    def handle(self, performative: Performative, payload: bytes) -> None:
        """Raises :class:`SessionError`."""
        match performative:
            case Transfer():
                self._on_transfer(performative, payload)
            case Disposition():
                self._on_disposition(performative)
            case Flow():
                self._on_flow(performative)
            case Attach():
                self._on_attach(performative)
            case Detach():
                self._on_detach(performative)
            case _:
                raise SessionError(NOT_ALLOWED, f"no {type(performative).__name__} within a session")

    def closed(self) -> None:
        """The session is gone, however it went."""
        for link in self.links.values():
            link.is_open = False  # none takes what another gives back
        for link in list(self.links.values()):
            self._drop(link)
        self._unsettled.clear()
        self._backlog.clear()

    def pump(self) -> None:
        """The way out may be free again."""
        self._flush_backlog()
        for link in list(self.links.values()):
            if isinstance(link, OutgoingLink) and link.is_open:
                link.pump()

    # Links

    def attached(self, link: Link) -> None:
        """Answer the attach of a link, at once or when what it waits for has come."""
        self._send(link.answer())
        link.opened()

    def detach(self, link: Link, error: AmqpError | None = None) -> None:
        """End a link from our side."""
        if self.links.get(link.handle) is not link:
            return
        was_open = link.is_open
        self._drop(link)
        if not was_open:
            self._send(link.answer()._replace(source=None, target=None))
        self._send_detach(link.handle, error)

    def _drop(self, link: Link) -> None:
        if self.links.get(link.handle) is not link:
            return
        del self.links[link.handle]
        self._backlog = deque(frame for frame in self._backlog if frame[0] != link.handle)
        for number in [number for number, (owner, _) in self._unsettled.items() if owner is link]:
            del self._unsettled[number]
        link.closed()

    def _on_attach(self, attach: Attach) -> None:
        if attach.handle > HANDLE_MAX:
            raise SessionError(NOT_ALLOWED, f"handles end at {HANDLE_MAX}")
        if attach.handle in self.links:
            raise SessionError(HANDLE_IN_USE, f"handle {attach.handle} is that of a link")
        self.connection.check_links()
        try:
            link = self._new_link(self, attach)
        except LinkError as error:
            self._refuse(attach, error)
            return
        self.links[attach.handle] = link
        self._leaving.discard(attach.handle)
        self._guarded(link, link.start)

    def _refuse(self, attach: Attach, error: LinkError) -> None:
        """There is no way to say no but to attach to nothing, and to detach with the reason."""
        count = 0 if attach.role else None
        self._send(Attach(attach.name, attach.handle, role=not attach.role, initial_delivery_count=count))
        self._send_detach(attach.handle, error)

    def _send_detach(self, handle: int, error: AmqpError | None) -> None:
        self._leaving.add(handle)
        self._send(Detach(handle, closed=True, error=_error(error)))

    def _on_detach(self, detach: Detach) -> None:
        link = self.links.get(detach.handle)
        if link is not None:
            link.given_up()
            self._drop(link)
            self._send(Detach(detach.handle, closed=detach.closed))
        self._leaving.discard(detach.handle)

    def _link(self, handle: int) -> Link | None:
        """None where we have ended the link, and the peer has yet to hear of it."""
        link = self.links.get(handle)
        if link is None and handle not in self._leaving:
            raise SessionError(UNATTACHED_HANDLE, f"no link has the handle {handle}")
        return link

    # Messages in

    def _on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        self._next_incoming = (self._next_incoming + 1) % _SERIAL
        self._incoming_window -= 1
        if self._incoming_window < 0:
            raise SessionError(WINDOW_VIOLATION, f"more than {WINDOW} transfers")
        if self._incoming_window <= WINDOW // 2:
            self._incoming_window = WINDOW
            self._send(Flow(*self._windows()))
        link = self._link(transfer.handle)
        if link is not None:
            self._guarded(link, lambda: link.on_transfer(transfer, payload))

    def settle_incoming(self, delivery_id: int, outcome: Value) -> None:
        """Tell the peer what became of a message of its own."""
        self._send(Disposition(role=True, first=delivery_id, settled=True, state=outcome))

    def hold(self, size: int) -> None:
        """Bytes of messages that are not there as a whole yet; negative when they are let go."""
        self.connection.hold(size)

    # Messages out

    def transfer(self, handle: int, tag: bytes, payload: bytes, *, settled: bool) -> int:
        """Send a message in as many frames as the peer's frame size asks for; its delivery id."""
        number = self._next_delivery
        self._next_delivery = (number + 1) % _SERIAL
        room = self.connection.peer_frame_size - _TRANSFER_HEAD
        head = Transfer(handle, number, tag, 0, settled)
        last = max(0, (len(payload) - 1) // room * room)
        for start in range(0, last, room):
            self._send_transfer(handle, write(head._replace(more=True)) + payload[start : start + room])
        self._send_transfer(handle, write(head) + payload[last:])
        return number

    def track(self, delivery_id: int, link: OutgoingLink, tag: bytes) -> None:
        """The peer will say what becomes of a delivery."""
        self._unsettled[delivery_id] = (link, tag)

    def _send_transfer(self, handle: int, body: bytes) -> None:
        if self._backlog or self._outgoing_window <= 0:
            self._backlog.append((handle, body))
            return
        self._outgoing_window -= 1
        self._next_outgoing = (self._next_outgoing + 1) % _SERIAL
        self.connection.send(self._channel, body)

    def _flush_backlog(self) -> None:
        waiting, self._backlog = self._backlog, deque()
        while waiting and self._outgoing_window > 0:
            self._send_transfer(*waiting.popleft())
        self._backlog = waiting

    def _on_disposition(self, disposition: Disposition) -> None:
        if not disposition.role or not is_terminal(disposition):
            return
        first, last = disposition.first, disposition.first if disposition.last is None else disposition.last
        if last - first >= len(self._unsettled):
            numbers = [number for number in self._unsettled if first <= number <= last]
        else:
            numbers = [number for number in range(first, last + 1) if number in self._unsettled]
        for number in numbers:
            self._settle(number, disposition)
        if not numbers and not disposition.settled:
            self._confirm(first, last, LOCK_LOST)

    def _settle(self, number: int, disposition: Disposition) -> None:
        link, tag = self._unsettled.pop(number)
        outcome = link.settle(tag, disposition.state)
        if not disposition.settled:
            self._confirm(number, None, outcome)

    def _confirm(self, first: int, last: int | None, outcome: Value) -> None:
        self._send(Disposition(role=False, first=first, last=last, settled=True, state=outcome))

    # Flow

    def _on_flow(self, flow: Flow) -> None:
        was_shut = self.room == 0
        self._outgoing_window = left(flow.incoming_window, flow.next_incoming_id or 0, self._next_outgoing)
        self._flush_backlog()
        link = None if flow.handle is None else self._link(flow.handle)
        if link is not None:
            self._guarded(link, lambda: link.on_flow(flow))
        if was_shut or flow.handle is None:
            self.pump()
        if flow.echo and flow.handle is None:
            self._send(Flow(*self._windows()))

    def send_flow(self, handle: int, count: int, credit: int, *, drain: bool = False) -> None:
        self._send(Flow(*self._windows(), handle, count, credit, drain=drain))

    def _windows(self) -> tuple[int, int, int, int]:
        return self._next_incoming, self._incoming_window, self._next_outgoing, WINDOW

    def _guarded(self, link: Link, act: Callable[[], None]) -> None:
        """What is wrong with a link ends the link."""
        try:
            act()
        except (LinkError, DecodeError) as error:
            self.detach(link, error)

    def _send(self, performative: Performative) -> None:
        self.connection.send(self._channel, write(performative))


def _error(error: AmqpError | None) -> Described | None:
    return None if error is None else error_value(error.condition, error.description)
