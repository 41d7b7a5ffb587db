"""What came of a task that the store was away for, committed when it is back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from core.attempts import APPLIED, Processed, Started
from core.context import StopSignal
from core.errors import TransientError
from docker_worker.backoff import Backoff
from docker_worker.task_slot import TaskSlot

_log = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0
"""Seconds before a kept outcome is tried again: it has to be quicker than those who end expired leases."""


class KeepsOutcome:
    """Runs claimed tasks in ``slot``, and lets no outcome go while the store is away: no other task is taken meanwhile.

    ``pause`` waits for a number of seconds, and may return sooner; ``jitter`` is uniform in [0, 1). ``grace_seconds``
    is how long after :meth:`stop` an outcome is kept. For one thread, but for :meth:`stop`.
    """

    def __init__(
        self, slot: TaskSlot, pause: Callable[[float], None], *, jitter: Callable[[], float], grace_seconds: float
    ) -> None:
        self._slot = slot
        self._pause = pause
        self._clock = slot.machine.clock
        self._backoff = Backoff(jitter, LONGEST_PAUSE)
        self._grace = timedelta(seconds=grace_seconds)
        self._give_up_at: datetime | None = None

    def stop(self) -> None:
        """From any thread, also twice: the grace period begins with the first."""
        if self._give_up_at is None:
            self._give_up_at = self._clock.now() + self._grace

    def run(self, started: Started, stop: StopSignal) -> Processed:
        """As :meth:`docker_worker.task_slot.TaskSlot.run`, but that a store that is away is waited for.

        Raises :class:`core.errors.TransientError` where it was away for all of the grace period.
        """
        try:
            return self._slot.run(started, stop)
        except TransientError as error:
            if not self._slot.keeps:
                raise
            return self._committed_late(error)

    def _committed_late(self, away: TransientError) -> Processed:
        while self._slot.keeps:
            if self._give_up_at is not None and self._clock.now() >= self._give_up_at:
                _log.error("outcome_not_committed", extra={"code": away.code})
                raise away
            self._slot.status.waits(away.code)
            self._pause(self._backoff.failed())
            try:
                self._slot.ready()
            except TransientError as error:
                away = error
        self._backoff.answered()
        return Processed(APPLIED)
