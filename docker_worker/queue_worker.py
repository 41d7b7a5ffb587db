"""The loop that takes long tasks from their queue, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Protocol

from core.attempts import Processed, Started
from core.consumer import AbandonMessage, Settlement, dispatch, settle, settlement_of, task_in
from core.context import StopReason, StopSignal
from core.errors import CoreMachineError, TransientError
from core.messages import TaskQueueMessage
from core.ports import MessageBus, ReceivedMessage
from core.worker import IDLE_SECONDS
from docker_worker.backoff import Backoff
from docker_worker.kept_outcome import KeepsOutcome
from docker_worker.loop_thread import LoopThread
from docker_worker.message_lock import MessageLock
from docker_worker.task_slot import TaskSlot

CLAIMS = 8
"""How often a claim is tried that the store is away for, before its message is given back: over a minute."""

NOT_BEGUN = AbandonMessage(TransientError("the worker was told to stop"))


class CallsWhileWaiting(Protocol):
    """What runs handlers: it calls this at least once a second meanwhile, in the thread that asked it to run one."""

    while_waiting: Callable[[], None]


class BackgroundQueueWorker:
    """A :class:`docker_worker.task_slot.LongTaskSource`: one thread that receives a message, claims its task, runs it
    in the slot, settles the message, and begins again.

    The message only wakes: its lock is renewed while the task runs, and the task goes on without it. Whatever is away,
    queue or database, is asked again with growing pauses, and no message is taken meanwhile.

    ``receive`` of ``bus`` waits for a message; ``end_waits`` makes it return, from any thread. ``jitter`` is uniform in
    [0, 1). ``grace_seconds`` is how long after :meth:`stop` an outcome is kept that the store is away for. ``wait``
    waits for an event up to a number of seconds.
    """

    def __init__(
        self,
        slot: TaskSlot,
        bus: MessageBus,
        queue: str,
        runner: CallsWhileWaiting,
        *,
        jitter: Callable[[], float],
        end_waits: Callable[[], None] = lambda: None,
        grace_seconds: float = 25.0,
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        self._slot = slot
        self._bus = bus
        self._queue = queue
        self._end_waits = end_waits
        self._wait = wait
        self._clock = slot.machine.clock
        self._lock = MessageLock(bus, self._clock, jitter, slot.status.lock_lost)
        self._backoff = Backoff(jitter)
        self._keeps = KeepsOutcome(slot, self._pause_kept, jitter=jitter, grace_seconds=grace_seconds)
        self._stop = StopSignal()
        self._stopping = Event()
        self._never = Event()
        self._thread = LoopThread("queue-worker", self._run)
        runner.while_waiting = self._lock.keep

    # --- LongTaskSource ---

    @property
    def alive(self) -> bool:
        return self._thread.alive

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._keeps.stop()
        self._stop.set(StopReason.SHUTDOWN)
        self._stopping.set()
        self._end_waits()

    def join(self, timeout: float) -> bool:
        return self._thread.join(timeout)

    # --- the thread ---

    def _run(self) -> None:
        try:
            self.run()
        finally:
            self._slot.status.stopped()

    def run(self) -> None:
        """Work until it is told to stop, in the thread that calls."""
        while not self._stopping.is_set():
            self.step()

    def step(self) -> None:
        """One message from the queue to its settlement, or a pause where something is away."""
        try:
            self._slot.ready()
            message = self._received()
            away = self._handled(message) if message is not None else None
        except CoreMachineError as error:
            away = error
        if away is None:
            self._backoff.answered()
        else:
            self._pause(away, self._backoff)

    def _received(self) -> ReceivedMessage | None:
        began = self._clock.now()
        found = self._bus.receive(self._queue, 1)
        self._slot.status.polled()
        if not found and self._clock.now() - began < timedelta(seconds=IDLE_SECONDS):
            self._wait(self._stopping, IDLE_SECONDS)  # a bus that does not wait must not be asked without a pause
        return found[0] if found else None

    def _handled(self, message: ReceivedMessage) -> CoreMachineError | None:
        """What was away in between, if anything."""
        self._lock.hold(message)
        try:
            settlement = self._processed(message)
        finally:
            self._lock.let_go()
        unsettled = settle(self._bus, message, settlement)
        if isinstance(settlement, AbandonMessage):
            return settlement.error
        return unsettled if isinstance(unsettled, TransientError) else None

    def _processed(self, message: ReceivedMessage) -> Settlement:
        if self._stopping.is_set():
            return NOT_BEGUN
        task = task_in(message)
        if task is None:
            return dispatch(self._slot.machine, message.body, self._stop)
        try:
            claim = self._claimed(task)
            return self._keeps.run(claim, self._stop) if isinstance(claim, Started) else claim
        except CoreMachineError as error:
            return settlement_of(error)

    def _claimed(self, task: TaskQueueMessage) -> Started | Processed:
        """While the store is away the message is held: giving it back would count against it."""
        for left in reversed(range(CLAIMS)):
            try:
                return self._slot.claim(task)
            except TransientError as error:
                if not left or self._stopping.is_set():
                    raise
                self._pause(error, self._backoff)
                self._lock.keep()
        raise AssertionError("the last claim returns or raises")

    def _pause_kept(self, seconds: float) -> None:
        self._wait_told(seconds)
        self._lock.keep()

    def _pause(self, away: CoreMachineError, backoff: Backoff) -> None:
        """Wait before the next try, until it is told to stop. Who goes on all the same waits for the whole time."""
        self._slot.status.waits(away.code)
        self._wait_told(backoff.failed())

    def _wait_told(self, seconds: float) -> None:
        self._wait(self._never if self._stopping.is_set() else self._stopping, seconds)
