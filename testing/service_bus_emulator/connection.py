"""One connection: protocol headers, SASL, open and close, and sessions by channel.

What makes no sense ends the connection with the reason, or the session or link that it concerns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from testing.service_bus_emulator.administration import AdministrationLayer
from testing.service_bus_emulator.amqp.errors import (
    CONNECTION_FORCED,
    ILLEGAL_STATE,
    INVALID_FIELD,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    AmqpError,
    ConnectionLost,
    DecodeError,
    LinkError,
    SessionError,
    error_value,
)
from testing.service_bus_emulator.amqp.frames import (
    AMQP_HEADER,
    AMQP_TYPE,
    MIN_MAX_FRAME_SIZE,
    Frame,
    FrameReader,
    write_frame,
)
from testing.service_bus_emulator.amqp.performatives import Begin, Close, End, Open, Performative, read, write
from testing.service_bus_emulator.broker.errors import BrokerError, ServerBusy
from testing.service_bus_emulator.broker.faults import Delay, DropConnection, LoseLock, Operation, Throttle
from testing.service_bus_emulator.cbs import Claim, Grant
from testing.service_bus_emulator.grants import Grants
from testing.service_bus_emulator.http_messages import is_http
from testing.service_bus_emulator.link import Link
from testing.service_bus_emulator.nodes import new_link
from testing.service_bus_emulator.sasl import SaslLayer
from testing.service_bus_emulator.session import Session
from testing.service_bus_emulator.wire import Wire

if TYPE_CHECKING:
    from testing.service_bus_emulator.server import Server

MAX_FRAME_SIZE = 65536
CHANNEL_MAX = 255
MAX_LINKS = 1000
_MAX_HELD = 4 * 1024 * 1024  # bytes of messages of which only the first frames came, and of answers without credit


class Connection(Wire):
    def __init__(self, server: Server) -> None:
        super().__init__(server.inbox)
        self.server = server
        self.peer_frame_size = MIN_MAX_FRAME_SIZE
        self._grants = Grants()
        self._sessions: dict[int, Session] = {}
        self._ended: set[int] = set()
        self._reader = FrameReader(MAX_FRAME_SIZE)
        self._sasl: SaslLayer | None = SaslLayer(server.keys)
        self._stage: Callable[[], bool] = self._read_header
        self._is_open = False
        self._held = 0

    # For sessions and links

    def now(self) -> datetime:
        return self.server.now()

    def links(self) -> Iterator[Link]:
        for session in self._sessions.values():
            yield from session.links.values()

    def send(self, channel: int, body: bytes) -> None:
        self.write(write_frame(channel, body))

    def hold(self, size: int) -> None:
        """Raises :class:`ConnectionLost`."""
        self._held += size
        if size > 0 and self._held > _MAX_HELD:
            raise ConnectionLost(
                RESOURCE_LIMIT_EXCEEDED, f"{self._held} bytes of messages that do not end, or that nobody takes"
            )

    def check_links(self) -> None:
        """Whether there is room for one more. Raises :class:`ConnectionLost`."""
        if sum(len(session.links) for session in self._sessions.values()) >= MAX_LINKS:
            raise ConnectionLost(RESOURCE_LIMIT_EXCEEDED, f"{MAX_LINKS} links are enough for one connection")

    def authorize(self, claim: Claim) -> None:
        """Raises :class:`LinkError`."""
        self._grants.check(claim, self.server.token_now())

    def grant(self, grant: Grant) -> None:
        """Raises :class:`LinkError`."""
        self._grants.add(grant)

    def strike(self, operation: Operation, path: str) -> bool:
        """Let go wrong what the plan of faults says; whether the message's lock is to be lost.

        Raises :class:`ServerBusy`, and :class:`ConnectionLost` where the connection was dropped.
        """
        fault = self.server.faults.ask(operation, path)
        if isinstance(fault, DropConnection):
            self.abort()
            raise ConnectionLost(CONNECTION_FORCED, "dropped, as the plan of faults says")
        if isinstance(fault, Throttle):
            raise ServerBusy("The request was terminated because the entity is being throttled.")
        if isinstance(fault, Delay):
            self.stall(fault.seconds)
        return isinstance(fault, LoseLock)

    # Bytes in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.server.admit(self):
            self.expect(self.server.limits.handshake_seconds, self.abort)
        else:
            self.abort()

    def take(self, data: bytes) -> None:
        self._reader.feed(data)

    def process(self) -> None:
        try:
            while not self.is_closing and not self.is_stalled and self._stage():
                pass
        except AmqpError as error:
            self.close(error)
        except BrokerError as error:
            self.close(ConnectionLost(error.condition, error.description))
        self.server.touched()

    def _read_header(self) -> bool:
        header = self._reader.header()
        if header is None:
            return False
        if self._sasl is not None and is_http(header):
            self._begin_http(header)
            return True
        self.write(AMQP_HEADER if self._sasl is None else self._sasl.on_header(header))
        if not (header == AMQP_HEADER if self._sasl is None else self._sasl.is_wanted):
            self.end()
        self._stage = self._read_open if self._sasl is None else self._read_sasl
        return True

    def _begin_http(self, first: bytes) -> None:
        layer = AdministrationLayer(self.server, "https" if self.is_encrypted else "http")

        def read_http() -> bool:
            nonlocal first
            data, first = first + self._reader.take(), b""
            answer = layer.on_bytes(data) if data else None
            if answer is not None:
                self.write(answer)
                self.end()
            return False

        self._stage = read_http

    def _read_sasl(self) -> bool:
        assert self._sasl is not None, "the layer ends where the next header begins"
        frame = self._reader.next()
        if frame is None:
            return False
        self.write(self._sasl.on_frame(frame))
        if self._sasl.rights is None:
            self.end()
        else:
            self._grants.rights, self._sasl, self._stage = self._sasl.rights, None, self._read_header
        return True

    def _read_open(self) -> bool:
        frame = self._next_frame()
        if frame is None:
            return False
        performative, _ = _read(frame)
        if not isinstance(performative, Open):
            raise ConnectionLost(ILLEGAL_STATE, "a connection begins with open")
        self._on_open(performative)
        return True

    def _on_open(self, opened: Open) -> None:
        idle = self.server.limits.idle_seconds
        answer = Open(f"emulator-{uuid4()}", None, MAX_FRAME_SIZE, CHANNEL_MAX, int(idle * 1000))
        self.send(0, write(answer))
        self._stage, self._is_open = self._read_frame, True
        if opened.max_frame_size < MIN_MAX_FRAME_SIZE:
            raise ConnectionLost(INVALID_FIELD, f"a frame has at least {MIN_MAX_FRAME_SIZE} bytes")
        self.peer_frame_size = min(opened.max_frame_size, MAX_FRAME_SIZE)
        self.watch(idle, opened.idle_time_out / 1000 if opened.idle_time_out else None)

    def _read_frame(self) -> bool:
        frame = self._next_frame()
        if frame is None:
            return False
        if frame.body:
            self._on_frame(frame)
        return True

    def _next_frame(self) -> Frame | None:
        frame = self._reader.next()
        if frame is not None and frame.kind != AMQP_TYPE:
            raise DecodeError(f"a frame of type {frame.kind}")
        return frame

    def _on_frame(self, frame: Frame) -> None:
        performative, payload = _read(frame)
        match performative:
            case Begin():
                self._on_begin(frame.channel, performative)
            case Close():
                self.close()
            case Open():
                raise ConnectionLost(ILLEGAL_STATE, "a connection is opened once")
            case End():
                self._on_end(frame.channel)
            case _:
                self._in_session(frame.channel, performative, payload)

    # Sessions

    def _on_begin(self, channel: int, begin: Begin) -> None:
        if channel > CHANNEL_MAX or channel in self._sessions:
            raise ConnectionLost(NOT_ALLOWED, f"no session can begin on channel {channel}")
        self._ended.discard(channel)
        self._sessions[channel] = Session(self, channel, begin, new_link)

    def _on_end(self, channel: int) -> None:
        session = self._sessions.pop(channel, None)
        if session is not None:
            session.closed()
            self.send(channel, write(End()))
        elif channel not in self._ended:
            raise ConnectionLost(NOT_ALLOWED, f"no session on channel {channel}")
        self._ended.discard(channel)

    def _in_session(self, channel: int, performative: Performative, payload: bytes) -> None:
        session = self._sessions.get(channel)
        if session is None:
            if channel not in self._ended:
                raise ConnectionLost(NOT_ALLOWED, f"no session on channel {channel}")
            return
        try:
            session.handle(performative, payload)
        except SessionError as error:
            del self._sessions[channel]
            self._ended.add(channel)
            session.closed()
            self.send(channel, write(End(error_value(error.condition, error.description))))

    def pump(self) -> None:
        for session in list(self._sessions.values()):
            session.pump()

    @property
    def next_expiry(self) -> datetime | None:
        return self._grants.next_expiry

    def expire(self, now: datetime) -> None:
        """End the links that a token allowed, and no token does any more."""
        if self.next_expiry is None or now < self.next_expiry:
            return
        self._grants.expire(now)
        for link in list(self.links()):
            if link.claim is not None:
                try:
                    self.authorize(link.claim)
                except LinkError as error:
                    link.session.detach(link, error)

    # The end

    def close(self, error: AmqpError | None = None) -> None:
        """Say why, and end the connection."""
        if self.is_closing:
            return
        if self._is_open:
            reason = None if error is None else error_value(error.condition, error.description)
            self.send(0, write(Close(reason)))
        self.end()

    def fall_silent(self) -> None:
        self.close(
            ConnectionLost(CONNECTION_FORCED, f"nothing was heard for {self.server.limits.idle_seconds} seconds")
        )

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        sessions, self._sessions = list(self._sessions.values()), {}
        try:
            for session in sessions:
                session.closed()
        finally:
            self.server.gone(self)


def _read(frame: Frame) -> tuple[Performative, bytes]:
    performative, end = read(frame.body)
    if not isinstance(performative, Performative):
        raise ConnectionLost(NOT_ALLOWED, "SASL is over")
    return performative, frame.body[end:]
