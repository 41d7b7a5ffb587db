"""The loop of a worker process for job messages and short tasks.

Tasks are claimed many at a time, run one after the other, and committed in a thread of their own: while one handler
runs, the outcomes of those before it are committed together, so none waits for a handler that is slow. How many are
claimed ahead follows from how long they take. The bus is used by the loop's own thread alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType
from typing import Self

from core.attempts import Attempts, Ended, Processed, Started
from core.consumer import AbandonMessage, Settlement, dispatch, settle, settlement_of
from core.context import StopSignal
from core.errors import CoreMachineError, TransientError
from core.machine import CoreMachine
from core.messages import TaskQueueMessage, decode
from core.model import OutboxRow
from core.ports import MessageBus, ReceivedMessage

_log = logging.getLogger(__name__)

AHEAD_SECONDS = 0.1
"""How much work is claimed ahead."""

IDLE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0


def next_batch(size: int, done: int, seconds: float, limit: int) -> int:
    """How many tasks to claim at once, ``done`` of the last ``size`` having taken ``seconds``."""
    if seconds > AHEAD_SECONDS:
        return max(1, min(size, int(done / seconds * AHEAD_SECONDS)))
    return min(limit, size * 2) if done >= size else size


def pause_after(failures: int) -> float:
    """Seconds to wait after so many rounds in which something was away: doubling, bounded."""
    return min(MAX_PAUSE_SECONDS, IDLE_SECONDS * 2.0 ** min(failures - 1, 10))


@dataclass(frozen=True, slots=True)
class _Done:
    """Messages whose attempts were committed, or could not be."""

    messages: Sequence[ReceivedMessage]
    settlements: Sequence[Settlement]
    outbox: Sequence[OutboxRow]


class Worker:
    """Takes messages of ``queues`` until it is told to stop. A context: leaving it ends what was begun.

    ``wait`` is called with seconds when there is nothing to do. The store must be safe for two threads.
    """

    def __init__(
        self,
        machine: CoreMachine,
        bus: MessageBus,
        queues: Sequence[str],
        wait: Callable[[float], object],
        max_batch: int = 100,
    ) -> None:
        self._machine = machine
        self._bus = bus
        self._queues = queues
        self._wait = wait
        self._max_batch = max_batch
        self._batch = 1
        self._failures = 0
        self._committer = _Committer(machine.attempts, max_batch)

    def __enter__(self) -> Self:
        self._committer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._committer.stop()
        self._settle_done()

    def run(self, stop: StopSignal) -> None:
        """Work until ``stop`` is set."""
        while stop.reason is None:
            failed = self._failures
            worked = self.step(stop)
            if self._failures > failed:
                self._wait(pause_after(self._failures))
            elif not worked:
                self._failures = 0
                self._wait(IDLE_SECONDS)

    def step(self, stop: StopSignal) -> bool:
        """One round over the queues; whether there was anything to do."""
        worked = sum(self._take(queue, stop) for queue in self._queues) > 0
        if not worked and self._committer.busy:
            self._settle(self._committer.done.get())
            worked = True
        self._settle_done()
        return worked

    def _take(self, queue: str, stop: StopSignal) -> bool:
        try:
            messages = self._bus.receive(queue, self._batch)
        except TransientError as error:
            self._failed(error)
            return False
        if messages:
            self._process(messages, stop)
        return bool(messages)

    def _process(self, messages: Sequence[ReceivedMessage], stop: StopSignal) -> None:
        tasks: list[tuple[ReceivedMessage, TaskQueueMessage]] = []
        for message in messages:
            decoded = _task(message)
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
        for message, started in self._claim(tasks):
            ended = self._attempt(started, stop) if isinstance(started, Started) else started
            if isinstance(ended, Ended):
                self._committer.put(message, ended)
                self._settle_done()
            else:
                self._settle_one(message, ended if isinstance(ended, Processed) else settlement_of(ended))

    def _claim(
        self, tasks: Sequence[tuple[ReceivedMessage, TaskQueueMessage]]
    ) -> Iterator[tuple[ReceivedMessage, Started | Processed | CoreMachineError]]:
        try:
            claims = self._machine.attempts.claim_many([task for _, task in tasks])
        except CoreMachineError as error:
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

    # --- settling, by the loop's thread alone ---

    def _settle_done(self) -> None:
        while True:
            try:
                done = self._committer.done.get_nowait()
            except Empty:
                return
            self._settle(done)

    def _settle(self, done: _Done) -> None:
        self._committer.taken(len(done.messages))
        self._machine.relay.publish(done.outbox)
        for message, settlement in zip(done.messages, done.settlements, strict=True):
            self._settle_one(message, settlement)

    def _settle_one(self, message: ReceivedMessage, settlement: Settlement) -> None:
        if isinstance(settlement, AbandonMessage):
            self._failed(settlement.error)
        settle(self._bus, message, settlement)

    def _failed(self, error: TransientError) -> None:
        self._failures += 1
        _log.warning("worker_waits", extra={"code": error.code})


class _Committer:
    """Commits ended attempts in a thread: whatever has gathered while the last ones were committed."""

    def __init__(self, attempts: Attempts, max_batch: int) -> None:
        self._attempts = attempts
        self._max_batch = max_batch
        self._waiting: SimpleQueue[tuple[ReceivedMessage, Ended] | None] = SimpleQueue()
        self.done: SimpleQueue[_Done] = SimpleQueue()
        self._room = Semaphore(4 * max_batch)
        self._in_flight = 0
        self._thread = Thread(target=self._run, name="committer", daemon=True)

    @property
    def busy(self) -> bool:
        """Whether anything was put in and not taken out."""
        return self._in_flight > 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is left, and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def put(self, message: ReceivedMessage, ended: Ended) -> None:
        self._in_flight += 1
        self._room.acquire()
        self._waiting.put((message, ended))

    def taken(self, count: int) -> None:
        self._in_flight -= count

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._gather()
            if batch:
                self._commit([message for message, _ in batch], [ended for _, ended in batch])
                self._room.release(len(batch))

    def _gather(self) -> tuple[list[tuple[ReceivedMessage, Ended]], bool]:
        """What waits, at least one; and whether there will be more."""
        batch: list[tuple[ReceivedMessage, Ended]] = []
        one = self._waiting.get()
        while one is not None:
            batch.append(one)
            if len(batch) == self._max_batch:
                return batch, True
            try:
                one = self._waiting.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _commit(self, messages: Sequence[ReceivedMessage], ended: Sequence[Ended]) -> None:
        try:
            committed = self._attempts.commit_many(ended)
        except CoreMachineError as error:
            self.done.put(_Done(messages, [settlement_of(error)] * len(messages), ()))
            return
        self.done.put(_Done(messages, committed.processed, committed.outbox))


def _task(message: ReceivedMessage) -> TaskQueueMessage | None:
    """The task message that ``message`` is, or ``None`` for one that is something else, or nothing."""
    try:
        decoded = decode(message.body)
    except CoreMachineError:
        return None
    return decoded if isinstance(decoded, TaskQueueMessage) else None
