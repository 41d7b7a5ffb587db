"""SIGTERM and SIGINT, taken before anybody else gets them. Imports nothing that takes time: signals come early, too."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeAlias

HANDLED = (signal.SIGTERM, signal.SIGINT)

Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


class Received:
    """The signals that came, in order. Its queue is the one of the standard library's that a handler may use: it can
    interrupt itself, and a second signal does.
    """

    def __init__(self) -> None:
        self._numbers: SimpleQueue[int] = SimpleQueue()

    def note(self, number: int, _frame: FrameType | None = None) -> None:
        """The handler."""
        self._numbers.put(number)

    def next(self, timeout: float) -> int | None:
        """The next one, waited for up to ``timeout`` seconds."""
        with suppress(Empty):
            return self._numbers.get(timeout=timeout) if timeout > 0 else self._numbers.get_nowait()
        return None

    @property
    def came(self) -> bool:
        """Whether one waits to be taken by :meth:`next`."""
        return not self._numbers.empty()

    def listen(self) -> None:
        """Take them from now on; from the main thread."""
        for number in HANDLED:
            signal.signal(number, self.note)


class SignalChain:
    """Takes the signals in front of the handlers that an HTTP server has installed, and gives them on when it is time.

    For the thread of ``loop``, which is the main thread, but for :meth:`hand_on`.
    """

    def __init__(self, received: Received, loop: asyncio.AbstractEventLoop) -> None:
        self._received = received
        self._loop = loop
        self._before: dict[signal.Signals, Handler] = {}

    def install(self) -> None:
        self._before = {number: signal.getsignal(number) for number in HANDLED}
        self._received.listen()

    def restore(self) -> None:
        """Put back what was there before. Doing it again does nothing."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)

    def hand_on(self, number: int) -> None:
        """Let whoever was there before get ``number`` as if it came now. From any thread; without effect where the
        loop has ended already.
        """
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._hand_on, number)

    def _hand_on(self, number: int) -> None:
        self.restore()
        signal.raise_signal(number)
