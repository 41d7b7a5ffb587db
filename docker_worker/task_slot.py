"""The one place in a worker in which a long task runs, and what fills it."""

from __future__ import annotations

from typing import Protocol

from core.attempts import Processed, Started
from core.context import StopSignal
from core.ids import JobId
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from docker_worker.status import WorkerStatus

_NO_JOB = JobId("")


class LongTaskSource(Protocol):
    """Where a worker's tasks come from, with the thread that runs them."""

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        ...

    def start(self) -> None: ...

    def stop(self) -> None:
        """Take no more tasks, and tell the one that runs to stop. Returns at once; from any thread, also twice."""
        ...

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread, up to ``timeout`` seconds; whether it has come."""
        ...


class TaskSlot:
    """Claims a task, runs it, commits what came of it, and writes each on the status board. For one thread."""

    def __init__(self, machine: CoreMachine, status: WorkerStatus) -> None:
        self.machine = machine
        self._attempts = machine.attempts
        self.status = status

    @property
    def keeps(self) -> bool:
        """Whether an outcome waits for the store to come back."""
        return self._attempts.keeps

    def ready(self) -> None:
        """Commit what is kept, and ask whether the store answers. Raises :class:`core.errors.TransientError`.

        To be asked before work is taken: what is taken and comes to nothing is counted against it by some sources.
        """
        self._attempts.commit_kept()
        self.machine.store.load_run(_NO_JOB, 1)

    def claim(self, message: TaskQueueMessage) -> Started | Processed:
        """As :meth:`core.attempts.Attempts.claim`."""
        return self._attempts.claim(message)

    def run(self, started: Started, stop: StopSignal) -> Processed:
        """Run a claimed task to its end, and commit it; one that is not to begin any more is given back.

        Raises :class:`core.errors.TransientError` where the store is away, with the outcome kept for :meth:`ready`.
        """
        if stop.reason is not None:
            return self._attempts.commit(self._attempts.given_back(started))
        self.status.began(started)
        processed: Processed | None = None
        try:
            processed = self._run(started, stop)
        finally:
            self.status.ended(processed)
        return processed

    def _run(self, started: Started, stop: StopSignal) -> Processed:
        ended = self._attempts.run(started, stop)
        return ended if isinstance(ended, Processed) else self._attempts.commit(ended)
