"""The world's time, and what each actor takes it for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from testing.clock import EPOCH

if TYPE_CHECKING:
    from testing.simulation.worker import Worker


class WorldClock:
    """The bus's time, and the one that all others are measured by. ``seconds`` counts from the world's start."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._now = EPOCH

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self.seconds += seconds
        self._now = EPOCH + timedelta(seconds=self.seconds)

    def seconds_until(self, when: datetime) -> float:
        return (when - self._now).total_seconds()

    def skewed(self, seconds: float) -> ActorClock:
        """A clock that is ``seconds`` ahead of this one."""
        return ActorClock(self, timedelta(seconds=seconds))


class ActorClock:
    """:class:`core.ports.Clock` of an actor. A handler reaches the worker that calls it through ``worker``."""

    worker: Worker

    def __init__(self, world: WorldClock, skew: timedelta) -> None:
        self._world = world
        self._skew = skew

    def now(self) -> datetime:
        return self._world.now() + self._skew
