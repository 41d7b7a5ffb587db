"""A worker that runs the loop of :mod:`core.worker`, with a committer that stands in for that loop's thread."""

from __future__ import annotations

from core.attempts import Ended
from core.committer import Committer
from core.context import StopSignal
from core.ports import ReceivedMessage
from core.worker import Worker as Loop
from testing.simulation.queues import QUEUES
from testing.simulation.worker import Worker

MAX_BATCH = 4


class SteppedCommitter(Committer):
    """Commits what was run at once, or later together with what comes after it, as the script says.

    So it stands for a thread that is now fast and now slow. Its commits are steps of its worker.
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.machine.attempts, MAX_BATCH)
        self._worker = worker
        self._gathered: list[tuple[ReceivedMessage, Ended]] = []

    @property
    def busy(self) -> bool:
        self.flush()
        return super().busy

    def start(self) -> None:
        """There is no thread."""

    def stop(self) -> None:
        self.flush()

    def put(self, message: ReceivedMessage, ended: Ended) -> None:
        self._count(1)
        self._gathered.append((message, ended))
        if not self._worker.chance("commit_later"):
            self.flush()

    def flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self.commit([message for message, _ in gathered], [ended for _, ended in gathered])

    def lose_patience(self) -> None:
        """The handler that runs is slow, if the script says so: what waits behind it is given back."""
        if self._claims and self._worker.chance("give_back"):
            self.flush()
            self.give_back()

    def _count(self, more: int) -> None:
        self._in_flight += more


class _SteppedLoop(Loop):
    def __init__(self, worker: Worker) -> None:
        self.committer = SteppedCommitter(worker)
        super().__init__(worker.machine, worker.bus, QUEUES, _no_wait, MAX_BATCH, self.committer)


class BatchWorker(Worker):
    """Claims and commits several tasks at a time. Asked to stop, it ends in order, and another takes its place."""

    def live(self) -> None:
        while True:
            self.clear()
            self._serve(_SteppedLoop(self), StopSignal())
            self.restart()

    def pause(self) -> None:
        self._loop.committer.lose_patience()
        super().pause()

    def _serve(self, loop: _SteppedLoop, stop: StopSignal) -> None:
        self._loop, self.stop_signal = loop, stop
        while stop.reason is None:
            if self.world.bus.ready_queue() is not None or loop.committer.busy:
                loop.step(stop)
            else:
                self.wait()
        loop.__exit__(None, None, None)


def _no_wait(seconds: float) -> None:
    """The world's clock is moved by the world."""
