"""How long the worker waits for its child."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a child to be ready; after a handler's timeout; after a task that is no longer ours was told to
    stop; for a killed child's end; and between two looks at a task that runs.
    """

    start: float = 120.0
    deadline: float = 10.0
    stop: float = 10.0
    end: float = 10.0
    look: float = 0.25
