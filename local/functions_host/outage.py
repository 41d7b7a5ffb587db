"""One broker that is away, seen by several lanes: a line when it goes, a line when it is back, a wait between tries."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import timedelta

FIRST_WAIT, LONGEST_WAIT = timedelta(milliseconds=250), timedelta(seconds=10)
_log = logging.getLogger(__name__)


def retry_wait(failures: int, jitter: float) -> timedelta:
    """Doubles with each failure in a row (1 is the first); ``jitter`` from 0 to 1 takes off up to half."""
    whole = min(FIRST_WAIT * (1 << min(failures - 1, 16)), LONGEST_WAIT)
    return whole * (1 - jitter / 2)


class Outage:
    """``what`` names the source in the log. For one event loop."""

    def __init__(
        self, what: str, now: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ):
        self._what = what
        self._now = now
        self._jitter = jitter
        self._since: float | None = None
        self._over = asyncio.Event()

    @property
    def is_on(self) -> bool:
        return self._since is not None

    def failed(self, error: BaseException, failures: int) -> timedelta:
        """Call it at each failed try; how long to wait with the next."""
        if self._since is None:
            self._since = self._now()
            self._over.clear()
            _log.warning("%s: not reached, trying again until it is: %s", self._what, one_line(error))
        return retry_wait(failures, self._jitter())

    def worked(self) -> None:
        """Call it at each try that worked; the others that wait are woken."""
        if self._since is not None:
            _log.warning("%s: reached again after %.0f s", self._what, self._now() - self._since)
            self._since = None
            self._over.set()

    async def wait(self, longest: timedelta, stop: asyncio.Event) -> None:
        """Until ``longest`` has passed, the outage is over, or ``stop`` is set."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._over, stop)]
        try:
            await asyncio.wait(waits, timeout=longest.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def one_line(error: BaseException) -> str:
    """The error's class and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
