"""What the test endpoints allow, and the rate limit."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HarnessLimits:
    """Bounds of the test endpoints: bytes, seconds, calls.

    ``rate_per_minute`` and ``burst`` are over all callers. A call holds its place in ``max_concurrency``
    until its handler has returned, even where the caller was told ``HARNESS_TIMEOUT`` before. ``history`` calls
    are remembered for ``GET test/state`` and ``GET test/messages``, as far as they fit compressed into
    ``max_history_bytes``.
    """

    max_body_bytes: int = 32 * 1024 * 1024
    timeout_seconds: float = 200.0
    max_concurrency: int = 4
    rate_per_minute: float = 600.0
    burst: int = 60
    max_tasks: int = 10_000
    max_messages: int = 200_000
    max_state_bytes: int = 64 * 1024 * 1024
    max_blob_bytes: int = 256 * 1024 * 1024
    max_artifact_bytes: int = 48 * 1024 * 1024
    history: int = 10
    max_history_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: more than 0")


class TokenBucket:
    """Admits ``burst`` calls at once and ``rate_per_minute`` over time. Safe for threads."""

    def __init__(self, rate_per_minute: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._rate = rate_per_minute / 60.0
        self._burst = float(burst)
        self._tokens = float(burst)
        self._monotonic = monotonic
        self._at = monotonic()
        self._lock = threading.Lock()

    def take(self) -> int:
        """0 where the call is admitted, else the whole seconds after which to try again."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            if self._tokens >= 1.0:
                self._tokens -= 1.0
                return 0
            return max(1, math.ceil((1.0 - self._tokens) / self._rate))
