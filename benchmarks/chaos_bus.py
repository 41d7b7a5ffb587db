"""A bus between processes: the one in memory, with its faults, in a process of its own behind a Unix socket.

As with Service Bus, neither a killed worker nor a killed database takes it along.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Self

from benchmarks.chaos_setting import RULES, Setting
from core.errors import BusUnavailable, CoreMachineError
from core.model import OutboundMessage
from core.ports import Clock, DeadLetter, ReceivedMessage
from core.queues import QueueNames
from testing.clock import SkippingClock
from testing.faults import FaultInjector, FaultPlan, FaultyBus
from testing.mock_bus import MockServiceBusRepository

FAULTS = FaultPlan(duplicate=0.03, lose=0.01, delay=0.01, reorder=0.05, unavailable=0.003, uncertain=0.003)

QUEUES = QueueNames().all()
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class BusStats:
    """``waiting`` counts the messages that are ready, locked or scheduled."""

    waiting: int
    sent: int
    faults: Mapping[str, int]
    dead: Mapping[str, int]


class _Counting(MockServiceBusRepository):
    """Tells how much is in it, and can say everything again."""

    def stats(self, faults: Mapping[str, int]) -> BusStats:
        queues = self._queues.values()
        waiting = sum(len(queue.ready) + len(queue.locked) + len(queue.scheduled) for queue in queues)
        dead = Counter(letter.reason for queue in queues for letter in queue.dead)
        return BusStats(waiting, len(self._sent), dict(faults), dict(dead))

    def echo(self, limit: int) -> int:
        """Deliver up to ``limit`` of the messages that were ever sent once more, the newest; how many."""
        again = {message.message_id: message for message in self._sent[-limit:]}
        for message in again.values():
            self.inject(message._replace(not_before=None))
        return len(again)


class BusServer:
    """Answers requests, each the name of a method and its arguments, one connection a client."""

    METHODS = frozenset(
        ("send", "receive", "complete", "abandon", "dead_letter", "renew_lock", "dead_letters", "stats", "echo")
    )

    def __init__(self, address: str, clock: Clock, *, faults: FaultPlan = FAULTS, seed: int = 0) -> None:
        """``address`` is the path of the socket."""
        self._bus = _Counting(SkippingClock(clock), RULES)
        self._injector = FaultInjector(faults, seed, max_trace=100)
        self._faulty = FaultyBus.wrap(self._bus, self._injector)
        self._lock = threading.Lock()
        self._address = address
        self._listener = Listener(address, "AF_UNIX", backlog=BACKLOG)
        self._closing = False

    def serve(self) -> None:
        """Until :meth:`close` is called from another thread."""
        with self._listener:
            while True:
                connection = self._listener.accept()
                if self._closing:
                    connection.close()
                    return
                threading.Thread(target=self._answer_all, args=[connection], daemon=True).start()

    def close(self) -> None:
        """Take no more clients; those that are there are served until they go."""
        self._closing = True
        Client(self._address, "AF_UNIX").close()

    def _answer_all(self, connection: Connection) -> None:
        with connection:
            try:
                while True:
                    connection.send(self._answer(*connection.recv()))
            except (EOFError, OSError):
                return  # the client was killed, or is done

    def _answer(self, method: str, arguments: Sequence[Any]) -> object:
        """What the method gives, or the error that it raises."""
        assert method in self.METHODS, method
        with self._lock:
            try:
                if method == "stats":
                    return self._bus.stats(self._injector.faults)
                if method == "echo":
                    return self._bus.echo(*arguments)
                return getattr(self._faulty, method)(*arguments)
            except CoreMachineError as error:
                return error


class SocketBus:
    """:class:`core.ports.MessageBus` through the socket; connects when it is first used. For one thread at a time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        self._ask("send", messages)

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        received: Sequence[ReceivedMessage] = self._ask("receive", queue, limit)
        return received

    def complete(self, message: ReceivedMessage) -> None:
        self._ask("complete", message)

    def abandon(self, message: ReceivedMessage) -> None:
        self._ask("abandon", message)

    def dead_letter(self, message: ReceivedMessage, reason: str, description: str) -> None:
        self._ask("dead_letter", message, reason, description)

    def renew_lock(self, message: ReceivedMessage) -> ReceivedMessage:
        renewed: ReceivedMessage = self._ask("renew_lock", message)
        return renewed

    def dead_letters(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        letters: Sequence[DeadLetter] = self._ask("dead_letters", queue, limit)
        return letters

    def stats(self) -> BusStats:
        stats: BusStats = self._ask("stats")
        return stats

    def echo(self, limit: int) -> int:
        echoed: int = self._ask("echo", limit)
        return echoed

    def _ask(self, method: str, *arguments: object) -> Any:
        try:
            if self._connection is None:
                self._connection = Client(self._address, "AF_UNIX")
            self._connection.send((method, arguments))
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self.close()
            raise BusUnavailable("the bus does not answer") from error
        if isinstance(answer, CoreMachineError):
            raise answer
        return answer


def serve_bus(setting: Setting) -> None:
    """The bus's process."""
    BusServer(setting.bus_address, setting.clock(), seed=setting.seed).serve()
