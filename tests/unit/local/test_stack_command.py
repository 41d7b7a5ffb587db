from __future__ import annotations

import signal
import threading
from queue import SimpleQueue

from local.stack import Stack
from local.stack_command import _signalled

SECONDS = 10.0


class Watched(Stack):
    """Notes whether it was told to end while nobody held ``lock``, which it needs for that."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.killed: SimpleQueue[bool] = SimpleQueue()

    def kill_all(self) -> None:
        if free := self.lock.acquire(timeout=SECONDS):
            self.lock.release()
        self.killed.put(free)


def test_a_second_signal_waits_for_no_lock_of_the_thread_that_it_interrupts() -> None:
    stack = Watched()
    with _signalled(stack) as received:
        with stack.lock:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
        assert stack.killed.get(timeout=3 * SECONDS)

    assert received == [signal.SIGINT, signal.SIGTERM]


def test_one_signal_asks_it_to_stop_and_kills_nothing() -> None:
    stack = Watched()
    before = signal.getsignal(signal.SIGINT)
    with _signalled(stack) as received:
        signal.raise_signal(signal.SIGINT)

    assert received == [signal.SIGINT]
    assert stack._asked_to_stop
    assert stack.killed.empty()
    assert signal.getsignal(signal.SIGINT) is before
