"""What all processes of a chaos run share: a folder, a database, a bus, and a time that runs faster than the wall's."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from core.reconciler import ReconcilerPolicy
from testing.clock import EPOCH
from testing.mock_bus import QueueRules

SPEED = 20.0
"""Seconds that pass for the system in one of the wall's. Leases, locks, windows and pauses have the lengths that they
have in production, or nearly, and what a kill leaves behind is taken up in two seconds."""

RULES = QueueRules(lock_seconds=40.0, duplicate_window=40.0)
POLICY = ReconcilerPolicy(unpublished_after=10.0, stale_after=60.0)
RECONCILE_SECONDS = 10.0
"""Between two passes of one process."""


class FastClock:
    """:class:`core.ports.Clock`: the same in all processes, and ``speed`` times as fast as the wall's."""

    def __init__(self, started: float, speed: float) -> None:
        """``started``: the wall's time, in seconds since 1970, at which it shows :data:`testing.clock.EPOCH`."""
        self._started = started
        self._speed = speed

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=(time.time() - self._started) * self._speed)


@dataclass(frozen=True, slots=True)
class Setting:
    """``folder`` is private to the run; ``started`` is the wall's time."""

    folder: str
    database_url: str
    seed: int
    started: float
    speed: float = SPEED

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    def clock(self) -> FastClock:
        return FastClock(self.started, self.speed)

    @property
    def bus_address(self) -> str:
        return str(Path(self.folder) / "bus.sock")

    @property
    def effects(self) -> Path:
        return Path(self.folder) / "effects.log"

    def log_of(self, name: str) -> Path:
        return Path(self.folder) / f"{name}.log"
