"""What is told of a child that ended without an outcome."""

from __future__ import annotations

from typing import Literal, NamedTuple, assert_never

from core.errors import CoreMachineError, HandlerLost, LeaseLost
from docker_worker.child.process import Death, KillReason
from docker_worker.limits import TaskLimits
from docker_worker.memory import mib

BY_THE_WORKER = frozenset({KillReason.HURRIED, KillReason.ABANDONED, KillReason.RECYCLED, KillReason.CLOSED})


class NotBegun(CoreMachineError):
    """The child ended before it began with a call, and not for the call's sake."""

    code = "HANDLER_NOT_STARTED"


class Evidence(NamedTuple):
    """Seconds and bytes. ``began``: whether the handler was called; ``seconds`` since it was asked for."""

    death: Death
    began: bool
    seconds: float
    timeout: float
    grace: float
    peak: int
    limits: TaskLimits
    oom_kills: int


def was_stopped(death: Death) -> HandlerLost | None:
    """The error for a child that the worker ended for its own sake."""
    return _stopped() if death.killed in BY_THE_WORKER else None


def why_lost(evidence: Evidence) -> CoreMachineError:
    """The error that a call ends with. Its text holds nothing that the child wrote."""
    match evidence.death.killed:
        case None | KillReason.PROTOCOL | KillReason.NOT_STARTED:
            return _died(evidence)
        case KillReason.STOP_IGNORED:
            return LeaseLost("the task is no longer this worker's, and its handler did not stop: it was killed")
        case KillReason.DEADLINE | KillReason.MEMORY | KillReason.SCRATCH as reason:
            return _exceeded(reason, evidence)
        case KillReason.HURRIED | KillReason.ABANDONED | KillReason.RECYCLED | KillReason.CLOSED:
            return _stopped()
        case reason:
            assert_never(reason)


def _stopped() -> HandlerLost:
    return HandlerLost("HANDLER_STOPPED", "the worker ended before the handler did", charged=False)


def _died(evidence: Evidence) -> CoreMachineError:
    how = f"the handler's process {evidence.death.describe()}"
    if not evidence.began and evidence.death.killed is None:
        return NotBegun(f"{how} before it called the handler")
    message = f"{how} after {evidence.seconds:.1f} s, with {mib(evidence.peak)} MiB when it was last looked at"
    if evidence.oom_kills > 0:
        message += "; the kernel killed a process of this container for want of memory meanwhile"
    return HandlerLost("HANDLER_DIED", message)


def _exceeded(
    reason: Literal[KillReason.DEADLINE, KillReason.MEMORY, KillReason.SCRATCH], evidence: Evidence
) -> HandlerLost:
    match reason:
        case KillReason.DEADLINE:
            text = f"the handler did not end within {evidence.timeout:g} s, nor {evidence.grace:g} s after"
            return HandlerLost("DEADLINE_EXCEEDED", f"{text}: it was killed")
        case KillReason.MEMORY:
            had, may = mib(evidence.peak), mib(evidence.limits.memory_bytes)
            return HandlerLost("MEMORY_EXCEEDED", f"the handler took {had} MiB, where it may have {may}: it was killed")
        case KillReason.SCRATCH:
            may = mib(evidence.limits.scratch_bytes)
            return HandlerLost("SCRATCH_FULL", f"the handler's files took more than {may} MiB: it was killed")
        case _:
            assert_never(reason)
