"""A priority queue whose entries can be moved and removed by their key."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

P = TypeVar("P", bound=Any)
K = TypeVar("K", bound=Any)

SLACK = 64
"""Entries that may be out of date before it is worth looking whether they are the most part."""


class PriorityMap(Generic[P, K]):
    """Keys with a priority each, the lowest first, those of the same priority in the order of the keys.

    Setting and popping take O(log n) and discarding O(1), amortized: what is out of date in the heap is skipped when it
    comes up, and swept when it is more than half.
    """

    __slots__ = ("_heap", "_priority")

    def __init__(self) -> None:
        self._priority: dict[K, P] = {}
        self._heap: list[tuple[P, K]] = []

    def __len__(self) -> int:
        return len(self._priority)

    def __contains__(self, key: K) -> bool:
        return key in self._priority

    def set(self, key: K, priority: P) -> None:
        if self._priority.get(key) == priority:
            return
        self._priority[key] = priority
        heapq.heappush(self._heap, (priority, key))
        self._sweep()

    def discard(self, key: K) -> None:
        if self._priority.pop(key, None) is not None:
            self._sweep()

    def may_have(self, limit: P) -> bool:
        """False only where no priority is ``limit`` or lower."""
        return bool(self._heap) and self._heap[0][0] <= limit

    def first(self) -> tuple[P, K] | None:
        """The lowest priority with its key; None where there is nothing."""
        heap = self._heap
        while heap:
            priority, key = heap[0]
            if self._priority.get(key) == priority:
                return heap[0]
            heapq.heappop(heap)
        return None

    def next(self) -> P | None:
        """The lowest priority."""
        first = self.first()
        return None if first is None else first[0]

    def pop(self) -> K | None:
        """Remove the first and give its key; None where there is nothing."""
        first = self.first()
        if first is None:
            return None
        heapq.heappop(self._heap)
        del self._priority[first[1]]
        return first[1]

    def pop_until(self, limit: P) -> Iterator[K]:
        """Remove and give, one at a time, the keys whose priority is at most ``limit``."""
        while (first := self.first()) is not None and first[0] <= limit:
            self.pop()
            yield first[1]

    def _sweep(self) -> None:
        if len(self._heap) > 2 * len(self._priority) + SLACK:
            self._heap = [(priority, key) for key, priority in self._priority.items()]
            heapq.heapify(self._heap)
