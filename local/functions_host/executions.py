"""The two lines that a developer reads about each call of a function: that it began, and how it ended.

They hold the function's name, what started it, the beginning of the call's id, and the duration; a failure has its
traceback. There is no query of a request in them, which may hold a key, and no body.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

SHOWN_ID = 8  # characters, enough to find both lines of one call
_log = logging.getLogger(__name__)


class Execution:
    """One call; made when it begins. ``now`` is in seconds, from any start."""

    def __init__(self, function: str, reason: str, invocation_id: str, now: Callable[[], float] = time.perf_counter):
        self._function = function
        self._reason = reason
        self._id = invocation_id[:SHOWN_ID]
        self._now = now
        self._began = now()
        _log.info("Executing %s (%s, Id=%s)", function, reason, self._id)

    def succeeded(self, detail: str = "") -> None:
        _log.info(self._ended("Succeeded", detail))

    def failed(self, why: str, error: BaseException | None = None) -> None:
        """``why`` is one line; ``error`` is shown with its traceback."""
        _log.error("%s: %s", self._ended("Failed"), why, exc_info=error)

    def cut_off(self) -> None:
        _log.warning(self._ended("Cut off"))

    def _ended(self, outcome: str, detail: str = "") -> str:
        milliseconds = (self._now() - self._began) * 1000
        reason = f"{self._reason} {detail}" if detail else self._reason
        return f"Executed {self._function} ({outcome}, {reason}, {milliseconds:.0f} ms, Id={self._id})"
