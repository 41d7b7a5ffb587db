"""Which pages of a task are finished, which are under way, and which were when a process died."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection

from core.context import CheckpointManager, TaskContext

MAX_STRIKES = 6
"""With so many strikes a page is not begun again.

A page under way in a process that died gets one, and is read alone from then on, so that a page which kills its
process does so by itself. Most processes die of something else (a worker is killed, a machine goes away), which may
well hit the same page some times in a row: a page that loses its process five times is still read.
"""

OWN_STRIKES = 3
"""What a page gets for what is surely its own doing: it ran out of memory, or took longer than it may, be it by the
task's deadline."""

BEGUN = "begun"
SLOW = "slow"


class PageLedger:
    """Hands out pages, and keeps in the task's checkpoint what is known of them. For several threads.

    The checkpoint has a phase for each finished page, with the seconds that it took, the strikes of those that are
    begun and not finished, and which of them were too slow. It is written before a page is begun and after it is
    finished, which is one write where a thread goes on to the next page: a task costs a write a page, and some at its
    beginning and its end.
    """

    def __init__(self, context: TaskContext, pages: int, left: Collection[int]) -> None:
        """Of so many ``pages`` these are ``left`` to be read, in that order."""
        self._context = context
        self._pages = pages
        self._finished = pages - len(left)
        self._lock = threading.Lock()
        self._closed = False
        saved = context.checkpoint.get_data(BEGUN, {})
        assert isinstance(saved, dict)
        self._strikes = {number: saved[str(number)] for number in left if str(number) in saved}
        self._suspects = deque(self._strikes)
        self._others = deque(number for number in left if number not in self._strikes)
        self._under_way: dict[int, int] = {}
        slow = context.checkpoint.get_data(SLOW, [])
        assert isinstance(slow, list)
        self._slow = {number for number in self._strikes if number in slow}

    @property
    def suspicious(self) -> bool:
        """Whether there are pages that are to be read alone."""
        with self._lock:
            return bool(self._suspects) or any(before for before in self._under_way.values())

    @property
    def all_finished(self) -> bool:
        with self._lock:
            return self._finished == self._pages

    def close(self) -> None:
        """Hand out no more pages."""
        with self._lock:
            self._closed = True

    def begin(self) -> int | None:
        """The next page, those to be read alone first. ``None``: none is left, or the task is to stop."""
        with self._lock:
            number = self._next()
            if number is not None:
                self._save(BEGUN)
            return number

    def finish(self, number: int, seconds: float) -> int | None:
        """A page was read and stored, in so many seconds. What follows is as :meth:`begin` has it."""
        with self._lock:
            del self._under_way[number]
            self._strikes.pop(number, None)
            self._slow.discard(number)
            following = self._next()
            self._save(phase(number), seconds)
            self._finished += 1
            share = 100 * self._finished / self._pages
            self._context.report_progress(share, f"page {self._finished} of {self._pages}")
            return following

    def gave_up(self, number: int) -> bool:
        """Whether a page that was handed out has killed too many processes to be begun again, or was too slow twice."""
        return self._under_way[number] >= MAX_STRIKES

    def was_slow(self, number: int) -> bool:
        """Whether a page took longer than it may before."""
        return number in self._slow

    def drop(self, number: int) -> None:
        """A page was not read after all, for no fault of its own."""
        with self._lock:
            self._end(number, self._under_way[number])

    def blame(self, number: int) -> None:
        """A page was not read, and by its own doing: it is tried again alone by a later attempt."""
        with self._lock:
            self._end(number, self._under_way[number] + OWN_STRIKES)

    def blame_slow(self, numbers: Collection[int] | None = None) -> None:
        """Of the pages under way these, or all, may never end, and nobody may live to say so."""
        with self._lock:
            slow = self._under_way.keys() & (self._under_way if numbers is None else numbers)
            for number in slow:
                self._strikes[number] = self._under_way[number] + OWN_STRIKES
            self._slow |= slow
            if slow:
                self._save(BEGUN)

    def seconds(self, number: int) -> float:
        """What a finished page took."""
        found = self._context.checkpoint.get_data(phase(number))
        assert isinstance(found, int | float)
        return found

    def _next(self) -> int | None:
        waiting = self._suspects or self._others
        if not waiting or self._closed or self._context.should_stop:
            return None
        number = waiting.popleft()
        self._under_way[number] = self._strikes.get(number, 0)
        self._strikes[number] = self._under_way[number] + 1
        return number

    def _end(self, number: int, strikes: int) -> None:
        del self._under_way[number]
        if strikes:
            self._strikes[number] = strikes
        else:
            del self._strikes[number]
        self._save(BEGUN)

    def _save(self, name: str, seconds: float | None = None) -> None:
        begun = {str(number): self._strikes[number] for number in sorted(self._strikes)}
        known: dict[str, object] = {BEGUN: begun}
        if self._slow or self._context.checkpoint.get_data(SLOW):
            known[SLOW] = sorted(self._slow)
        self._context.checkpoint.save(name, known if seconds is None else {**known, name: seconds})


def was_finished(number: int, checkpoint: CheckpointManager) -> bool:
    """Whether this attempt or an earlier one finished a page."""
    return checkpoint.should_skip(phase(number))


def phase(number: int) -> str:
    return f"page-{number:04d}"
