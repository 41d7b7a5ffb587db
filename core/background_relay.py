"""A relay for those who must not wait for the bus: a request is answered when its job is committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread

from core.model import OutboxRow
from core.ports import Clock, MessageBus, StateStore
from core.relay import OutboxRelay

LATE_SECONDS = 1.0
"""After which it is asked whether what waited is still to be sent."""

MAX_WAITING = 10_000
"""Rows. What comes while more wait stays in the outbox, from where the reconciler publishes it."""


class BackgroundRelay(OutboxRelay):
    """:meth:`publish` leaves the sending to a thread, which sends together what came meanwhile, and gives 0.

    What is not sent when the process ends is in the outbox.
    """

    def __init__(
        self, store: StateStore, bus: MessageBus, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(store, bus, clock)
        self._monotonic = monotonic
        self._news = Condition()
        self._waiting: list[OutboxRow] = []
        self._since = 0.0
        self._closed = False
        self._thread: Thread | None = None

    def publish(self, rows: Sequence[OutboxRow], late: bool = False) -> int:
        with self._news:
            if self._closed or not rows or len(self._waiting) + len(rows) > MAX_WAITING:
                return 0
            since = self._monotonic() - (LATE_SECONDS if late else 0.0)
            self._since = min(self._since, since) if self._waiting else since
            self._waiting.extend(rows)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="relay", daemon=True)
                self._thread.start()
            self._news.notify()
        return 0

    def close(self) -> None:
        """End the thread once what it is sending is sent, or has failed."""
        with self._news:
            self._closed = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            rows, since = found
            super().publish(rows, self._monotonic() - since >= LATE_SECONDS)

    def _next(self) -> tuple[Sequence[OutboxRow], float] | None:
        """What has gathered, and since when it waits; ``None`` at the end."""
        with self._news:
            while not self._waiting and not self._closed:
                self._news.wait()
            rows, self._waiting = self._waiting, []
            return None if self._closed else (rows, self._since)
