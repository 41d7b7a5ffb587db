"""Plans: how likely each fault is. Each takes some faults and leaves the others out.

A world in which everything goes wrong at once hides what one kind of fault alone would show (Groce and others, "Swarm
Testing", ISSTA 2012), so the plans differ, and a seed picks one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from testing.simulation.actions import Action, Conduct, MessageFault

PLAN_COUNT = 64

STEP_WEIGHTS: Mapping[int, tuple[int, ...]] = {
    Action.CRASH_BEFORE: (1, 3, 6),
    Action.CRASH_AFTER: (1, 3, 6),
    Action.REFUSE: (1, 3, 8),
    Action.REPORT_FAILURE: (1, 3, 8),
    Action.SEND_HALF: (3, 10),
    Action.STALL_BRIEFLY: (2, 6),
    Action.STALL_PAST_THE_LEASE: (2, 5, 10),
    Action.STALL_LONG: (1, 3),
    Action.TICK: (2, 6),
    Action.TICK_PAST_THE_LEASE: (1, 4),
    Action.STOP: (2, 8),
    Action.REORDER: (4, 16),
    Action.PREEMPT: (4, 16, 40),
    Action.PREEMPT + 1: (4, 16, 30),
    Action.PREEMPT + 2: (4, 16),
    Action.PREEMPT + 3: (2, 8),
    Action.PREEMPT + 4: (2, 8),
}
MESSAGE_WEIGHTS: Mapping[int, tuple[int, ...]] = {
    MessageFault.LOSE: (6, 25),
    MessageFault.DUPLICATE: (12, 60),
    MessageFault.DELAY: (12, 40),
    MessageFault.DELAY_LONG: (6, 20),
    MessageFault.DUPLICATE_LATE: (6, 25),
}
CONDUCT_WEIGHTS: Mapping[int, tuple[int, ...]] = {
    Conduct.FAIL: (12, 50),
    Conduct.FAIL_FINALLY: (12, 50),
    Conduct.RETRY_LATER: (8, 25),
    Conduct.INTERRUPT: (12, 50),
    Conduct.IGNORE_THE_LOST_LEASE: (25, 60),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Three tables of 256 entries, from a byte at random to what happens."""

    steps: bytes
    messages: bytes
    conduct: bytes


def _table(random: Random, weights: Mapping[int, tuple[int, ...]], share: float) -> bytes:
    """Takes each kind with the chance ``share``, in one of its weights of 256; the rest is benign."""
    taken = [(kind, random.choice(choices)) for kind, choices in weights.items() if random.random() < share]
    entries = b"".join([bytes([kind]) * weight for kind, weight in taken])
    return bytes(256 - len(entries)) + entries


def _plan(number: int) -> Plan:
    random = Random(number)
    return Plan(
        _table(random, STEP_WEIGHTS, 0.45), _table(random, MESSAGE_WEIGHTS, 0.4), _table(random, CONDUCT_WEIGHTS, 0.4)
    )


PLANS = tuple(map(_plan, range(PLAN_COUNT)))
