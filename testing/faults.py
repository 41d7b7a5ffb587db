"""Faults from one seed: duplicates, loss, delay, reordering, crashes, commits that report failure.

A :class:`FaultPlan` says how likely each is; :class:`FaultInjector` draws from its seed, wraps a store and a
bus, and writes down every step. The same seed and plan give the same trace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from random import Random
from typing import Any, ClassVar, TypeVar, cast

from core.errors import BlobStoreUnavailable, BusUnavailable, StoreUnavailable, TransientError
from core.model import OutboundMessage
from core.ports import BlobStore, MessageBus, ReceivedMessage, StateStore
from testing.mock_bus import MockServiceBusRepository

T = TypeVar("T")

DELAY_SECONDS = 120.0
"""The longest delay that a delayed message gets."""


class SimulatedCrash(BaseException):
    """The process ends here: nothing catches it but the harness."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """The chance of each fault, 0 to 1, a step or a message.

    ``crash`` kills the worker before or after a step; ``unavailable`` refuses a call to the store or the bus;
    ``uncertain`` carries it out and reports failure. Messages are ``duplicate``\\ d, ``lose``\\ d (accepted and
    gone), ``delay``\\ ed by up to 120 seconds, and with ``reorder`` a queue is shuffled before a receive.
    """

    duplicate: float = 0.0
    lose: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    crash: float = 0.0
    unavailable: float = 0.0
    uncertain: float = 0.0

    def __post_init__(self) -> None:
        for found in fields(self):
            if not 0 <= getattr(self, found.name) <= 0.9:
                raise ValueError(f"{found.name}: 0 to 0.9")

    @property
    def any(self) -> bool:
        return any(getattr(self, found.name) for found in fields(self))


@dataclass(frozen=True, slots=True)
class TraceStep:
    """A call that the machine made, and the fault that it met (empty: none)."""

    index: int
    operation: str
    subject: str
    fault: str = ""


class FaultInjector:
    """Draws faults and keeps the trace, the newest ``max_trace`` of its ``steps``; ``faults`` counts all of them."""

    def __init__(self, plan: FaultPlan, seed: int, max_trace: int = 5_000) -> None:
        self.plan = plan
        self.seed = seed
        self.random = Random(seed)
        self._trace: list[TraceStep] = []
        self.steps = 0
        self.faults: Counter[str] = Counter()
        self._max_trace = max_trace

    @property
    def trace(self) -> Sequence[TraceStep]:
        return self._trace[-self._max_trace :]

    def hits(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def note(self, operation: str, subject: str, fault: str = "") -> None:
        self.steps += 1
        self._trace.append(TraceStep(self.steps, operation, subject, fault))
        if fault:
            self.faults[fault] += 1
        if len(self._trace) > 2 * self._max_trace:
            del self._trace[: self._max_trace]

    def call(self, operation: str, subject: str, call: Callable[[], T], failure: type[TransientError]) -> T:
        """Run one step of an outside system, which may refuse it, or carry it out and report ``failure``."""
        if self.hits(self.plan.unavailable):
            self.note(operation, subject, "unavailable")
            raise failure("injected: unavailable")
        result = self.step(operation, subject, call)
        if self.hits(self.plan.uncertain):
            self.note(operation, subject, "carried out, reported as failed")
            raise failure("injected: the outcome is unknown")
        return result

    def step(self, operation: str, subject: str, call: Callable[[], T]) -> T:
        """Run one step, with a crash possible before and after it."""
        if self.hits(self.plan.crash / 2):
            self.note(operation, subject, "crash before")
            raise SimulatedCrash(operation)
        result = call()
        if self.hits(self.plan.crash / 2):
            self.note(operation, subject, "crash after")
            raise SimulatedCrash(operation)
        self.note(operation, subject)
        return result


class _Faulty:
    """Stands in front of a port's implementation; each call may meet a fault, ``failure`` being how it fails."""

    failure: ClassVar[type[TransientError]]

    def __init__(self, inner: Any, injector: FaultInjector) -> None:
        self._inner = inner
        self._injector = injector

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            subject = _subject((*arguments, *named.values()))
            return self._injector.call(name, subject, lambda: method(*arguments, **named), self.failure)

        return call


class FaultyStore(_Faulty):
    """A :class:`core.ports.StateStore` in front of another one."""

    failure = StoreUnavailable

    @classmethod
    def wrap(cls, inner: StateStore, injector: FaultInjector) -> StateStore:
        return cast(StateStore, cls(inner, injector))


class FaultyBlobs(_Faulty):
    """A :class:`core.ports.BlobStore` in front of another one."""

    failure = BlobStoreUnavailable

    @classmethod
    def wrap(cls, inner: BlobStore, injector: FaultInjector) -> BlobStore:
        return cast(BlobStore, cls(inner, injector))


class FaultyBus(_Faulty):
    """A :class:`core.ports.MessageBus` in front of the mock, with faults at every message too."""

    failure = BusUnavailable
    _inner: MockServiceBusRepository

    @classmethod
    def wrap(cls, inner: MockServiceBusRepository, injector: FaultInjector) -> MessageBus:
        return cast(MessageBus, cls(inner, injector))

    def send(self, messages: Sequence[OutboundMessage]) -> None:
        arriving = [self._delayed(message) for message in messages if not self._lost(message)]
        self._injector.call("send", _subject((messages,)), lambda: self._inner.send(arriving), BusUnavailable)
        for message in arriving:
            if self._injector.hits(self._injector.plan.duplicate):
                self._injector.note("deliver", message.message_id, "duplicate")
                self._inner.inject(message)

    def receive(self, queue: str, limit: int) -> Sequence[ReceivedMessage]:
        if self._injector.hits(self._injector.plan.reorder):
            self._injector.note("receive", queue, "reorder")
            self._inner.shuffle(queue, self._injector.random)
        if self._injector.hits(self._injector.plan.unavailable):
            self._injector.note("receive", queue, "unavailable")
            raise BusUnavailable("injected: unavailable")
        return self._inner.receive(queue, limit)

    def _lost(self, message: OutboundMessage) -> bool:
        lost = self._injector.hits(self._injector.plan.lose)
        if lost:
            self._injector.note("send", message.message_id, "lost")
        return lost

    def _delayed(self, message: OutboundMessage) -> OutboundMessage:
        if not self._injector.hits(self._injector.plan.delay):
            return message
        self._injector.note("send", message.message_id, "delayed")
        due = message.not_before or self._inner.now()
        return message._replace(not_before=due + timedelta(seconds=self._injector.random.uniform(0, DELAY_SECONDS)))


def _subject(arguments: tuple[Any, ...]) -> str:
    """A short name for what a call is about: an id where there is one."""
    if not arguments:
        return ""
    first = arguments[0]
    for attribute in ("message_id", "task_id", "job_id"):
        value = getattr(first, attribute, None)
        if isinstance(value, str):
            return value
    if isinstance(first, str):
        return first
    return f"{len(first)} items" if hasattr(first, "__len__") else ""
