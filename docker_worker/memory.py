"""How much memory a task may have, and how near to it a task is."""

from __future__ import annotations

from enum import StrEnum

MIB = 1024 * 1024

NEAR_SHARE = 0.9
"""Of a limit: from here on a task is told to save what it has and to stop."""

RESERVE_SHARE = 0.15
LEAST_RESERVE = 256 * MIB
"""What is kept of a container's limit for the process that watches: it holds connections and a web server."""

MACHINE_SHARE = 0.85
"""Of the machine's memory, where no container has a limit."""


class Verdict(StrEnum):
    FINE = "fine"
    NEAR = "near"
    OVER = "over"


def verdict(used: int, limit: int) -> Verdict:
    """Of ``used`` bytes, where ``limit`` may be had."""
    if used > limit:
        return Verdict.OVER
    return Verdict.NEAR if used >= limit * NEAR_SHARE else Verdict.FINE


def task_memory(configured: int, container: int | None, machine: int) -> int:
    """The bytes that a task's processes may have together.

    ``configured`` where it is not 0; else what the ``container``'s limit leaves beside a reserve, which is never more
    than half of it; else a share of the ``machine``'s.
    """
    if configured:
        return configured
    if container is None:
        return int(machine * MACHINE_SHARE)
    reserve = max(LEAST_RESERVE, int(container * RESERVE_SHARE))
    return container - min(reserve, container // 2)


def mib(size: int) -> int:
    """``size`` bytes in MiB, rounded up: what is more than a limit is so in MiB, too."""
    return -(-size // MIB)
