"""Opening what strangers made: a document that its processes die of is known to be one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from core.boundary import guarded
from core.context import StopReason, TaskContext
from core.errors import LeaseLost
from handlers.document.errors import DocumentCrashed
from handlers.document.page_ledger import MAX_STRIKES, OWN_STRIKES

OPENING = "opening"
LOOK_SECONDS = 0.5

T = TypeVar("T")


def opened_under_guard(context: TaskContext, call: Callable[[], T]) -> T:
    """What ``call`` gives or raises; an attempt that does not survive it is counted in the task's checkpoint.

    As a page's, a death is one strike, since most are somebody else's doing, a deadline that passes meanwhile is three,
    and with six it is not tried again. Each costs the task no attempt, as it has a checkpoint of its own. Raises
    :class:`DocumentCrashed`.
    """
    strikes = context.checkpoint.get_data(OPENING, 0)
    assert isinstance(strikes, int)
    if strikes >= MAX_STRIKES:
        raise DocumentCrashed("processes that opened the document died, or ran out of memory or time")
    context.checkpoint.save(OPENING, {OPENING: strikes + 1})
    done = threading.Event()
    watch = threading.Thread(target=_see_deadline, args=(context, strikes, done), name="deadline", daemon=True)
    watch.start()
    try:
        return call()
    finally:
        done.set()
        watch.join()


def _see_deadline(context: TaskContext, strikes: int, done: threading.Event) -> None:
    """The process is killed soon, and another must know why."""
    while not done.wait(LOOK_SECONDS):
        if context.stop_reason == StopReason.DEADLINE:
            with suppress(LeaseLost):  # whoever has the lease now counts
                guarded(context.checkpoint.save, OPENING, {OPENING: strikes + OWN_STRIKES})
            return
