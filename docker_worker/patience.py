"""A task that saves a checkpoint while the database is away waits for it, and does not fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from core.context import StopSignal
from core.errors import StoreUnavailable
from core.outcome import Failed, Interrupted, Outcome
from core.runner import HandlerCall, HandlerRunner
from docker_worker.backoff import Backoff
from docker_worker.queue_worker import CallsWhileWaiting

SLICE_SECONDS = 0.5
"""How often whoever waits looks up."""


class LongRunner(HandlerRunner, CallsWhileWaiting, Protocol):
    """Runs handlers that take long."""


class PatientRunner:
    """A :class:`core.runner.HandlerRunner` in front of another one, whose checkpoints wait for a store that is away.

    Meanwhile ``while_waiting`` is called, as the other runner does it. An attempt that is told to stop while it waits
    so, or whose time is over, is interrupted, whatever the handler made of the error that it got: it did nothing wrong.
    Progress is not waited for. ``wait`` waits for a number of seconds; ``jitter`` is uniform in [0, 1).
    """

    def __init__(
        self, runner: LongRunner, *, jitter: Callable[[], float], wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._runner = runner
        self._jitter = jitter
        self._wait = wait

    @property
    def while_waiting(self) -> Callable[[], None]:
        return self._runner.while_waiting

    @while_waiting.setter
    def while_waiting(self, call: Callable[[], None]) -> None:
        self._runner.while_waiting = call

    def __call__(self, call: HandlerCall) -> Outcome:
        writes = _PatientWrites(call, Backoff(self._jitter), self._slice)
        outcome = self._runner(replace(call, writes=writes))
        if writes.given_up and isinstance(outcome, Failed):
            return Interrupted("store_away")
        return outcome

    def _slice(self) -> None:
        self._runner.while_waiting()
        self._wait(SLICE_SECONDS)


class _PatientWrites:
    """:class:`core.context.AttemptWrites` that waits for the store, as long as the attempt may."""

    def __init__(self, call: HandlerCall, backoff: Backoff, slice_: Callable[[], None]) -> None:
        self._writes = call.writes
        self._stop: StopSignal = call.stop
        self._clock = call.clock
        self._deadline = call.clock.now() + timedelta(seconds=call.handler.timeout)
        self._backoff = backoff
        self._slice = slice_
        self.given_up = False
        """Whether a checkpoint was not saved for as long as the attempt had."""

    def save_checkpoint(self, checkpoint_json: str) -> None:
        while True:
            try:
                self._writes.save_checkpoint(checkpoint_json)
            except StoreUnavailable:
                self.given_up = self._stop.reason is not None or self._clock.now() >= self._deadline
                if self.given_up:
                    raise
                self._pause()
            else:
                self._backoff.answered()
                return

    def report_progress(self, percent: float, message: str) -> None:
        try:
            self._writes.report_progress(percent, message)
        except StoreUnavailable:
            return  # the next report says more

    def _pause(self) -> None:
        until = self._clock.now() + timedelta(seconds=self._backoff.failed())
        while self._clock.now() < until and self._stop.reason is None:
            self._slice()
