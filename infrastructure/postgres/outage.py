"""When to try again to connect to a server that is away, and what the log is told of it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock

from core.errors import CoreMachineError

_log = logging.getLogger(__name__)

SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
"""Seconds from one try to the next. The longest is half of what a call waits for a connection (10 s by default), so
that each call that waits sees a try of its own."""

TOLD_EVERY = 30.0
"""Seconds from one line of the log to the next, while an outage lasts."""


@dataclass(slots=True)
class _Outage:
    began: float
    told: float
    due: float
    pause: float
    tries: int = 1


class Reconnection:
    """For the threads of a pool that connect: while the server is away one of them tries, and pauses between tries.

    The pause doubles from :data:`SHORTEST_PAUSE` to :data:`LONGEST_PAUSE`, less up to a half by chance, so that the
    processes that lost the same server do not come back to it at the same time. ``wait`` waits for the event of
    closing up to a number of seconds; ``chance`` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        address: str = "",
        monotonic: Callable[[], float] = time.monotonic,
        wait: Callable[[Event, float], bool] = Event.wait,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._address = address
        self._monotonic = monotonic
        self._wait = wait
        self._chance = chance
        self._lock = Lock()
        self._closed = Event()
        self._outage: _Outage | None = None
        self._trying = False

    def my_turn(self) -> bool:
        """Whether to connect, told when it is time to. Not where another thread is at it, or after :meth:`close`.

        Who is told to has to say how it ended: :meth:`failed`, :meth:`succeeded`, or :meth:`broke_off` where that says
        nothing of the server.
        """
        with self._lock:
            if self._outage is None:
                return not self._closed.is_set()
            if self._trying:
                return False
            self._trying = True
            pause = self._outage.due - self._monotonic()
        if pause > 0:
            self._wait(self._closed, pause)
        return not self._closed.is_set()

    def failed(self, error: CoreMachineError) -> None:
        now = self._monotonic()
        with self._lock:
            self._trying = False
            outage = self._outage
            if outage is None:
                outage = self._outage = _Outage(now, now, now + self._shortened(SHORTEST_PAUSE), SHORTEST_PAUSE)
                event = "database_away"
            else:
                self._count(outage, now)
                if now < outage.told + TOLD_EVERY:
                    return
                outage.told = now
                event = "database_still_away"
        _log.warning(event, extra=self._facts(outage, now) | {"code": error.code, "error": error.message})

    def succeeded(self) -> None:
        with self._lock:
            self._trying = False
            outage, self._outage = self._outage, None
        if outage is not None:
            _log.warning("database_back", extra=self._facts(outage, self._monotonic()))

    def broke_off(self) -> None:
        with self._lock:
            self._trying = False

    @property
    def pausing(self) -> bool:
        """Whether the last try failed so lately that the next is not due: what was wrong then is wrong still."""
        with self._lock:
            return self._outage is not None and self._monotonic() < self._outage.due

    def close(self) -> None:
        """End the pauses; nobody is told to connect any more."""
        self._closed.set()

    def _count(self, outage: _Outage, now: float) -> None:
        """Tries that began together before the outage was known fail together, and are one."""
        outage.tries += 1
        if now >= outage.due:
            outage.pause = min(2 * outage.pause, LONGEST_PAUSE)
            outage.due = now + self._shortened(outage.pause)

    def _shortened(self, pause: float) -> float:
        return pause * (1 - self._chance() / 2)

    def _facts(self, outage: _Outage, now: float) -> dict[str, object]:
        return {"address": self._address, "seconds": round(now - outage.began, 1), "tries": outage.tries}


class PoolsOwnWords(logging.Filter):
    """Leaves out psycopg's line for each try that fails: an outage is told once, by :class:`Reconnection`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("error connecting in", "reconnection attempt in"))


NO_LINE_A_TRY = PoolsOwnWords()
"""One object, so that a logger that has it already stays as it is."""
