"""The end of a process, seen without collecting its exit code: until that is done nobody else gets its number."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

from docker_worker.child import tree

LOOK_SECONDS = 0.05
"""Between two looks, where the system has no descriptors of processes."""


class Ending:
    """Of the process ``handle``. A context, for one thread."""

    def __init__(self, handle: psutil.Process) -> None:
        self._handle = handle
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            with suppress(OSError):  # a sandbox may refuse it
                self._descriptor = os.pidfd_open(self._handle.pid)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def comes(self, seconds: float) -> bool:
        """Whether the process has ended by then."""
        if self._descriptor is not None:
            return bool(_ready(seconds, self._descriptor))
        until = time.monotonic() + seconds
        while not (ended := tree.has_ended(self._handle)) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        return ended

    def comes_before(self, descriptor: int) -> bool:
        """Wait for something to read, or for the process to end with nothing left to read: then it is true.

        Where the system cannot tell, it is not waited for, and false.
        """
        if self._descriptor is None:
            return False
        return descriptor not in _ready(None, descriptor, self._descriptor)


def _ready(seconds: float | None, *descriptors: int) -> list[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]
