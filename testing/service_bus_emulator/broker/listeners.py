"""Those who want to know when there is something to receive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Listener = Callable[[], bool]


class Listeners:
    """They are asked in turn, and each call begins with another one, so that nobody is always first."""

    def __init__(self) -> None:
        self._waiting: deque[Listener] = deque()
        self._asking = False

    def add(self, listener: Listener) -> Callable[[], None]:
        """Gives what takes it away again, which may be called more than once."""
        self._waiting.append(listener)

        def remove() -> None:
            if listener in self._waiting:
                self._waiting.remove(listener)

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
        self._waiting.rotate(-1)
        while turn and is_something_left():
            listener = turn.popleft()
            if listener in self._waiting and listener():
                turn.append(listener)
