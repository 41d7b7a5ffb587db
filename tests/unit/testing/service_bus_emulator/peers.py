"""Peers that say exactly what a test wants, to an emulator without sockets, whose time a test moves."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from testing.clock import FakeClock
from testing.service_bus_emulator.amqp.encode import encode
from testing.service_bus_emulator.amqp.frames import AMQP_HEADER, SASL_HEADER, SASL_TYPE, FrameReader, write_frame
from testing.service_bus_emulator.amqp.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    Transfer,
    read,
    write,
)
from testing.service_bus_emulator.amqp.types import Described, Symbol
from testing.service_bus_emulator.broker.namespace import Namespace
from testing.service_bus_emulator.broker.rules import QueueRules
from testing.service_bus_emulator.connection import Connection
from testing.service_bus_emulator.server import DEFAULT_KEY, Limits, Server

T = TypeVar("T")
PLAIN = f"\0{DEFAULT_KEY.name}\0{DEFAULT_KEY.key}".encode()
QUEUE = "tasks"


def body(content: bytes) -> bytes:
    """A message with nothing but a body."""
    return b"\x00\x53\x75" + encode(content)


class StandingLoop(asyncio.SelectorEventLoop):
    """Its time is what it is set to."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.raised.append(context))

    def time(self) -> float:
        return self.now

    def spin(self) -> None:
        """Do what is ready, and what that makes ready."""
        for _ in range(5):
            self.call_soon(self.stop)
            self.run_forever()
        assert not self.raised, f"nothing is raised in a callback: {self.raised}"


class FakeTransport(asyncio.Transport):
    def __init__(self, loop: StandingLoop) -> None:
        super().__init__()
        self.written = bytearray()
        self.reads = True
        self.is_aborted = False
        self._loop = loop
        self._protocol: Connection
        self._is_closing = False

    def connect(self, protocol: Connection) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        assert not self._is_closing, "written after the end"
        self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.is_aborted = True
        self.close()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class World:
    """An emulator and its time."""

    def __init__(self, queues: Mapping[str, QueueRules] | None = None, limits: Limits | None = None) -> None:
        self.loop = StandingLoop()
        weakref.finalize(self, self.loop.close)
        self.clock = FakeClock()
        namespace = Namespace(queues or {QUEUE: QueueRules()})
        self.server = self.run(lambda: Server(namespace, now=self.clock.now, limits=limits))
        self.queue = namespace.find(next(iter(namespace)).path)

    def run(self, act: Callable[[], T]) -> T:
        """``act`` within the loop."""

        async def run() -> T:
            return act()

        found = self.loop.run_until_complete(run())
        self.loop.spin()
        return found

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.loop.now += seconds
        self.loop.spin()

    def peer(self) -> Peer:
        return Peer(self)


class Peer:
    """One connection. What the emulator says is collected in ``heard``, as (channel, performative, payload)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.transport = FakeTransport(world.loop)
        self.connection = world.run(lambda: Connection(world.server))
        world.run(lambda: self.transport.connect(self.connection))

    @property
    def is_gone(self) -> bool:
        return self.transport.is_closing()

    def raw(self, data: bytes) -> Peer:
        """Send bytes, if anybody still listens."""
        if not self.is_gone:
            self.world.run(lambda: self._arrive(data))
        return self

    def _arrive(self, data: bytes) -> None:
        """As a transport reads it: through a buffer, and no more once nobody listens."""
        inbox = self.connection.get_buffer(-1)
        for start in range(0, len(data), len(inbox)):
            piece = data[start : start + len(inbox)]
            inbox[: len(piece)] = piece
            if not self.is_gone:
                self.connection.buffer_updated(len(piece))

    def say(self, *records: Any, channel: int = 0, payload: bytes = b"") -> Peer:
        return self.raw(b"".join(write_frame(channel, write(record) + payload) for record in records))

    @property
    def heard(self) -> list[tuple[int, Any, bytes]]:
        """Each performative since the headers and SASL."""
        reader = FrameReader(1 << 20)
        reader.feed(bytes(self.transport.written))
        found = []
        while (frame := _next(reader)) is not None:
            if frame.body and frame.kind != SASL_TYPE:
                record, end = read(frame.body)
                found.append((frame.channel, record, frame.body[end:]))
        return found

    def all(self, kind: type[T]) -> list[T]:
        return [record for _, record, _ in self.heard if isinstance(record, kind)]

    def last(self, kind: type[T]) -> T:
        return self.all(kind)[-1]

    def error(self) -> str | None:
        """The condition of the last close, end or detach."""
        ended = [record for _, record, _ in self.heard if isinstance(record, Close | End | Detach)]
        error = ended[-1].error if ended else None
        return None if error is None else str(error.value[0])

    # The usual beginnings

    def authenticated(self) -> Peer:
        init = write_frame(0, write(SaslInit("PLAIN", PLAIN)), SASL_TYPE)
        return self.raw(SASL_HEADER).raw(init).raw(AMQP_HEADER)

    def opened(self, **options: Any) -> Peer:
        return self.authenticated().say(Open("peer", **options))

    def begun(self, window: int = 1000, **options: Any) -> Peer:
        return self.opened(**options).say(Begin(None, 0, window, 1000))

    def sender(self, address: str = QUEUE, handle: int = 0) -> Peer:
        attach = Attach(f"s{handle}", handle, role=False, initial_delivery_count=0)
        return self.say(attach._replace(source=Described(0x28, ["me"]), target=Described(0x29, [address])))

    def receiver(self, address: str = QUEUE, handle: int = 1, credit: int = 10, **options: Any) -> Peer:
        source = Described(0x28, [address])
        self.say(Attach(f"r{handle}", handle, role=True, source=source, target=Described(0x29, ["me"]), **options))
        return self.flow(handle, credit) if credit else self

    def session_receiver(self, session_id: str | None, handle: int = 1, **options: Any) -> Peer:
        filters = {Symbol("com.microsoft:session-filter"): session_id}
        source = Described(0x28, [QUEUE, None, None, None, None, None, None, filters])
        return self.say(
            Attach(f"r{handle}", handle, role=True, source=source, target=Described(0x29, ["me"]), **options)
        )

    def flow(self, handle: int, credit: int, *, count: int = 0, window: int = 1000, drain: bool = False) -> Peer:
        return self.say(Flow(0, window, 0, 1000, handle, count, credit, drain=drain))

    def transfer(self, number: int, payload: bytes, *, handle: int = 0, **options: Any) -> Peer:
        transfer = Transfer(handle, number, b"%d" % number, 0, **options)
        return self.say(transfer, payload=payload)

    def settle(self, first: int, outcome: Any, **options: Any) -> Peer:
        return self.say(Disposition(role=True, first=first, state=outcome, **options))

    def deliveries(self) -> list[tuple[Transfer, bytes]]:
        return [(record, payload) for _, record, payload in self.heard if isinstance(record, Transfer)]


def _next(reader: FrameReader) -> Any:
    """The next frame, headers passed over."""
    while reader._data[reader._at : reader._at + 4] == b"AMQP":
        reader.header()
    return reader.next()
