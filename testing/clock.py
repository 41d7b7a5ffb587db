"""Clocks that a test moves, and ids that repeat."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Protocol

from core.ports import Clock

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


class AdvanceableClock(Clock, Protocol):
    """A clock that a test moves."""

    def advance(self, seconds: float) -> None: ...


class FakeClock:
    """Stands still until it is advanced."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now += timedelta(seconds=seconds)


class SkippingClock:
    """Another clock, plus all that was skipped: waits cost nothing, and work costs what it costs."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self._skipped = timedelta()

    def now(self) -> datetime:
        return self._base.now() + self._skipped

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._skipped += timedelta(seconds=seconds)


class SeededIds:
    """Ids and jitter that are the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def jitter(self) -> float:
        return self._random.random()
