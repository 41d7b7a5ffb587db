"""A world: store, bus, clock and the actors in them, and which of them goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.consumer import dispatch, settle
from core.context import StopSignal
from core.ids import TaskId
from core.machine import CoreMachine
from core.ports import Clock, MessageBus, ReceivedMessage, StateStore
from core.reconciler import Reconciler
from testing.memory_blobs import MemoryBlobStore
from testing.mock_state import MockStateManager
from testing.simulation.actions import Action, Conduct, MessageFault
from testing.simulation.actors import Actor
from testing.simulation.batch_worker import BatchWorker
from testing.simulation.bus import SimulatedBus
from testing.simulation.clocks import WorldClock
from testing.simulation.jobs import JOBS, registries
from testing.simulation.queues import QUEUES
from testing.simulation.recorder import Recorder, short
from testing.simulation.rules import Violation
from testing.simulation.script import ACTORS, CONDUCT, MESSAGES, SHAPE, Script
from testing.simulation.switching import Thread
from testing.simulation.user import DEMANDS, Demand, User
from testing.simulation.verdict import judge
from testing.simulation.witness import ObservedBus, ObservedStore, Witness
from testing.simulation.worker import Janitor, Submitter, Worker

JOB_TYPES = tuple(JOBS)

SKEWS = (0.0, 0.0, 0.0, 2.0, -2.0, 9.0, -20.0, 90.0)
"""Seconds by which an actor's clock is ahead. The last is more than a lease."""

DELAYS = (0.0, 5.0, 40.0, 200.0)
"""Seconds between what a user asks for."""

MAX_ROUNDS = 400
"""How often nobody can act but for the clock, before a job counts as lost."""

MAX_SWITCHES = 20_000

NO_FAULT, NO_CONDUCT = MessageFault.NONE, Conduct.SUCCEED


def consume(machine: CoreMachine, bus: MessageBus, message: ReceivedMessage, stop: StopSignal) -> None:
    """The body of a worker's loop."""
    settle(bus, message, dispatch(machine, message.body, stop))


def mock_store(clock: Clock, yield_point: Callable[[], None]) -> MockStateManager:
    return MockStateManager(clock)


@dataclass(frozen=True, slots=True)
class System:
    """What is simulated. ``store`` is given a clock, and a place inside a transition where others may go on."""

    store: Callable[[Clock, Callable[[], None]], StateStore] = mock_store
    machine: type[CoreMachine] = CoreMachine
    reconciler: type[Reconciler] = Reconciler
    consume: Callable[[CoreMachine, MessageBus, ReceivedMessage, StopSignal], None] = consume


SOUND = System()


class CountingIds:
    """Ids and jitter that are the same in every world."""

    def __init__(self) -> None:
        self._count = 0

    def new_id(self) -> str:
        self._count += 1
        return f"{self._count:032x}"

    def jitter(self) -> float:
        self._count += 1
        return self._count * 0.37 % 1


