"""Bytes to and from one peer: what is written leaves in large pieces, and no peer can hold anything up."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from testing.service_bus_emulator.amqp.frames import EMPTY_FRAME

_PIECE = 8 * 1024  # bytes that wait for the end of the turn: a peer reads the first messages while the next are made
_LINGER = 5.0  # seconds for a peer to take our last words
_LEAST_PAUSE = 0.05  # seconds between two looks at the time


class Wire(asyncio.BufferedProtocol, ABC):
    """Seconds are those of the event loop.

    ``inbox`` is where bytes arrive. It may be shared by all wires of a loop, as what is in it is read at once. It is no
    bytearray, since asyncio's TLS fills slices of it.
    """

    def __init__(self, inbox: memoryview) -> None:
        self.is_closing = False
        self._inbox = inbox
        self._is_at_work = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._out: list[bytes] = []
        self._out_size = 0
        self._is_taking = True
        self._stall: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = self._said = self._loop.time()

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Bytes came."""

    @abstractmethod
    def process(self) -> None:
        """Do what the bytes that came ask for."""

    @abstractmethod
    def pump(self) -> None:
        """The way out is free again."""

    @abstractmethod
    def fall_silent(self) -> None:
        """Nothing was heard for as long as was agreed."""

    @property
    def is_writable(self) -> bool:
        return self._is_taking and self._stall is None and not self.is_closing

    @property
    def is_encrypted(self) -> bool:
        return self._transport.get_extra_info("sslcontext") is not None

    @property
    def is_stalled(self) -> bool:
        return self._stall is not None

    def call_later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, act)

    # Out

    def write(self, data: bytes) -> None:
        """At the end of this turn of the loop, with all else."""
        if not self._out and not self._is_at_work:
            self._loop.call_soon(self.flush)
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size > _PIECE:
            self.flush()

    def flush(self) -> None:
        if not self._out or self._stall is not None:
            return
        data = b"".join(self._out)
        self._out, self._out_size = [], 0
        self._said = self._loop.time()
        if not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        """The peer takes less than it asks for: it is given no more, and not listened to."""
        self._is_taking = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_taking = True
        if not self.is_closing and not self._transport.is_closing():
            self._transport.resume_reading()
            self.pump()

    def stall(self, seconds: float) -> None:
        """Hear and say nothing for a while."""
        if self._stall is None and not self.is_closing:
            self._transport.pause_reading()
            self._stall = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._stall = None
        self.flush()
        if self._is_taking and not self._transport.is_closing():
            self._transport.resume_reading()
        self.pump()
        self._work()

    # In

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = self._loop.time()
        self.take(bytes(self._inbox[:nbytes]))
        self._work()

    def _work(self) -> None:
        """What is said meanwhile leaves together, at the end."""
        self._is_at_work = True
        try:
            self.process()
        finally:
            self._is_at_work = False
            self.flush()

    # The end

    def end(self) -> None:
        """Close after what is written."""
        self._stop_timers()
        self.flush()
        self.is_closing = True
        self._transport.close()
        self._timer = self._loop.call_later(_LINGER, self._transport.abort)

    def abort(self) -> None:
        """Close without a word."""
        self.is_closing = True
        self._stop_timers()
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closing = True
        self._stop_timers()

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        self._timer = self._stall = None

    # Time

    def expect(self, seconds: float, otherwise: Callable[[], None]) -> None:
        """Until :meth:`watch` is called."""
        self._timer = self._loop.call_later(seconds, otherwise)

    def watch(self, limit: float, peer_limit: float | None) -> None:
        """Say that we live more often than the peer asks for, and notice where it does not."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        rest = limit - (now - self._heard)
        if rest <= 0:
            self.fall_silent()
            return
        if peer_limit is not None:
            if now - self._said >= peer_limit / 4:
                self.write(EMPTY_FRAME)
            rest = min(rest, peer_limit / 4)
        self._timer = self._loop.call_later(max(rest, _LEAST_PAUSE), self.watch, limit, peer_limit)
