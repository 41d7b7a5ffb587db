"""The real clock and the real source of ids."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime


class SystemClock:
    """:class:`core.ports.Clock` from the operating system."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """:class:`core.ports.IdSource` from the operating system's random numbers."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def jitter(self) -> float:
        return self._random.random()