class World:
    """Runs ``system`` under ``script`` to quiescence. Raises :class:`Violation` where a property does not hold."""

    def __init__(self, script: Script, system: System = SOUND, recorder: Recorder | None = None) -> None:
        self.system = system
        self.recorder = recorder
        self.registries = registries()
        self.ids = CountingIds()
        self.clock = WorldClock()
        self.blobs = MemoryBlobStore()
        self._streams = script.streams
        self._hub = Thread.current()
        self._choices = {name: self.stream(name) for name in (MESSAGES, CONDUCT)}
        self.bus = SimulatedBus(self.clock, QUEUES, self.message_fault)
        self.witness = Witness(self)
        self.store: Any = ObservedStore(system.store(self.clock, self._yield_point), self.witness)
        self.observed_bus: Any = ObservedBus(self.bus, self.witness)
        self.actors = list(self._cast(self._streams.get(SHAPE, b"")))
        for index, actor in enumerate(self.actors):
            actor.index = index
        self._ring = self.actors * 2
        self.current = self.actors[-1]

    def stream(self, name: str) -> Iterator[int]:
        return iter(self._streams.get(name, b""))

    def _cast(self, shape: bytes) -> Iterator[Actor]:
        """Two workers, a reconciler, and a submitter of the steady job with three tasks a stage, unless ``shape`` says
        otherwise."""
        choices = iter(shape)

        def draw(count: int) -> int:
            return next(choices, 0) % count

        job_type = JOB_TYPES[draw(len(JOB_TYPES))]
        n = (3, 1, 2, 1, 2, 1, 2, 0)[draw(8)]
        submitters, janitors, workers = 1 + draw(2), 1 + draw(2), 2 + draw(3)
        prefetch, batching = (1, 1, 1, 3)[draw(4)], (0, 0, 1, 4)[draw(4)]
        for name in ACTORS:
            skew, number = SKEWS[draw(len(SKEWS))], int(name[1])
            if name[0] == "s" and number <= submitters:
                yield Submitter(self, name, skew, job_type, n)
            elif name[0] == "r" and number <= janitors:
                yield Janitor(self, name, skew)
            elif name[0] == "w" and number <= workers:
                yield (BatchWorker if number <= batching else Worker)(self, name, skew, prefetch)
            elif name[0] == "u":
                demands = [Demand(DEMANDS[draw(len(DEMANDS))], DELAYS[draw(4)]) for _ in range((0, 0, 0, 2)[draw(4)])]
                if demands:
                    yield User(self, name, skew, demands)

    # --- time and turns ---

    def run(self) -> None:
        """Until every job has ended and nothing is left to be done."""
        rounds = switches = 0
        while rounds < MAX_ROUNDS and switches < MAX_SWITCHES:
            actor = self._next()
            if actor is not None:
                switches += 1
                self.current = actor
                actor.thread.resume()
            elif self._quiet():
                judge(self)
                return
            else:
                rounds += 1
                self._skip()
        raise Violation("every job ends", "nothing more happens, and there are jobs that have not ended")

    def close(self) -> None:
        for actor in self.actors:
            actor.thread.close()

    def leave(self, actor: Actor) -> None:
        """Let others go on until ``actor`` may act."""
        self._hub.resume()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.bus.refresh()

    def preempt(self, actor: Actor, action: int) -> None:
        """Let the actor that ``action`` names go on first, if it can."""
        other = self._preempting(actor, action)
        if other is not None:
            self.took_effect()
            self.current = other
            other.thread.resume()

    def others(self, actor: Actor) -> Mapping[int, str]:
        """The actors that could go on before ``actor``, by the action that would let them."""
        actions = range(Action.PREEMPT, Action.PREEMPT + len(self.actors) - 1)
        found = [(action, self._preempting(actor, action)) for action in actions]
        return {action: other.name for action, other in found if other is not None}

    def canonical(self, action: int) -> int:
        """The least action that does the same: the actors stand in a ring."""
        if action < Action.PREEMPT:
            return action
        return Action.PREEMPT + (action - Action.PREEMPT) % (len(self.actors) - 1)

    def _preempting(self, actor: Actor, action: int) -> Actor | None:
        distance = 1 + self.canonical(action) - Action.PREEMPT
        other = self.actors[(actor.index + distance) % len(self.actors)]
        may_act = self.bus.ready_queue() is not None if other.idle else other.wake_at <= self.clock.seconds
        return other if may_act or other.early else None

    def message_fault(self, message_id: str) -> MessageFault:
        """What becomes of a message that the bus has accepted."""
        chosen = self._choose(MESSAGES, "message", message_id)
        return MessageFault(chosen) if chosen else NO_FAULT

    def conduct(self, task_id: TaskId) -> Conduct:
        """How the next call of the task's handler behaves."""
        chosen = self._choose(CONDUCT, "handler", task_id)
        return Conduct(chosen) if chosen else NO_CONDUCT

    def _choose(self, stream: str, operation: str, subject: str) -> int:
        scripted = next(self._choices[stream], 0)
        if self.recorder is None:
            return scripted
        return self.recorder.choice(self.clock.seconds, stream, operation, short(subject), scripted)

    def took_effect(self) -> None:
        if self.recorder is not None:
            self.recorder.took_effect()

    def _next(self) -> Actor | None:
        now, ready = self.clock.seconds, self.bus.ready_queue() is not None
        first = self.current.index + 1
        for actor in self._ring[first : first + len(self.actors)]:
            if ready if actor.idle else actor.wake_at <= now:
                return actor
        return None

    def _quiet(self) -> bool:
        return self.bus.empty and self.witness.all_ended and all(actor.at_rest for actor in self.actors)

    def _skip(self) -> None:
        """Move the clock to when somebody may act again."""
        now = self.clock.seconds
        due = min([actor.wake_at for actor in self.actors if actor.wake_at > now])
        arrival = self.bus.next_arrival()
        if arrival is not None:
            due = min(due, now + self.clock.seconds_until(arrival))
        self.advance(due - now)

    def _yield_point(self) -> None:
        self.current.yield_point()
