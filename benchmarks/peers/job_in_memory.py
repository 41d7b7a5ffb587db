"""One job of one asyncio process: how many of its tasks ran, what they gave, and whether it is done.

Only the process itself knows it. That is less than a system must remember to survive a crash, and the least that
finding the last task can cost; the systems without a fan-in of their own are given it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class JobInMemory:
    number: int
    tasks: int
    stored: bool
    ran: int = 0
    total: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, number: int) -> bool:
        """Note what a task gave; whether it was the last."""
        self.ran += 1
        self.total += number
        return self.ran == self.tasks
