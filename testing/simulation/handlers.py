"""The handlers of the simulation: they compute a number, and on the way do what the script says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from core.context import TaskContext
from core.errors import CoreMachineError, LeaseLost, TaskError, TransientTaskError
from core.outcome import Interrupted, RetryLater
from testing.simulation.actions import Conduct

if TYPE_CHECKING:
    from testing.simulation.call import Call
    from testing.simulation.clocks import ActorClock

CALLED_AGAIN_AFTER = 5.0
"""Seconds."""

Answer = RetryLater | Interrupted


class Number(BaseModel):
    """``call`` is the call of a handler that made it; 0: none."""

    value: int
    call: int = 0


class Numbers(BaseModel):
    values: list[int]
    calls: list[int]


def double(params: Number, context: TaskContext) -> Number | RetryLater | Interrupted:
    return _perform(context, 2 * params.value)


def increment(params: Number, context: TaskContext) -> Number | RetryLater | Interrupted:
    return _perform(context, params.value + 1)


def add(params: Numbers, context: TaskContext) -> Number | RetryLater | Interrupted:
    return _perform(context, sum(params.values))


def _perform(context: TaskContext, value: int) -> Number | RetryLater | Interrupted:
    """Work in the worker's world, which the context's clock belongs to, and leave word with its witness."""
    worker = cast("ActorClock", context.clock).worker
    call = worker.begin(context)
    try:
        worker.pause()
        _write(context, call)
        answer = _answer(context, call)
    except CoreMachineError as error:
        call.raised(error)
        raise
    if answer is not None:
        call.answered(answer, context.stop_reason)
        return answer
    number = Number(value=value, call=call.number)
    call.succeeded(number)
    return number


def _write(context: TaskContext, call: Call) -> None:
    try:
        if context.stage == 1:
            call.worker.heartbeat(call.lease)
            context.blobs.put(f"calls/{call.number}", b"done", "text/plain")
        elif not context.checkpoint.should_skip("half"):
            context.checkpoint.save("half", {"call": call.number})
            context.report_progress(50.0)
    except LeaseLost:
        if call.conduct is not Conduct.IGNORE_THE_LOST_LEASE:
            raise


def _answer(context: TaskContext, call: Call) -> Answer | None:
    match call.conduct:
        case Conduct.FAIL:
            raise TransientTaskError("the script says so")
        case Conduct.FAIL_FINALLY:
            raise TaskError("the script says so")
        case Conduct.RETRY_LATER:
            return RetryLater(CALLED_AGAIN_AFTER)
        case Conduct.INTERRUPT:
            return Interrupted("the script says so")
        case _:
            return Interrupted(context.stop_reason or "") if context.should_stop else None
