"""One call of a child, from asking for it to its outcome, or to why there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple, assert_never

from core.context import NO_LONGER_OURS, StopReason
from core.errors import CoreMachineError, LeaseLost
from core.outcome import ErrorInfo, Failed, Interrupted, Outcome, RetryLater, Succeeded, storable
from core.runner import HandlerCall
from docker_worker.child.evidence import Evidence, why_lost
from docker_worker.child.patience import Patience
from docker_worker.child.process import ChildProcess, Death, KillReason
from docker_worker.child.protocol import (
    Asked,
    AsksForRetry,
    Began,
    Call,
    Done,
    Ended,
    FoundLeaseLost,
    FromChild,
    HasFailed,
    HasSucceeded,
    Ready,
    ReportProgress,
    SaveCheckpoint,
    Stop,
    WasInterrupted,
    refused,
)
from docker_worker.child.watch import Watch
from docker_worker.limits import TaskLimits
from docker_worker.memory import Verdict

_log = logging.getLogger(__name__)


class Asking(NamedTuple):
    """A call, and who is told of it while it runs."""

    call: HandlerCall
    number: int
    scratch: str
    progressed: Callable[[float, str], None]
    while_waiting: Callable[[], None]


class Supervision:
    """In one thread, which serves what the child asks for and looks after it in between."""

    def __init__(
        self,
        child: ChildProcess,
        asking: Asking,
        limits: TaskLimits,
        watch: Watch,
        patience: Patience,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._child = child
        self._asking = asking
        self._call = asking.call
        self._limits = limits
        self._watch = watch
        self._patience = patience
        self._monotonic = monotonic
        self._asked = monotonic()
        self._began = False
        self._told: float | None = None
        self._dead: float | None = None
        self._next_look = self._asked + patience.look

    def run(self) -> Outcome:
        """Raises as :class:`core.runner.HandlerRunner`, and :class:`docker_worker.child.evidence.NotBegun`.

        Whatever else is raised by what it calls ends the child.
        """
        child, call = self._child, self._call
        child.send(
            Call(
                number=self._asking.number,
                message=call.message,
                parameters_json=call.parameters_json,
                checkpoint_json=call.checkpoint_json,
                scratch=self._asking.scratch,
            )
        )
        try:
            said = self._supervise()
        except BaseException:
            child.kill(KillReason.ABANDONED)  # unless it has ended
            raise
        return self._outcome(said)

    def _supervise(self) -> Ended:
        while True:
            frame = self._child.take(max(0.0, self._next_look - self._monotonic()))
            if frame is not None:
                ended = self._heard(frame)
                if ended is not None:
                    return ended
            elif self._child.ended:
                raise self._lost()
            if self._monotonic() >= self._next_look:
                self.look()

    def _lost(self) -> CoreMachineError:
        death = self._child.death()
        last = self._child.stderr.last
        extra = {"task_id": self._call.message.task_id, "how": death.describe(), "killed": death.killed, "stderr": last}
        _log.warning("handler_lost", extra=extra)
        return why_lost(self._evidence(death))

    def _evidence(self, death: Death) -> Evidence:
        return Evidence(
            death,
            began=self._began,
            seconds=self._monotonic() - self._asked,
            timeout=self._call.handler.timeout,
            grace=self._patience.deadline,
            peak=self._watch.peak,
            limits=self._limits,
            oom_kills=self._watch.killed_by_kernel(),
        )

    # --- what the child says ---

    def _heard(self, frame: FromChild) -> Ended | None:
        if isinstance(frame, Ready):
            return None
        if frame.number != self._asking.number:
            self._late(frame)
            return None
        match frame:
            case Began():
                self._began = True
            case SaveCheckpoint() | ReportProgress():
                self._serve(frame)
            case _:
                return frame
        return None

    def _late(self, frame: Began | Asked | Ended) -> None:
        """A thread that a handler left behind: what it wants is refused, as it would be for any zombie."""
        if isinstance(frame, SaveCheckpoint | ReportProgress):
            self._child.send(refused(LeaseLost("the call that this is for has ended")))

    def _serve(self, asked: Asked) -> None:
        try:
            self._write(asked)
        except CoreMachineError as error:
            self._child.send(refused(error))
        else:
            self._child.send(Done())

    def _write(self, asked: Asked) -> None:
        match asked:
            case SaveCheckpoint(checkpoint_json=text):
                self._call.writes.save_checkpoint(text)
            case ReportProgress(percent=percent, message=message):
                self._asking.progressed(percent, message)
                self._call.writes.report_progress(percent, message)
            case _:
                assert_never(asked)

    def _outcome(self, said: Ended) -> Outcome:
        match said:
            case HasSucceeded(result_json=result):
                return Succeeded(result)
            case HasFailed(code=code, message=message, retryable=retryable):
                return Failed(ErrorInfo(storable(code), storable(message), retryable))
            case AsksForRetry(delay=delay, reason=reason):
                return RetryLater(delay, reason)
            case WasInterrupted(reason=reason):
                return Interrupted(storable(reason))
            case FoundLeaseLost():
                raise LeaseLost("the task is no longer this worker's")
            case _:
                assert_never(said)

    # --- looking after it ---

    def look(self) -> bool:
        """Whether the child goes on. Called in between, and by a write that waits, in the thread that runs the call."""
        now = self._monotonic()
        self._next_look = now + self._patience.look
        self._asking.while_waiting()
        seen = self._watch.look(self._child)
        if seen.memory is not Verdict.FINE:
            self._call.stop.set(StopReason.MEMORY)
        self._pass_on_stop(now)
        reason = self._verdict(now, seen.memory, seen.scratch)
        if reason is None and self._child.usable:
            return True
        self._child.kill(reason or KillReason.ABANDONED)
        self._see_it_end(now)
        return False

    def _see_it_end(self, now: float) -> None:
        """What it said before is still to be heard, but nothing is waited for any longer than for a process to end."""
        if self._dead is None:
            self._dead = now
        elif now > self._dead + self._patience.end and not self._child.ended:
            raise self._lost()

    def _pass_on_stop(self, now: float) -> None:
        reason = self._call.stop.reason
        if reason is not None and self._told is None:
            self._told = now
            self._child.send(Stop(number=self._asking.number, reason=reason))

    def _verdict(self, now: float, memory: Verdict, scratch: int) -> KillReason | None:
        if memory is Verdict.OVER:
            return KillReason.MEMORY
        if scratch > self._limits.scratch_bytes:
            return KillReason.SCRATCH
        if self._told is not None and self._call.stop.reason in NO_LONGER_OURS:
            return KillReason.STOP_IGNORED if now > self._told + self._patience.stop else None
        return KillReason.DEADLINE if now > self._asked + self._deadline else None

    @property
    def _deadline(self) -> float:
        return self._call.handler.timeout + self._patience.deadline
