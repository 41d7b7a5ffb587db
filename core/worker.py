"""The loop of a worker process for job messages and short tasks.

Tasks are claimed many at a time, run one after the other, and committed in a thread of their own: while one handler
runs, the outcomes of those before it are committed together, so none waits for a handler that is slow. How many are
claimed ahead follows from how long they take; those that a slow handler holds up all the same are given back. The bus
is used by the loop's own thread alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from queue import Empty
from types import TracebackType
from typing import Self

from core.attempts import Ended, Processed, Started
from core.committer import Committer, Done
from core.consumer import AbandonMessage, Settlement, dispatch, settle, settlement_of, task_in
from core.context import StopSignal
from core.errors import CoreMachineError, TransientError
from core.ids import JobId
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.ports import MessageBus, ReceivedMessage

_log = logging.getLogger(__name__)

AHEAD_SECONDS = 0.1
"""How much work is claimed ahead."""

IDLE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0

LATE = timedelta(seconds=1)
"""After which it is asked whether the messages of a commit are still to be sent: a slow handler kept the loop."""

_NO_JOB = JobId("")


def next_batch(size: int, done: int, seconds: float, limit: int) -> int:
    """How many tasks to claim at once, ``done`` of the last ``size`` having taken ``seconds``."""
    if seconds > AHEAD_SECONDS:
        return max(1, min(size, int(done / seconds * AHEAD_SECONDS)))
    return min(limit, size * 2) if done >= size else size


def pause_after(failures: int) -> float:
    """Seconds to wait after so many rounds in which something was away: doubling, bounded."""
    return min(MAX_PAUSE_SECONDS, IDLE_SECONDS * 2.0 ** min(failures - 1, 10))


class Worker:
    """Takes messages of ``queues`` until it is told to stop. A context: leaving it ends what was begun.

    ``wait`` is called with seconds when there is nothing to do, and may be cut short by a bus that tells of messages.
    The store must be safe for two threads, unless ``committer`` has none.
    """

    def __init__(
        self,
        machine: CoreMachine,
        bus: MessageBus,
        queues: Sequence[str],
        wait: Callable[[float], object],
        max_batch: int = 100,
        committer: Committer | None = None,
    ) -> None:
        self._machine = machine
        self._bus = bus
        self._queues = queues
        self._wait = wait
        self._max_batch = max_batch
        self._batch = 1
        self._away = False
        self._committer = committer or Committer(machine.attempts, max_batch)

    def __enter__(self) -> Self:
        self._committer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for message, started in self._committer.waiting():
            self._committer.put(message, self._machine.attempts.given_back(started))
        self._committer.stop()
        if error is None or error is not self._committer.error:
            self._settle_done()

    def run(self, stop: StopSignal) -> None:
        """Work until ``stop`` is set."""
        failures = 0
        while stop.reason is None:
            self._away = False
            worked = (not failures or self._store_answers()) and self.step(stop)
            if self._away:
                failures += 1
                self._wait(pause_after(failures))
                continue
            failures = 0
            if not worked:
                self._wait(IDLE_SECONDS)

    def step(self, stop: StopSignal) -> bool:
        """One round over the queues; whether there was anything to do."""
        worked = sum(self._take(queue, stop) for queue in self._queues) > 0
        if not worked:
            worked = self._settle_next()
        self._settle_done()
        return worked

    def _store_answers(self) -> bool:
        """Asked before messages are taken, once something was away: a delivery that comes to nothing counts against
        its message, and a few of them bury it. What the store was away for is committed first.
        """
        self._settle_done()
        try:
            self._machine.attempts.commit_kept()
            self._machine.store.load_run(_NO_JOB, 1)
        except TransientError as error:
            self._note_away(error)
        return not self._away

    def _take(self, queue: str, stop: StopSignal) -> bool:
        try:
            messages = self._bus.receive(queue, self._batch)
        except TransientError as error:
            self._note_away(error)
            return False
        if messages:
            self._process(messages, stop)
        return bool(messages)

    def _process(self, messages: Sequence[ReceivedMessage], stop: StopSignal) -> None:
        tasks: list[tuple[ReceivedMessage, TaskQueueMessage]] = []
        for message in messages:
            decoded = task_in(message)
            if decoded is None:
                self._settle_one(message, dispatch(self._machine, message.body, stop))
            else:
                tasks.append((message, decoded))
        if tasks:
            began = self._machine.clock.now()
            self._run(tasks, stop)
            seconds = (self._machine.clock.now() - began).total_seconds()
            self._batch = next_batch(self._batch, len(tasks), seconds, self._max_batch)

    def _run(self, tasks: Sequence[tuple[ReceivedMessage, TaskQueueMessage]], stop: StopSignal) -> None:
        started = []
        for message, claim in self._claim(tasks):
            if isinstance(claim, Started):
                started.append((message, claim))
            else:
                self._settle_one(message, settlement_of(claim))
        self._committer.wait_with(started)
        for message, one in self._committer.waiting():
            ended = self._attempt(one, stop)
            if isinstance(ended, Ended):
                self._put(message, ended)
            else:
                self._settle_one(message, settlement_of(ended))

    def _claim(
        self, tasks: Sequence[tuple[ReceivedMessage, TaskQueueMessage]]
    ) -> Iterator[tuple[ReceivedMessage, Started | Processed | CoreMachineError]]:
        """Each message with its claim, or with why there is none. What refuses all is asked for one by one."""
        try:
            claims = self._machine.attempts.claim_many([task for _, task in tasks])
        except CoreMachineError as error:
            if len(tasks) > 1 and not isinstance(error, TransientError):
                return (claimed for one in tasks for claimed in self._claim([one]))
            claims = [error] * len(tasks)
        return zip([message for message, _ in tasks], claims, strict=True)

    def _attempt(self, started: Started, stop: StopSignal) -> Ended | Processed | CoreMachineError:
        attempts = self._machine.attempts
        try:
            if stop.reason is not None:
                return attempts.given_back(started)
            renewed = attempts.renewed(started)
            return attempts.run(renewed, stop) if isinstance(renewed, Started) else renewed
        except CoreMachineError as error:
            return error

    def _put(self, message: ReceivedMessage, ended: Ended) -> None:
        while self._committer.full and self._settle_next():
            pass
        self._committer.put(message, ended)
        self._settle_done()

    # --- settling, by the loop's thread alone ---

    def _settle_next(self) -> bool:
        """Wait for the committer where anything is in it; whether there was."""
        if not self._committer.busy:
            return False
        self._settle(self._committer.done.get())
        return True

    def _settle_done(self) -> None:
        while True:
            try:
                done = self._committer.done.get_nowait()
            except Empty:
                return
            self._settle(done)

    def _settle(self, done: Done | BaseException) -> None:
        if isinstance(done, BaseException):
            raise done
        self._committer.taken(len(done.messages))
        late = done.at is not None and self._machine.clock.now() - done.at > LATE
        self._machine.relay.publish(done.outbox, late)
        for message, settlement in zip(done.messages, done.settlements, strict=True):
            self._settle_one(message, settlement)

    def _settle_one(self, message: ReceivedMessage, settlement: Settlement) -> None:
        if isinstance(settlement, AbandonMessage):
            self._note_away(settlement.error)
        settle(self._bus, message, settlement)

    def _note_away(self, error: TransientError) -> None:
        if not self._away:
            _log.warning("worker_waits", extra={"code": error.code})
        self._away = True
