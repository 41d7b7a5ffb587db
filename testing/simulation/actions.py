"""What may happen at a step, to a message on its way, and inside a handler. 0 is always: nothing."""

from __future__ import annotations

from enum import IntEnum


class Action(IntEnum):
    """What happens at a step of an actor: at each call that it makes to store, bus or blobs.

    From :attr:`PREEMPT` on, another actor goes on first: the ``action - PREEMPT + 1``-th after this one.
    """

    GO = 0
    CRASH_BEFORE = 1
    CRASH_AFTER = 2
    REFUSE = 3
    REPORT_FAILURE = 4
    SEND_HALF = 5
    STALL_BRIEFLY = 6
    STALL_PAST_THE_LEASE = 7
    STALL_LONG = 8
    TICK = 9
    TICK_PAST_THE_LEASE = 10
    STOP = 11
    REORDER = 12
    PREEMPT = 13


class MessageFault(IntEnum):
    """What happens to a message that the bus has accepted."""

    NONE = 0
    LOSE = 1
    DUPLICATE = 2
    DELAY = 3
    DELAY_LONG = 4
    DUPLICATE_LATE = 5


class Conduct(IntEnum):
    """How a handler behaves. ``FAIL_FINALLY`` counts as ``SUCCEED`` in a job that must not fail."""

    SUCCEED = 0
    FAIL = 1
    FAIL_FINALLY = 2
    RETRY_LATER = 3
    INTERRUPT = 4
    IGNORE_THE_LOST_LEASE = 5


STALLS = {Action.STALL_BRIEFLY: 20.0, Action.STALL_PAST_THE_LEASE: 75.0, Action.STALL_LONG: 300.0}
"""Seconds for which an actor does not run while others do and the clock moves."""

TICKS = {Action.TICK: 5.0, Action.TICK_PAST_THE_LEASE: 70.0}
"""Seconds by which the clock moves while nothing runs."""

DELAYS = {
    MessageFault.DELAY: 15.0,
    MessageFault.DELAY_LONG: 250.0,
    MessageFault.DUPLICATE: 0.0,
    MessageFault.DUPLICATE_LATE: 150.0,
}
"""Seconds after which a message, or its copy, arrives."""


def label(kind: IntEnum) -> str:
    return kind.name.lower().replace("_", " ")
