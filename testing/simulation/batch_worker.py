"""A worker that runs the loop of :mod:`core.worker`, with a committer that stands in for that loop's thread."""

from __future__ import annotations

from core.attempts import Ended
from core.context import StopSignal
from core.ports import ReceivedMessage
from core.worker import Worker as Loop
from core.worker import _Committer
from testing.simulation.queues import QUEUES
from testing.simulation.worker import Worker

MAX_BATCH = 4


class SteppedCommitter(_Committer):
    """Commits what was run at once, or later together with what comes after it, as the script says.

    So it stands for a thread that is now fast and now slow. Its commits are steps of its worker.
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.machine.attempts, MAX_BATCH)
        self._worker = worker
        self._gathered: list[tuple[ReceivedMessage, Ended]] = []

    @property
    def busy(self) -> bool:
        self._flush()
        return super().busy

    def start(self) -> None:
        """There is no thread."""

    def stop(self) -> None:
        self._flush()

    def put(self, message: ReceivedMessage, ended: Ended) -> None:
        self._in_flight += 1
        self._gathered.append((message, ended))
        if not self._worker.chance("commit_later"):
            self._flush()

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._commit([message for message, _ in gathered], [ended for _, ended in gathered])
            for _, ended in gathered:
                self._worker.calls.pop(ended.lease.task_id, None)


class _SteppedLoop(Loop):
    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.machine, worker.bus, QUEUES, _no_wait, MAX_BATCH)
        self._committer = self.committer = SteppedCommitter(worker)


class BatchWorker(Worker):
    """Claims and commits several tasks at a time. Asked to stop, it ends in order, and another takes its place."""

    def live(self) -> None:
        while True:
            self.clear()
            self._serve(_SteppedLoop(self), StopSignal())
            self.restart()

    def _serve(self, loop: _SteppedLoop, stop: StopSignal) -> None:
        self.stop_signal = stop
        while stop.reason is None:
            if self.world.bus.ready_queue() is not None or loop.committer.busy:
                loop.step(stop)
            else:
                self.wait()
        loop.__exit__(None, None, None)


def _no_wait(seconds: float) -> None:
    """The world's clock is moved by the world."""
