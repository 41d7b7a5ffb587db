"""Those who act in a world: each is a process that can be left at every call it makes, crash there, and start anew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from core.errors import BlobStoreUnavailable, BusUnavailable, StoreUnavailable, TransientError
from core.machine import CoreMachine
from core.ports import BlobStore, MessageBus, StateStore
from testing.simulation.actions import STALLS, TICKS, Action
from testing.simulation.ports import Crash, Port, PortCall, RecordedPort
from testing.simulation.recorder import subject_of
from testing.simulation.switching import Thread

if TYPE_CHECKING:
    from testing.simulation.world import World

NEVER = math.inf

WITHIN = "(within)"
"""A step inside a transition that is not atomic: others may go on there, but a store does not crash halfway."""


class Actor:
    """``live`` is its process. It may act from ``wake_at`` on, in seconds of the world, or, while it is ``idle``, when
    there is a message.

    With ``early`` it waits for nothing but that time, and may be woken before.
    """

    def __init__(self, world: World, name: str, skew: float) -> None:
        self.world = world
        self.name = name
        self.index = 0
        self.wake_at = 0.0
        self.early = False
        self.idle = False
        self.clock = world.clock.skewed(skew)
        self.script = world.stream(name)
        self.thread = Thread(self._run)
        self._ports: list[Port | RecordedPort] = []

    # --- its process ---

    def boot(self) -> None:
        """Start the process: a machine with a new identity."""
        world = self.world
        self.store = cast(StateStore, self._port(world.store, StoreUnavailable))
        self.bus = cast(MessageBus, self._port(world.observed_bus, BusUnavailable))
        blobs = cast(BlobStore, self._port(world.blobs, BlobStoreUnavailable))
        self.machine: CoreMachine = world.system.machine(
            world.registries.jobs,
            world.registries.handlers,
            self.store,
            self.bus,
            blobs=blobs,
            clock=self.clock,
            ids=world.ids,
        )

    def live(self) -> None:
        raise NotImplementedError

    @property
    def at_rest(self) -> bool:
        """Whether it has nothing in hand."""
        return self.idle or self.early or self.wake_at == NEVER

    def sleep(self, seconds: float, *, early: bool = False) -> None:
        self.wake_at, self.early = self.world.clock.seconds + seconds, early
        self.world.leave(self)
        self.early = False
        self.idle = False
        self.wake_at = 0.0

    def _run(self) -> None:
        self.wake_at, self.early = 0.0, False
        alive = True
        while alive:
            try:
                self.boot()
                self.live()
                alive = False
            except Crash:
                self._end()
        self.wake_at = NEVER

    def restart(self) -> None:
        """End the process in order, and start another."""
        self._end()
        self.boot()

    def _end(self) -> None:
        for port in self._ports:
            port.close()
        self._ports.clear()

    def _port(self, inner: object, failure: type[TransientError]) -> object:
        kind = Port if self.world.recorder is None else RecordedPort
        port = kind(inner, self, failure)
        self._ports.append(port)
        return port

    # --- its steps ---

    def pause(self) -> None:
        """A step that calls nobody: others may go on here."""
        self._pause("work")

    def yield_point(self) -> None:
        """A place inside a transition that is not atomic."""
        self._pause(WITHIN)

    def _pause(self, name: str) -> None:
        action = next(self.script, 0)
        if self.world.recorder is not None:
            action = self.recorded(name, (), action)
        if action:
            self.meet(action, PortCall(name, _nothing, None), (), {})

    def recorded(self, name: str, arguments: tuple[object, ...], scripted: int) -> int:
        """Write a step down; the action to take."""
        recorder, seconds = self.world.recorder, self.world.clock.seconds
        assert recorder is not None
        others, action = self.world.others(self), self.world.canonical(scripted)
        return recorder.step(seconds, self.name, name, subject_of(arguments), action, others)

    def chance(self, operation: str) -> bool:
        """Whether the script has anything but the benign choice here, where only yes and no differ."""
        action = next(self.script, 0)
        if self.world.recorder is not None:
            action = self.world.recorder.step(self.world.clock.seconds, self.name, operation, "", action, {})
        if action:
            self.world.took_effect()
        return action != 0

    def meet(self, action: int, call: PortCall, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Make a call, and let happen there what ``action`` says."""
        if action == Action.GO:
            return call.method(*arguments, **named)
        if action >= Action.PREEMPT:
            self.world.preempt(self, action)
        elif action in STALLS:
            self.world.took_effect()
            self.sleep(STALLS[Action(action)])
        elif action in TICKS:
            self.world.took_effect()
            self.world.advance(TICKS[Action(action)])
        elif action in (Action.STOP, Action.REORDER):
            if self.world.bus.reorder() if action == Action.REORDER else self.stop():
                self.world.took_effect()
        else:
            return self._fail(action, call, arguments, named)
        return call.method(*arguments, **named)

    def stop(self) -> bool:
        """Ask the process to stop; whether there was anything to stop."""
        return False

    def _fail(self, action: int, call: PortCall, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        crash = action in (Action.CRASH_BEFORE, Action.CRASH_AFTER) and call.name != WITHIN
        if call.failure is None and not crash:
            return call.method(*arguments, **named)
        self.world.took_effect()
        if action == Action.CRASH_BEFORE:
            raise Crash
        if action == Action.SEND_HALF and call.name == "send":
            (messages,) = arguments
            call.method(messages[: len(messages) // 2])
        elif action != Action.REFUSE:
            call.method(*arguments, **named)
        if action == Action.CRASH_AFTER:
            raise Crash
        assert call.failure is not None
        raise call.failure("the script says so")


def _nothing() -> None:
    pass
