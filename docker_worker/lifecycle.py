"""How the worker ends: in order, within the grace period, and so that nothing is lost.

Intake stops, the task is told and saves a checkpoint, what it held is released; then the HTTP server gets the signal.
Until then it answers, and says that the worker drains.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from threading import Event
from typing import TYPE_CHECKING, Protocol, assert_never

from docker_worker.loop_thread import LoopThread

if TYPE_CHECKING:
    from docker_worker.signals import Received
    from docker_worker.status import WorkerStatus
    from docker_worker.task_slot import LongTaskSource

_log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often a drain looks whether it is over."""

ALIVE_SECONDS = 1.0
"""How often it is looked whether the loop lives."""

NUDGE = 0
"""In the place of a signal's number: the server has ended by itself."""


class Phase(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Grace:
    """Seconds after the request to stop: when a task that ignores it is killed, when its end is waited for no longer,
    and when the process ends whatever it is doing.
    """

    hurry_after: float
    leave_after: float
    end_after: float

    @classmethod
    def of(cls, seconds: float) -> Grace:
        """Of ``seconds`` in all, up to 4 are left for committing what was killed, and up to 3 for closing."""
        leave = seconds - min(3.0, seconds / 5)
        return cls(leave - min(4.0, seconds / 5), leave, seconds - min(0.5, seconds / 20))


@dataclass(frozen=True, slots=True)
class Drain:
    """``told_at`` by the lifecycle's clock, in seconds."""

    grace: Grace
    told_at: float
    hurried: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True)
class Hurry:
    """Kill the task; it goes on elsewhere from its last checkpoint."""


@dataclass(frozen=True, slots=True)
class Leave:
    """``in_order``: nothing runs any more."""

    in_order: bool


Act = Wait | Hurry | Leave


def next_act(drain: Drain, now: float, *, ended: bool, asked_again: bool) -> Act:
    """What a drain does at ``now``, ``ended`` being whether the loop has."""
    since = now - drain.told_at
    if ended:
        return Leave(in_order=True)
    if since >= drain.grace.leave_after:
        return Leave(in_order=False)
    if not drain.hurried and (asked_again or since >= drain.grace.hurry_after):
        return Hurry()
    until = drain.grace.leave_after if drain.hurried else drain.grace.hurry_after
    return Wait(min(LOOK_SECONDS, until - since))


class Hurried(Protocol):
    """What runs the task, in a process that can be killed."""

    def hurry(self) -> None: ...


class DockerWorkerLifecycle:
    """A thread that waits for a signal, or for the loop's end, and then ends the worker.

    ``end_now`` ends the process with an exit code, whatever it is doing; ``pause`` waits for a number of seconds.
    """

    def __init__(
        self,
        source: LongTaskSource,
        runner: Hurried,
        status: WorkerStatus,
        received: Received,
        *,
        grace_seconds: float,
        end_now: Callable[[int], object],
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._source = source
        self._runner = runner
        self._status = status
        self._received = received
        self._grace = Grace.of(grace_seconds)
        self._end_now = end_now
        self._monotonic = monotonic
        self._pause = pause
        self._drained = Event()
        self._thread: LoopThread | None = None
        self.phase = Phase.STARTING
        self.exit_code = 0
        """0 where it was told to stop, 1 where the loop ended by itself."""

    @property
    def loop_is_dead(self) -> bool:
        """Whether nothing takes tasks although nobody said that it should stop."""
        return self.exit_code != 0 or (self.phase is Phase.RUNNING and not self._source.alive)

    def start(self, hand_on: Callable[[int], None]) -> None:
        """Begin to take tasks. ``hand_on`` gives a signal to whom it was taken from, when the drain is over."""
        self._source.start()
        self.phase = Phase.RUNNING
        self._thread = LoopThread("lifecycle", lambda: self._run(hand_on))
        self._thread.start()

    def finish(self) -> None:
        """Return when the drain is over, which begins where none did: the server may end for reasons of its own."""
        if self._thread is not None:
            self._received.note(NUDGE)
            self._drained.wait()

    def _run(self, hand_on: Callable[[int], None]) -> None:
        number = self._told()
        self.phase = Phase.DRAINING
        LoopThread("last-resort", self._last_resort).start()
        self._drain(Drain(self._grace, self._monotonic()))
        self.phase = Phase.DRAINED
        self._drained.set()
        hand_on(number)

    def _last_resort(self) -> None:
        """Of a thread of its own, so that it comes whatever hangs; the end of the process ends it."""
        self._pause(self._grace.end_after)
        _log.error("worker_cut_off", extra={"seconds": self._grace.end_after})
        self._end_now(self.exit_code)

    def _told(self) -> int:
        """The number of the signal that came, or that stands for the loop's end."""
        while (number := self._received.next(ALIVE_SECONDS)) is None:
            if not self._source.alive:
                _log.critical("worker_loop_ended")
                self.exit_code = 1
                return signal.SIGTERM
        reason = signal.Signals(number).name if number != NUDGE else "the server ended"
        _log.info("worker_stopping", extra={"reason": reason})
        return number or signal.SIGTERM

    def _drain(self, drain: Drain) -> None:
        self._status.drains()
        self._source.stop()
        while True:
            again = (self._received.next(0) or NUDGE) != NUDGE
            act = next_act(drain, self._monotonic(), ended=self._source.join(0), asked_again=again)
            match act:
                case Wait(seconds):
                    self._source.join(seconds)
                case Hurry():
                    _log.warning("worker_hurries", extra={"asked_again": again})
                    self._runner.hurry()
                    drain = replace(drain, hurried=True)
                case Leave(in_order):
                    seconds = round(self._monotonic() - drain.told_at, 3)
                    _log.log(logging.INFO if in_order else logging.ERROR, "worker_drained", extra={"seconds": seconds})
                    return
                case _:
                    assert_never(act)
