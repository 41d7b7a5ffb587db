"""Many clients that end the tasks of one stage together.

They are threads with a connection each: psycopg waits outside the interpreter's lock, and 16 threads sent as many
small updates a second as 16 processes did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

End = Callable[[Sequence[int]], None]
"""Ends the tasks of these numbers, in one call as the variant does it."""

START_TIMEOUT = 60.0


def timed_clients(clients: int, tasks: int, batch: int, client: Callable[[], AbstractContextManager[End]]) -> float:
    """Seconds until ``clients`` clients have ended the tasks 0 to ``tasks``, each ``batch`` of its own at a call.

    ``client`` connects; that is done before the clock starts.
    """
    barrier = threading.Barrier(clients)

    def work(index: int) -> tuple[float, float]:
        mine = range(index, tasks, clients)
        with client() as end:
            barrier.wait(START_TIMEOUT)
            started = time.perf_counter()
            for first in range(0, len(mine), batch):
                end(mine[first : first + batch])
            return started, time.perf_counter()

    with ThreadPoolExecutor(clients) as pool:
        times = list(pool.map(work, range(clients)))
    return max(ended for _, ended in times) - min(started for started, _ in times)
