"""Waiting for a child that has just been started: it loads the handlers, and the models that they will need."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.context import NO_LONGER_OURS
from core.errors import LeaseLost
from core.outcome import Interrupted
from core.runner import HandlerCall
from docker_worker.child.evidence import NotBegun, was_stopped
from docker_worker.child.patience import Patience
from docker_worker.child.process import ChildProcess, KillReason
from docker_worker.child.protocol import Ready


def wait_until_ready(
    child: ChildProcess,
    call: HandlerCall,
    patience: Patience,
    while_waiting: Callable[[], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Interrupted | None:
    """``None`` once it is. Where ``call`` is told to stop before that, the child goes on loading for the next one.

    Raises :class:`core.errors.LeaseLost` where the call is no longer ours, and :class:`NotBegun`.
    """
    until = monotonic() + patience.start
    while not child.ready:
        frame = child.take(patience.look)
        if isinstance(frame, Ready):
            child.ready = True
        elif child.ended:
            raise was_stopped(child.death()) or NotBegun(f"{child.death().describe()} before it was ready")
        elif frame is not None or monotonic() > until:
            child.kill(KillReason.NOT_STARTED if frame is None else KillReason.PROTOCOL)
            if not child.wait(patience.end):
                raise NotBegun(f"{child.death().describe()} before it was ready")
        elif call.stop.reason is not None:
            return _told_to_stop(call.stop.reason)
        while_waiting()
    return None


def _told_to_stop(reason: str) -> Interrupted:
    if reason in NO_LONGER_OURS:
        raise LeaseLost("the task is no longer this worker's")
    return Interrupted(reason)
