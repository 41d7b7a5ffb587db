"""Long tasks that functions start by a call, instead of a queue that is asked: the same claim, the same lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Condition
from typing import NamedTuple

from core.attempts import Processed, Started
from core.context import StopReason, StopSignal
from core.errors import CoreMachineError, StoreUnavailable, TransientError
from core.messages import TaskQueueMessage
from core.model import NotClaimed
from core.outcome import Failed, Interrupted, Outcome, RetryLater, Succeeded
from docker_worker.backoff import Backoff
from docker_worker.callbacks import Callbacks, CallbackTarget
from docker_worker.kept_outcome import KeepsOutcome
from docker_worker.loop_thread import LoopThread
from docker_worker.task_slot import TaskSlot
from infrastructure.task_start.bodies import OutcomeKind, TaskEnded

_log = logging.getLogger(__name__)

IDLE_SECONDS = 30.0
"""How often a worker without work looks whether the database answers, so that its health is known."""

CLAIM_SECONDS = 5.0
"""A claim that takes longer waits for a store that does not answer."""

NOT_COMMITTED = "not_committed"


@dataclass(frozen=True, slots=True)
class Begun:
    """The task is held by this worker, and begins."""


@dataclass(frozen=True, slots=True)
class NothingToBegin:
    """The attempt runs, here or elsewhere, or has ended, or is not wanted: ``effect`` says which."""

    effect: str


@dataclass(frozen=True, slots=True)
class Occupied:
    """Another task runs, or is just being claimed."""


@dataclass(frozen=True, slots=True)
class NotTaking:
    """The worker starts, or ends, or waits for the store."""


Offered = Begun | NothingToBegin | Occupied | NotTaking


class _Job(NamedTuple):
    message: TaskQueueMessage
    started: Started
    callback: CallbackTarget | None


class _Claim(NamedTuple):
    message: TaskQueueMessage
    since: datetime


class HttpTriggeredWorker:
    """A :class:`docker_worker.task_slot.LongTaskSource`: one thread that runs what :meth:`offer` has claimed.

    :meth:`offer` is for any number of threads. ``jitter`` is uniform in [0, 1). ``grace_seconds`` is how long after
    :meth:`stop` an outcome is kept that the store is away for. ``wait`` waits at a condition up to a number of seconds.
    """

    def __init__(
        self,
        slot: TaskSlot,
        callbacks: Callbacks,
        *,
        jitter: Callable[[], float],
        grace_seconds: float = 25.0,
        wait: Callable[[Condition, float], object] = Condition.wait,
    ) -> None:
        self._slot = slot
        self._callbacks = callbacks
        self._clock = slot.machine.clock
        self._wait = wait
        self._keeps = KeepsOutcome(slot, self._pause_kept, jitter=jitter, grace_seconds=grace_seconds)
        self._backoff = Backoff(jitter)
        self._stop = StopSignal()
        self._changed = Condition()
        self._taking = False
        self._claiming: _Claim | None = None
        self._ended = False
        self._holds: TaskQueueMessage | None = None
        self._job: _Job | None = None
        self._next_look = 0.0
        self._thread = LoopThread("http-trigger", self._run)

    # --- LongTaskSource ---

    @property
    def alive(self) -> bool:
        return self._thread.alive

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._keeps.stop()
            self._taking = False
            self._stop.set(StopReason.SHUTDOWN)
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        return self._thread.join(timeout)

    # --- who calls ---

    def offer(self, message: TaskQueueMessage, callback_url: str | None = None) -> Offered:
        """Claim the task that ``message`` wakes, if there is room for it, and let it begin.

        Raises as :meth:`core.attempts.Attempts.claim`, and
        :class:`infrastructure.task_start.errors.CallbackRefused`, with nothing claimed.
        """
        callback = None if callback_url is None else self._callbacks.target(callback_url)
        with self._changed:
            refused = self._refusal(message)
            if refused is not None:
                return refused
            self._claiming = _Claim(message, self._clock.now())
        claimed: Started | Processed | None = None
        try:
            claimed = self._slot.claim(message)
        finally:
            begins = self._claimed(_Job(message, claimed, callback) if isinstance(claimed, Started) else None)
        if isinstance(claimed, Processed):
            return NothingToBegin(claimed.effect)
        return Begun() if begins else self._given_back(claimed)

    def _given_back(self, started: Started) -> NotTaking:
        attempts = self._slot.machine.attempts
        attempts.commit(attempts.given_back(started))
        return NotTaking()

    def _refusal(self, message: TaskQueueMessage) -> Offered | None:
        """Why there is no room, as it is now."""
        if not self._taking:
            return NotTaking()
        if self._claiming is not None:
            return self._refusal_while(self._claiming, message)
        held = self._holds
        if held is None:
            return None
        if message.attempt <= held.attempt and message == held.model_copy(update={"attempt": message.attempt}):
            return NothingToBegin(NotClaimed.RUNNING if message.attempt == held.attempt else NotClaimed.STALE)
        return Occupied()

    def _refusal_while(self, claiming: _Claim, message: TaskQueueMessage) -> Offered:
        """Whose own claim is under way has an answer coming, to the call that made it."""
        if self._clock.now() - claiming.since > timedelta(seconds=CLAIM_SECONDS):
            self._slot.status.waits(StoreUnavailable.code)
            return NotTaking()
        return NothingToBegin(NotClaimed.RUNNING) if message == claiming.message else Occupied()

    def _claimed(self, job: _Job | None) -> bool:
        """Whether the thread is there to take ``job``, where there is one."""
        with self._changed:
            self._claiming = None
            if job is not None and not self._ended:
                self._holds, self._job = job.message, job
            if job is not None or self._stop.reason is not None:
                self._changed.notify_all()
            return not self._ended

    # --- the thread ---

    def _run(self) -> None:
        try:
            self.run()
        finally:
            with self._changed:
                self._taking, self._ended = False, True
                job, self._job = self._job, None
            self._slot.status.stopped()
            if job is not None:
                self._given_back(job.started)

    def run(self) -> None:
        """Work until it is told to stop, in the thread that calls."""
        while self._stop.reason is None or self._has_work():
            self.step()

    def step(self) -> None:
        """One claimed task to its end; where none comes for some time, a look at the store."""
        job = self._next()
        if job is not None:
            self._work(job)
        elif self._stop.reason is None:
            self._look()

    def _has_work(self) -> bool:
        with self._changed:
            return self._claiming is not None or self._job is not None

    def _next(self) -> _Job | None:
        """Once told to stop, whoever is claiming is waited for: what is claimed then is given back."""
        with self._changed:
            if self._job is None and self._stop.reason is None and self._next_look:
                self._wait(self._changed, self._next_look)
            while self._claiming is not None and self._stop.reason is not None:
                self._wait(self._changed, IDLE_SECONDS)
            job, self._job = self._job, None
            return job

    def _look(self) -> None:
        """Take work as soon as the store has answered."""
        try:
            self._slot.ready()
        except TransientError as error:
            self._slot.status.waits(error.code)
            self._next_look = self._backoff.failed()
            return
        self._backoff.answered()
        self._next_look = IDLE_SECONDS
        self._slot.status.polled()
        with self._changed:
            self._taking = self._stop.reason is None

    def _work(self, job: _Job) -> None:
        message = job.message
        try:
            processed = self._keeps.run(job.started, self._stop)
            self._slot.status.polled()
            ended = _told(message, processed)
        except CoreMachineError as error:
            extra = {"task_id": message.task_id, "attempt": message.attempt, "code": error.code}
            _log.error("attempt_not_committed", extra=extra)
            ended = _untold(message, error)
        finally:
            with self._changed:
                self._holds = None
        if job.callback is not None:
            self._callbacks.tell(job.callback, ended)

    def _pause_kept(self, seconds: float) -> None:
        with self._changed:
            self._wait(self._changed, seconds)


def _told(message: TaskQueueMessage, processed: Processed) -> TaskEnded:
    outcome = processed.outcome
    return TaskEnded(
        task_id=message.task_id,
        attempt=message.attempt,
        effect=processed.effect,
        outcome=None if outcome is None else _kind(outcome),
        error_code=outcome.error.code if isinstance(outcome, Failed) else None,
    )


def _untold(message: TaskQueueMessage, error: CoreMachineError) -> TaskEnded:
    return TaskEnded(
        task_id=message.task_id, attempt=message.attempt, effect=NOT_COMMITTED, outcome=None, error_code=error.code
    )


def _kind(outcome: Outcome) -> OutcomeKind:
    match outcome:
        case Succeeded():
            return "succeeded"
        case Failed():
            return "failed"
        case RetryLater():
            return "retry_later"
        case Interrupted():
            return "interrupted"
