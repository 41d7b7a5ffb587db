"""The actors of a world: workers, reconcilers, submitters."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from core.context import StopSignal, TaskContext
from core.errors import TransientError
from core.ids import TaskId
from core.model import Lease
from core.reconciler import ReconcilerPolicy
from testing.simulation.actors import Actor
from testing.simulation.jobs import LEASE_SECONDS

if TYPE_CHECKING:
    from testing.simulation.call import Call
    from testing.simulation.world import World

POLICY = ReconcilerPolicy(unpublished_after=10.0, stale_after=180.0, limit=100)
RECONCILE_EVERY = 90.0
SUBMIT_AGAIN_AFTER = 5.0


class Worker(Actor):
    """Receives messages, up to ``prefetch`` at a time, and processes them one by one.

    ``leases`` are the newest that it was granted, by task; ``calls`` what its process called handlers for, by task and
    token.
    """

    def __init__(self, world: World, name: str, skew: float, prefetch: int) -> None:
        super().__init__(world, name, skew)
        self.clock.worker = self
        self.prefetch = prefetch
        self.idle = True  # its process starts with the first message
        self.leases: dict[TaskId, Lease] = {}
        self.calls: dict[tuple[TaskId, int], Call] = {}
        self.stop_signal: StopSignal | None = None

    def live(self) -> None:
        self.clear()
        while True:
            queue = self.world.bus.ready_queue()
            if queue is None:
                self.wait()
            else:
                self._receive(queue)

    def clear(self) -> None:
        """Forget what another process of this worker's was doing."""
        self.idle, self.stop_signal = False, None
        self.leases.clear()
        self.calls.clear()

    def wait(self) -> None:
        """For a message."""
        self.idle = True
        self.world.leave(self)
        self.idle = False

    def _receive(self, queue: str) -> None:
        try:
            messages = self.bus.receive(queue, self.prefetch)
        except TransientError:
            return
        for message in messages:
            self.stop_signal = StopSignal()
            self.world.system.consume(self.machine, self.bus, message, self.stop_signal)
        self.stop_signal = None

    # --- what its handlers do ---

    def begin(self, context: TaskContext) -> Call:
        call = self.world.witness.begin(self, context)
        self.calls[call.lease.task_id, call.lease.token] = call
        return call

    def heartbeat(self, lease: Lease) -> None:
        self.store.renew_lease(lease, LEASE_SECONDS, self.clock.now())

    def stop(self) -> bool:
        if self.stop_signal is None or self.stop_signal.reason is not None:
            return False
        self.stop_signal.set("shutdown")
        return True


class Janitor(Actor):
    """Runs the reconciler on a timer, and whenever it is preferred to another actor."""

    def __init__(self, world: World, name: str, skew: float) -> None:
        super().__init__(world, name, skew)
        self.wake_at, self.early = RECONCILE_EVERY, True

    def live(self) -> None:
        reconciler = self.world.system.reconciler(self.machine, self.bus, POLICY)
        while True:
            with suppress(TransientError):
                reconciler.run_once()
            self.sleep(RECONCILE_EVERY, early=True)


class Submitter(Actor):
    """Submits a job until it hears that this was done."""

    def __init__(self, world: World, name: str, skew: float, job_type: str, n: int) -> None:
        super().__init__(world, name, skew)
        self._job_type = job_type
        self._parameters = {"n": n}

    def live(self) -> None:
        while not self._submit():
            self.sleep(SUBMIT_AGAIN_AFTER)

    def _submit(self) -> bool:
        try:
            self.machine.submit(self._job_type, self._parameters)
        except TransientError:
            return False
        return True
