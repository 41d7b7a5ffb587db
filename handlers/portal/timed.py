"""A stage's call, bounded in time and measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from core.boundary import guarded
from core.context import NO_LONGER_OURS, TaskContext
from core.errors import LeaseLost
from core.outcome import Failed, Interrupted, describe
from handlers.portal.codes import Stage
from handlers.portal.errors import StageTimeout

LOOK_SECONDS = 0.25
"""How often whoever waits looks whether the task is still ours."""

T = TypeVar("T")


class Timed(NamedTuple, Generic[T]):
    """What a call came to, with the milliseconds that it took: of the wall's clock, and of CPU over all threads."""

    result: T
    wall_ms: float
    cpu_ms: float


def timed(stage: Stage, seconds: float, call: Callable[[], T], context: TaskContext) -> Timed[T | Failed] | Interrupted:
    """``call``, waited for ``seconds`` at most, or as long as the task is ours.

    Nothing can end a thread: what takes too long goes on for nobody, in a process that ends soon. Raises
    :class:`core.errors.LeaseLost`.
    """
    caught: list[T | Failed | LeaseLost] = []
    thread = threading.Thread(target=lambda: caught.append(_caught(call)), name=f"stage-{stage}", daemon=True)
    wall, cpu = time.perf_counter(), time.process_time()
    thread.start()
    while thread.is_alive() and time.perf_counter() - wall < seconds:
        thread.join(min(LOOK_SECONDS, max(0.0, seconds - (time.perf_counter() - wall))))
        if thread.is_alive() and context.stop_reason in NO_LONGER_OURS:
            return Interrupted(context.stop_reason or "")
    took = (round((time.perf_counter() - wall) * 1_000, 3), round((time.process_time() - cpu) * 1_000, 3))
    if not caught:
        late = StageTimeout(f"{stage} took longer than {seconds:g} s", seconds=seconds)
        return Timed(Failed(describe(late), late), *took)
    if isinstance(caught[0], LeaseLost):
        raise caught[0]
    return Timed(caught[0], *took)


def _caught(call: Callable[[], T]) -> T | Failed | LeaseLost:
    try:
        return guarded(call)
    except LeaseLost as lost:
        return lost
