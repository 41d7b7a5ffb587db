"""When a failed attempt is tried again: exponential backoff with full jitter, bounded three ways.

Full jitter draws the delay uniformly from zero to the exponential cap, which spreads a herd of
retries best (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

from core.outcome import ErrorInfo

MAX_DELAY = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds on the tries of one task.

    ``max_attempts`` counts charged attempts, the first included. ``base`` and ``cap`` are seconds, at most a week:
    the n-th retry waits ``uniform(0, min(cap, base * 2**(n-1)))``. An error whose code is in
    ``non_retryable`` is final, whatever its class says.
    """

    max_attempts: int = 3
    base: float = 2.0
    cap: float = 300.0
    non_retryable: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        if not 0 <= self.base <= self.cap <= MAX_DELAY:
            raise ValueError(f"base must be between 0 and cap, and cap at most {MAX_DELAY}")

    def permits(self, error: ErrorInfo, charged: int) -> bool:
        """Whether an attempt that ended with ``error``, the ``charged``-th to count, may be followed by another."""
        return error.retryable and error.code not in self.non_retryable and charged < self.max_attempts

    def delay(self, charged: int, jitter: float) -> float:
        """Seconds before the next attempt, after ``charged`` attempts. ``jitter`` is uniform in [0, 1)."""
        exponent = min(charged - 1, 62)
        return jitter * min(self.cap, self.base * 2.0**exponent)


NO_RETRY = RetryPolicy(max_attempts=1)
