"""One connection: protocol headers, SASL, open and close, sessions by channel, and what keeps it alive or ends it.

A peer that says nothing, takes nothing or says what makes no sense loses the connection; none of them is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from testing.service_bus_emulator.amqp.errors import (
    CONNECTION_FORCED,
    ILLEGAL_STATE,
    INVALID_FIELD,
    NOT_ALLOWED,
    RESOURCE_LIMIT_EXCEEDED,
    UNAUTHORIZED_ACCESS,
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
    EMPTY_FRAME,
    MIN_MAX_FRAME_SIZE,
    Frame,
    FrameReader,
    write_frame,
)
from testing.service_bus_emulator.amqp.performatives import Begin, Close, End, Open, Performative, read, write
from testing.service_bus_emulator.cbs import Grant, Right
from testing.service_bus_emulator.link import Link
from testing.service_bus_emulator.nodes import new_link
from testing.service_bus_emulator.sasl import SaslLayer
from testing.service_bus_emulator.session import Session

if TYPE_CHECKING:
    from testing.service_bus_emulator.server import Server

MAX_FRAME_SIZE = 65536
CHANNEL_MAX = 255
MAX_GRANTS = 1000
_MAX_HELD = 4 * 1024 * 1024  # bytes of messages of which only the first frames came
_LINGER = 5.0  # seconds for a peer to take our last words


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.peer_frame_size = MIN_MAX_FRAME_SIZE
        self.is_writable = True
        self._sessions: dict[int, Session] = {}
        self._ended: set[int] = set()
        self._reader = FrameReader(MAX_FRAME_SIZE)
        self._sasl: SaslLayer | None = SaslLayer(server.keys)
        self._stage: Callable[[], bool] = self._read_header
        self._grants: dict[str, Grant] = {}
        self._rights: frozenset[Right] = frozenset()
        self._out: list[bytes] = []
        self._held = 0
        self._is_closing = False
        self._stalled_until: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._said = self._loop.time()
        self._peer_idle: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    # For sessions and links

    def now(self) -> datetime:
        return self.server.now()

    def call_later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, act)

    def links(self) -> Iterator[Link]:
        for session in self._sessions.values():
            yield from session.links.values()

    def send(self, channel: int, body: bytes) -> None:
        self.write(write_frame(channel, body))

    def hold(self, size: int) -> None:
        """Raises :class:`ConnectionLost`."""
        self._held += size
        if self._held > _MAX_HELD:
            raise ConnectionLost(RESOURCE_LIMIT_EXCEEDED, f"{self._held} bytes of messages without an end")

    def grant(self, grant: Grant) -> None:
        """Raises :class:`LinkError`."""
        if len(self._grants) >= MAX_GRANTS and grant.path not in self._grants:
            raise LinkError(RESOURCE_LIMIT_EXCEEDED, f"{MAX_GRANTS} tokens are enough for one connection")
        self._grants[grant.path] = grant

    def authorize(self, path: str, *rights: Right) -> None:
        """One of the rights is enough. Raises :class:`LinkError`."""
        if any(right in self._rights for right in rights):
            return
        now = self.now()
        if not any(grant.covers(path, right, now) for grant in self._grants.values() for right in rights):
            wanted = " or ".join(f"'{right.value}'" for right in rights)
            raise LinkError(
                UNAUTHORIZED_ACCESS, f"Unauthorized access. {wanted} claim(s) are required to perform this operation."
            )

    # Bytes in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self.server.admit(self):
            self._transport.abort()
            return
        self._watch = self._loop.call_later(self.server.limits.handshake_seconds, self._check_handshake)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._reader.feed(data)
        if self._stalled_until is None:
            self._process()

    def _process(self) -> None:
        try:
            while not self._is_closing and self._stalled_until is None and self._stage():
                pass
        except AmqpError as error:
            self.close(error)
        self.flush()
        self.server.touched()

    def _read_header(self) -> bool:
        header = self._reader.header()
        if header is None:
            return False
        answer = AMQP_HEADER if self._sasl is None else self._sasl.on_header(header)
        self.write(answer)
        if not (header == AMQP_HEADER if self._sasl is None else self._sasl.is_wanted):
            self._end()
        else:
            self._stage = self._read_open if self._sasl is None else self._read_sasl
        return True

    def _read_sasl(self) -> bool:
        assert self._sasl is not None, "the layer ends where the next header begins"
        frame = self._reader.next()
        if frame is None:
            return False
        self.write(self._sasl.on_frame(frame))
        if self._sasl.rights is None:
            self._end()
        else:
            self._rights, self._sasl, self._stage = self._sasl.rights, None, self._read_header
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
        limits = self.server.limits
        idle = int(limits.idle_seconds * 1000)
        self.write(write_frame(0, write(Open(f"emulator-{uuid4()}", None, MAX_FRAME_SIZE, CHANNEL_MAX, idle))))
        self._stage = self._read_frame
        if opened.max_frame_size < MIN_MAX_FRAME_SIZE:
            raise ConnectionLost(INVALID_FIELD, f"a frame has at least {MIN_MAX_FRAME_SIZE} bytes")
        self.peer_frame_size = min(opened.max_frame_size, MAX_FRAME_SIZE)
        self._peer_idle = opened.idle_time_out / 1000 if opened.idle_time_out else None
        self._watch_idle()

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
                self._on_close()
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
            if channel in self._ended:
                return
            raise ConnectionLost(NOT_ALLOWED, f"no session on channel {channel}")
        try:
            session.handle(performative, payload)
        except SessionError as error:
            del self._sessions[channel]
            self._ended.add(channel)
            session.closed()
            self.send(channel, write(End(error_value(error.condition, error.description))))

    # Bytes out

    def write(self, data: bytes) -> None:
        """At the end of this turn of the loop, with all else."""
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(data)

    def flush(self) -> None:
        if self._out and self._stalled_until is None:
            data, self._out = b"".join(self._out), []
            self._said = self._loop.time()
            if not self._transport.is_closing():
                self._transport.write(data)

    def pause_writing(self) -> None:
        """The peer takes less than it asks for: it is given no more, and not listened to."""
        self.is_writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.is_writable = True
        if not self._is_closing and not self._transport.is_closing():
            self._transport.resume_reading()
            for session in list(self._sessions.values()):
                session.pump()

    def stall(self, seconds: float) -> None:
        """Hear and say nothing for a while."""
        if self._stalled_until is None:
            self._stalled_until = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._stalled_until = None
        self._process()

    # The end

    def close(self, error: AmqpError | None = None) -> None:
        """Say why, and end the connection."""
        if self._is_closing:
            return
        if self._stage == self._read_frame:
            reason = None if error is None else error_value(error.condition, error.description)
            self.send(0, write(Close(reason)))
        self._end()

    def abort(self) -> None:
        """End the connection without a word."""
        self._is_closing = True
        self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._is_closing = True
        for timer in (self._watch, self._stalled_until):
            if timer is not None:
                timer.cancel()
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.closed()
        self.server.gone(self)

    def _on_close(self) -> None:
        self.send(0, write(Close()))
        self._end()

    def _end(self) -> None:
        self._is_closing = True
        self._stalled_until = None
        self.flush()
        self._transport.close()
        self._loop.call_later(_LINGER, self._transport.abort)

    # Time

    def _check_handshake(self) -> None:
        if self._stage != self._read_frame:
            self.abort()

    def _watch_idle(self) -> None:
        """Say that we live twice as often as the peer asks for; end a connection that was silent for too long."""
        if self._watch is not None:
            self._watch.cancel()
        now, limit = self._loop.time(), self.server.limits.idle_seconds
        if now - self._heard >= limit:
            self.close(ConnectionLost(CONNECTION_FORCED, f"nothing was heard for {limit} seconds"))
            return
        if self._peer_idle is not None and now - self._said >= self._peer_idle / 4:
            self.write(EMPTY_FRAME)
        pause = min(limit - (now - self._heard), limit if self._peer_idle is None else self._peer_idle / 4)
        self._watch = self._loop.call_later(max(pause, 0.01), self._watch_idle)


def _read(frame: Frame) -> tuple[Performative, bytes]:
    performative, end = read(frame.body)
    if not isinstance(performative, Performative):
        raise ConnectionLost(NOT_ALLOWED, "SASL is over")
    return performative, frame.body[end:]
