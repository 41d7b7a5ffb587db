"""Which message ids a queue has seen lately."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple


class Seen(NamedTuple):
    """When an id was accepted first, and the sequence number that its message got."""

    at: datetime
    sequence_number: int


class DuplicateHistory:
    """The ids accepted within ``window``; None keeps none. A repeated id does not begin its window anew."""

    def __init__(self, window: timedelta | None) -> None:
        self._window = window
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def items(self) -> Iterator[tuple[str, Seen]]:
        return iter(self._seen.items())

    def find(self, message_id: str, now: datetime) -> Seen | None:
        """Where a message of this id was accepted less than the window ago."""
        self.forget(now)
        return self._seen.get(message_id)

    def remember(self, message_id: str, seen: Seen) -> bool:
        """Whether it is kept."""
        if self._window is None:
            return False
        self._seen[message_id] = seen
        return True

    def forget(self, now: datetime) -> None:
        """Drop what was seen at least a window ago."""
        while self._window is not None and self._seen:
            message_id, seen = next(iter(self._seen.items()))
            if now - seen.at < self._window:
                return
            del self._seen[message_id]
