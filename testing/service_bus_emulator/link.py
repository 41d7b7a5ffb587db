"""The two ends of a link: messages come in by one, and go out by the other. What they mean is for those that derive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from testing.service_bus_emulator.amqp.errors import (
    MESSAGE_SIZE_EXCEEDED,
    NOT_ALLOWED,
    TRANSFER_LIMIT_EXCEEDED,
    LinkError,
)
from testing.service_bus_emulator.amqp.performatives import Attach, Flow, Transfer
from testing.service_bus_emulator.amqp.types import Value
from testing.service_bus_emulator.cbs import Claim
from testing.service_bus_emulator.outcomes import rejected_with

if TYPE_CHECKING:
    from testing.service_bus_emulator.session import Session

CREDIT = 1000
"""Messages that a sender may have under way; given again when half of it is used."""

_SERIAL = 1 << 32


def left(allowed: int, since: int, now: int) -> int:
    """What is left of an allowance that the peer gave when it had seen our number ``since`` and we are at ``now``.

    Numbers have 32 bits and wrap around (RFC 1982).
    """
    return max(0, allowed - (now - since) % _SERIAL)


class Link(ABC):
    """``handle`` numbers the link in both directions: the peer chooses it, and we take the same.

    ``claim`` is what the connection must be allowed for as long as the link lives; None where everybody may.
    """

    claim: Claim | None = None

    def __init__(self, session: Session, attach: Attach) -> None:
        self.session = session
        self.name = attach.name
        self.handle = attach.handle
        self.request = attach
        self.is_open = False

    @abstractmethod
    def answer(self) -> Attach:
        """Our attach. Source and target are the peer's, unless the link has something to say about them."""

    def start(self) -> None:
        """Answer the attach, now or later. Raises :class:`LinkError` to refuse it."""
        self.session.attached(self)

    def opened(self) -> None:
        """Our attach is on its way."""
        self.is_open = True

    def given_up(self) -> None:
        """The peer ends the link of its own accord: said before :meth:`closed`."""
        return

    def closed(self) -> None:
        """The link is gone, however it went; called once."""
        self.is_open = False

    @abstractmethod
    def on_transfer(self, transfer: Transfer, payload: bytes) -> None: ...

    @abstractmethod
    def on_flow(self, flow: Flow) -> None: ...


class IncomingLink(Link):
    """The peer sends."""

    def __init__(self, session: Session, attach: Attach, max_message_size: int) -> None:
        super().__init__(session, attach)
        self._max_message_size = max_message_size
        self._credit = 0
        self._count = attach.initial_delivery_count or 0
        self._first: Transfer | None = None
        self._partial = bytearray()
        self._size = 0

    def answer(self) -> Attach:
        asked = self.request
        return Attach(
            asked.name,
            self.handle,
            role=True,
            snd_settle_mode=asked.snd_settle_mode,
            rcv_settle_mode=0,
            source=asked.source,
            target=asked.target,
            max_message_size=self._max_message_size,
        )

    @abstractmethod
    def deliver(self, message_format: int, payload: bytes) -> Value:
        """Take a message; the outcome to settle it with."""

    def opened(self) -> None:
        super().opened()
        self._grant()

    def closed(self) -> None:
        super().closed()
        self._forget()

    def on_flow(self, flow: Flow) -> None:
        if flow.echo:
            self._grant()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        first = self._begin(transfer)
        if transfer.aborted:
            self._finish()
            return
        self._size += len(payload)
        if self._size > self._max_message_size:
            self._let_go()
        elif transfer.more:
            self._partial += payload
            self.session.hold(len(payload))
        if not transfer.more:
            self._whole(first, transfer, payload)

    def _begin(self, transfer: Transfer) -> Transfer:
        if self._first is None:
            if transfer.delivery_id is None:
                raise LinkError(NOT_ALLOWED, "a delivery without an id")
            if self._credit <= 0:
                raise LinkError(TRANSFER_LIMIT_EXCEEDED, "a message without credit for it")
            self._first = transfer
        elif transfer.delivery_id not in {None, self._first.delivery_id}:
            raise LinkError(NOT_ALLOWED, "a delivery within another one")
        return self._first

    def _whole(self, first: Transfer, last: Transfer, payload: bytes) -> None:
        """The last frame of a message is there."""
        if self._size > self._max_message_size:
            outcome = self._too_large(first)
            self._finish()
        else:
            whole = bytes(self._partial) + payload if self._partial else payload
            self._finish()
            outcome = self.deliver(first.message_format or 0, whole)
        if not (first.settled or last.settled) and first.delivery_id is not None:
            self.session.settle_incoming(first.delivery_id, outcome)

    def _too_large(self, first: Transfer) -> Value:
        """Its bytes were not kept. A sender that does not wait for the outcome hears of it by losing the link."""
        text = (
            f"The received message (delivery-id:{first.delivery_id}, size:{self._size} bytes) exceeds the limit "
            f"({self._max_message_size} bytes) currently allowed on the link."
        )
        if first.settled:
            raise LinkError(MESSAGE_SIZE_EXCEEDED, text)
        return rejected_with(MESSAGE_SIZE_EXCEEDED, text)

    def _finish(self) -> None:
        self._forget()
        self._credit -= 1
        self._count = (self._count + 1) % _SERIAL
        if self._credit <= CREDIT // 2:
            self._grant()

    def _forget(self) -> None:
        self._let_go()
        self._first, self._size = None, 0

    def _let_go(self) -> None:
        self.session.hold(-len(self._partial))
        self._partial = bytearray()

    def _grant(self) -> None:
        self._credit = CREDIT
        self.session.send_flow(self.handle, self._count, CREDIT)


class OutgoingLink(Link):
    """The peer receives."""

    def __init__(self, session: Session, attach: Attach) -> None:
        super().__init__(session, attach)
        self.credit = 0
        self.count = 0

    def answer(self) -> Attach:
        asked = self.request
        return Attach(
            asked.name,
            self.handle,
            role=False,
            snd_settle_mode=asked.snd_settle_mode,
            rcv_settle_mode=asked.rcv_settle_mode,
            source=asked.source,
            target=asked.target,
            initial_delivery_count=0,
            max_message_size=0,
        )

    @abstractmethod
    def pump(self) -> None:
        """Send what there is, as far as credit and the session's window allow."""

    def opened(self) -> None:
        """Credit may have come before the answer."""
        super().opened()
        self.pump()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        raise LinkError(NOT_ALLOWED, "messages go the other way on this link")

    def on_flow(self, flow: Flow) -> None:
        if flow.link_credit is not None:
            self.credit = left(flow.link_credit, flow.delivery_count or 0, self.count)
        if not self.is_open:
            return
        self.pump()
        if flow.drain:
            self.count = (self.count + self.credit) % _SERIAL
            self.credit = 0
        if flow.drain or flow.echo:
            self.session.send_flow(self.handle, self.count, self.credit, drain=flow.drain)

    def send(self, tag: bytes, payload: bytes, *, settled: bool) -> int:
        """One message, for which there is credit; its delivery id."""
        self.credit -= 1
        self.count = (self.count + 1) % _SERIAL
        return self.session.transfer(self.handle, tag, payload, settled=settled)

    def settle(self, tag: bytes, outcome: Value) -> Value:
        """What the peer says became of a delivery; the outcome that it is to hear back."""
        return outcome
