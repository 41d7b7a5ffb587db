"""The queues of the simulation's jobs."""

from __future__ import annotations

from core.queues import QueueNames

QUEUES = (QueueNames().jobs, QueueNames().tasks)
