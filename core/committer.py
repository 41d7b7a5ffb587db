"""Commits ended attempts behind the back of the worker's loop, many at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from core.attempts import Attempts, Ended, Started
from core.consumer import Settlement, settlement_of
from core.errors import CoreMachineError, TransientError
from core.model import OutboxRow
from core.ports import ReceivedMessage

Claim = tuple[ReceivedMessage, Started]

PATIENCE_SECONDS = 5.0
"""Much less than a lease lasts, so that a task which waits for its turn is not taken for one whose worker is gone."""


@dataclass(frozen=True, slots=True)
class Done:
    """Messages whose attempts were committed, or could not be."""

    messages: Sequence[ReceivedMessage]
    settlements: Sequence[Settlement]
    outbox: Sequence[OutboxRow]
    at: datetime | None = None
    """When they were committed."""


class Committer:
    """Commits ended attempts in a thread: whatever has gathered while the last ones were committed.

    It knows the claims that wait for their turn too. Each of them goes to the loop, or is given back by the thread once
    nothing was claimed and nothing has ended for ``patience`` seconds.
    """

    def __init__(self, attempts: Attempts, max_batch: int, patience: float = PATIENCE_SECONDS) -> None:
        self._attempts = attempts
        self._max_batch = max_batch
        self._patience = patience
        self._claims: deque[Claim] = deque()
        self._stirred = time.monotonic()
        self._ended: SimpleQueue[tuple[ReceivedMessage, Ended] | None] = SimpleQueue()
        self._in_flight = 0
        self._counting = Lock()
        self._thread: Thread | None = None
        self.done: SimpleQueue[Done | BaseException] = SimpleQueue()
        self.error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether anything was put in and not taken out."""
        return self._in_flight > 0

    @property
    def full(self) -> bool:
        """Whether so much was, that no more is to be put in."""
        return self._in_flight >= 4 * self._max_batch

    def start(self) -> None:
        self._thread = Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what is left, and end the thread."""
        self._ended.put(None)
        if self._thread is not None:
            self._thread.join()

    def wait_with(self, claims: Sequence[Claim]) -> None:
        self._stirred = time.monotonic()
        self._claims.extend(claims)

    def waiting(self) -> Iterator[Claim]:
        """The claims that wait, the first first; who gets one has it alone."""
        while True:
            try:
                yield self._claims.popleft()
            except IndexError:
                return

    def put(self, message: ReceivedMessage, ended: Ended) -> None:
        self._count(1)
        self._ended.put((message, ended))

    def taken(self, count: int) -> None:
        self._count(-count)

    def _count(self, more: int) -> None:
        with self._counting:
            self._in_flight += more

    def _run(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as error:  # noqa: BLE001 - the top of the thread; the loop raises it
            self.error = error
            self.done.put(error)

    def _round(self) -> bool:
        """Commit what has gathered; whether there will be more."""
        batch, going = self._gather()
        if batch:
            self.commit([message for message, _ in batch], [ended for _, ended in batch])
        return going

    def _gather(self) -> tuple[list[tuple[ReceivedMessage, Ended]], bool]:
        """What waits, at least one; and whether there will be more."""
        batch: list[tuple[ReceivedMessage, Ended]] = []
        try:
            one = self._ended.get(timeout=self._patience_left())
            self._stirred = time.monotonic()
            while one is not None:
                batch.append(one)
                if len(batch) == self._max_batch:
                    return batch, True
                one = self._ended.get_nowait()
        except Empty:
            if not batch and not self._patience_left():
                self.give_back()
            return batch, True
        return batch, False

    def _patience_left(self) -> float:
        """Seconds until the claims that wait, should there be any, have waited for long enough."""
        left = self._stirred + self._patience - time.monotonic() if self._claims else self._patience
        return max(0.0, left)

    def give_back(self) -> None:
        """Nothing has ended for long: what waits behind the handler that runs is for others to claim."""
        claims = list(self.waiting())
        if claims:
            self._count(len(claims))
            ended = [self._attempts.given_back(started) for _, started in claims]
            self.commit([message for message, _ in claims], ended)

    def commit(self, messages: Sequence[ReceivedMessage], ended: Sequence[Ended]) -> None:
        """Commit together; what the store refuses, one by one, so that it is alone in what becomes of it."""
        try:
            committed = self._attempts.commit_many(ended)
        except CoreMachineError as error:
            if len(messages) > 1 and not isinstance(error, TransientError):
                for message, one in zip(messages, ended, strict=True):
                    self.commit([message], [one])
            else:
                self.done.put(Done(messages, [settlement_of(error)] * len(messages), ()))
        else:
            self.done.put(
                Done(messages, [settlement_of(one) for one in committed.processed], committed.outbox, committed.at)
            )
