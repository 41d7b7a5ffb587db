"""Threads in which the API waits for the machine: a bounded number, and no call waits long for one."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from infrastructure.web.errors import ServerBusy

T = TypeVar("T")

API_THREADS = 32
"""Calls that are worked on at once in one process."""

WAIT_SECONDS = 5.0
"""How long a call waits for a free thread."""

WAITING = 8 * API_THREADS
"""Calls that wait at once; each may hold a body of ``HTTP_MAX_BODY_BYTES``."""


class Threads:
    """A pool of its own, so that whatever hangs in another holds nobody here. May be used from several loops."""

    def __init__(
        self, name: str, size: int = API_THREADS, wait_seconds: float = WAIT_SECONDS, waiting: int = WAITING
    ) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._wait_seconds = wait_seconds
        self._most_waiting = waiting
        self._free = size
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    async def run(self, call: Callable[[], T]) -> T:
        """What ``call`` returns or raises. Raises :class:`ServerBusy` where no thread becomes free in time; ``call``
        has not begun then.

        A cancelled caller leaves ``call`` running, and its thread taken until it has ended.
        """
        await self._take()
        future = self._pool.submit(copy_context().run, call)
        future.add_done_callback(lambda _: self._give())
        return await asyncio.wrap_future(future)

    async def _take(self) -> None:
        turn = self._turn()
        if turn is None:
            return
        try:
            await asyncio.wait([asyncio.wrap_future(turn)], timeout=self._wait_seconds)
        except asyncio.CancelledError:
            if not self._withdrawn(turn):
                self._give()
            raise
        if self._withdrawn(turn):
            raise ServerBusy(f"no thread became free within {self._wait_seconds:g} seconds; nothing was begun")

    def _turn(self) -> Future[None] | None:
        """``None`` where a thread was free; it is taken then."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            if len(self._waiting) >= self._most_waiting:
                raise ServerBusy("too many calls wait for a thread; nothing was begun")
            turn: Future[None] = Future()
            self._waiting.append(turn)
            return turn

    def _withdrawn(self, turn: Future[None]) -> bool:
        """Whether ``turn`` still waited; it does no more. One that does not has a thread."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True

    def _give(self) -> None:
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            turn = self._waiting.popleft()
        turn.set_result(None)
