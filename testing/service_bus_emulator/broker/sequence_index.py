"""Sequence numbers in ascending order, for those who browse."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterator
from itertools import takewhile

SLACK = 64
"""Numbers that may be gone before it is worth sweeping them out."""


class SequenceIndex:
    """Numbers that are mostly added at the end, and taken away anywhere, most at the beginning.

    Taking away is not told, only counted: ``present`` says what is there, and what is gone is swept out once it is
    more than half, at the beginning whenever somebody looks. So adding at the end and taking away are O(1), amortized.
    """

    __slots__ = ("_gone", "_numbers")

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._gone = 0

    def add(self, number: int) -> None:
        if self._numbers and number < self._numbers[-1]:
            insort(self._numbers, number)
        else:
            self._numbers.append(number)

    def removed(self, present: Container[int]) -> None:
        """One of the numbers is gone; ``present`` holds those that are not."""
        self._gone += 1
        if 2 * self._gone > len(self._numbers) + SLACK:
            self._numbers = [number for number in self._numbers if number in present]
            self._gone = 0

    def since(self, number: int, present: Container[int]) -> Iterator[int]:
        """The numbers from ``number`` on, ascending. Nothing may be added or removed meanwhile."""
        self._trim(present)
        for index in range(bisect_left(self._numbers, number), len(self._numbers)):
            if self._numbers[index] in present:
                yield self._numbers[index]

    def _trim(self, present: Container[int]) -> None:
        gone = sum(1 for _ in takewhile(lambda number: number not in present, self._numbers))
        if gone:
            del self._numbers[:gone]
            self._gone -= gone
