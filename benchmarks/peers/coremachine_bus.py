"""Buses for a process whose worker waits for messages, as with Service Bus's long poll, and its submitter sends them.

The queues are in memory: in this process, or behind a socket in a process of their own. Neither keeps a message over a
crash, nor has to: the messages of what was committed are in PostgreSQL, which the time of a job includes.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock

from benchmarks.chaos_bus import BusServer, SocketBus
from core.errors import BusUnavailable
from core.model import OutboundMessage
from core.ports import DeadLetter, MessageBus, ReceivedMessage
from core.system import SystemClock
from testing.clock import SkippingClock
from testing.faults import FaultPlan
from testing.mock_bus import MockServiceBusRepository

START_SECONDS = 30.0
LOOK_SECONDS = 0.05


class WakingBus:
    """A bus for several threads, one at a time by ``lock``, that sets ``sent`` once messages are there to receive."""

    def __init__(self, bus: MessageBus, lock: Lock, sent: Event) -> None:
        self._bus = bus
        self._lock = lock
        self._sent = sent

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        with self._lock:
            self._bus.send(messages)
        self._sent.set()

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        with self._lock:
            return self._bus.receive(queue, limit)

    def complete(self, message: ReceivedMessage) -> None:
        with self._lock:
            self._bus.complete(message)

    def abandon(self, message: ReceivedMessage) -> None:
        with self._lock:
            self._bus.abandon(message)

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        with self._lock:
            self._bus.dead_letter(message, reason, description)

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        with self._lock:
            return self._bus.renew_lock(message)

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        with self._lock:
            return self._bus.dead_letters(queue, limit)


class Wakeup:
    """What a worker waits with: until a message was sent, or so many seconds."""

    def __init__(self) -> None:
        self.sent = Event()

    def wait(self, seconds: float) -> None:
        """What was sent before it returns is received after it: the event is cleared before the next look."""
        self.sent.wait(seconds)
        self.sent.clear()


Connect = Callable[[], MessageBus]
"""A bus for one thread more."""


@contextmanager
def bus_inside(sent: Event) -> Iterator[Connect]:
    """The queues in this process."""
    bus = WakingBus(MockServiceBusRepository(SkippingClock(SystemClock())), Lock(), sent)
    yield lambda: bus


@contextmanager
def bus_outside(sent: Event) -> Iterator[Connect]:
    """The queues in a process of their own, with a connection for each thread."""
    with tempfile.TemporaryDirectory(prefix="coremachine-bus-") as folder:
        address = str(Path(folder) / "bus.sock")
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=[address], daemon=True)
        server.start()
        connected: list[SocketBus] = []

        def connect() -> MessageBus:
            connected.append(SocketBus(address))
            return WakingBus(connected[-1], Lock(), sent)

        try:
            _wait_for(address)
            yield connect
        finally:
            for bus in connected:
                bus.close()
            server.kill()
            server.join()


def _serve(address: str) -> None:
    BusServer(address, SystemClock(), faults=FaultPlan()).serve()


def _wait_for(address: str) -> None:
    """Raises :class:`core.errors.BusUnavailable` where nothing answers for long."""
    deadline = time.monotonic() + START_SECONDS
    with SocketBus(address) as bus:
        while True:
            try:
                bus.stats()
            except BusUnavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_SECONDS)
            else:
                return
