"""Those who want to know when there is something to receive."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

Listener = Callable[[], bool]


class Listeners:
    """They are asked in turn, and who was asked is asked last the next time, so that all get their share."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, Listener] = OrderedDict()
        self._last_key = 0
        self._asking = False

    def add(self, listener: Listener) -> Callable[[], None]:
        """Gives what takes it away again, which may be called more than once."""
        self._last_key += 1
        key = self._last_key
        self._waiting[key] = listener

        def remove() -> None:
            self._waiting.pop(key, None)

        return remove

    def ask(self, is_something_left: Callable[[], bool]) -> None:
        """Ask each, and those who took something again, until nobody takes anything or nothing is left.

        A listener that makes something available does not begin another round within this one: what it made available
        is seen by those who are still to be asked.
        """
        if self._asking:
            return
        self._asking = True
        try:
            self._ask_in_turn(is_something_left)
        finally:
            self._asking = False

    def _ask_in_turn(self, is_something_left: Callable[[], bool]) -> None:
        turn = deque(self._waiting)
        while turn and is_something_left():
            key = turn.popleft()
            listener = self._waiting.get(key)
            if listener is None:
                continue
            self._waiting.move_to_end(key)
            if listener():
                turn.append(key)
