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

SLICE_SECONDS = 0.25
"""How often whoever waits looks up: as often as a task is looked after that does not wait."""


class LongRunner(HandlerRunner, CallsWhileWaiting, Protocol):
    """Runs handlers that take long."""

    def look(self) -> bool:
        """Look after the task that runs, in the thread that runs it, while one of its writes waits: its bounds hold
        then, too, and ``while_waiting`` is called. Whether the task goes on.
        """
        ...


class PatientRunner:
    """A :class:`core.runner.HandlerRunner` in front of another one, whose checkpoints wait for a store that is away.

    Meanwhile the other runner looks after the task. An attempt that is told to stop while it waits so, or whose time is
    over, is interrupted, whatever the handler made of the error that it got: it did nothing wrong. Progress is not
    waited for. ``wait`` waits for a number of seconds; ``jitter`` is uniform in [0, 1).
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

    def _slice(self) -> bool:
        goes_on = self._runner.look()
        if goes_on:
            self._wait(SLICE_SECONDS)
        return goes_on


class _PatientWrites:
    """:class:`core.context.AttemptWrites` that waits for the store, as long as the attempt may."""

    def __init__(self, call: HandlerCall, backoff: Backoff, slice_: Callable[[], bool]) -> None:
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
                self.given_up = not self._may_wait() or not self._pause()
                if self.given_up:
                    raise
            else:
                self._backoff.answered()
                return

    def report_progress(self, percent: float, message: str) -> None:
        try:
            self._writes.report_progress(percent, message)
        except StoreUnavailable:
            return  # the next report says more

    def _may_wait(self) -> bool:
        return self._stop.reason is None and self._clock.now() < self._deadline

    def _pause(self) -> bool:
        """Whether the task goes on. One that is not to wait any more may still try once."""
        until = self._clock.now() + timedelta(seconds=self._backoff.failed())
        while self._clock.now() < until and self._may_wait():
            if not self._slice():
                return False
        return True
