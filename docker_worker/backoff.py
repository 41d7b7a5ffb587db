"""How long to wait for something that is away, each time longer."""

from __future__ import annotations

from collections.abc import Callable

from core.worker import MAX_PAUSE_SECONDS, pause_after


class Backoff:
    """Doubles from failure to failure up to ``longest`` seconds; ``jitter``, uniform in [0, 1), takes off up to a half,
    so that those who lost the same thing do not all ask for it at once.
    """

    def __init__(self, jitter: Callable[[], float], longest: float = MAX_PAUSE_SECONDS) -> None:
        self._jitter = jitter
        self._longest = longest
        self._failures = 0

    @property
    def failing(self) -> bool:
        return self._failures > 0

    def failed(self) -> float:
        """Seconds to wait before the next try."""
        self._failures += 1
        return min(self._longest, pause_after(self._failures)) * (1 - self._jitter() / 2)

    def answered(self) -> None:
        self._failures = 0
