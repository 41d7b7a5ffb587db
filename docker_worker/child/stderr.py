"""What a child writes to standard error: passed on, and its end kept for the log."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO

from docker_worker.reserved_output import STDERR

KEPT_BYTES = 4 * 1024
LONGEST_LINE = 64 * 1024
"""Bytes that are gathered before they are passed on without their line's end."""

PIECE = 64 * 1024


class Stderr:
    """Passes lines on whole, so that they do not get mixed up with the worker's own."""

    def __init__(self, target: int = STDERR) -> None:
        self._target = target
        self._last = b""

    @property
    def last(self) -> str:
        """The end of what came. It may hold what a document held: for the log alone."""
        return self._last.decode("utf-8", "replace")

    def forward(self, source: IO[bytes]) -> None:
        """Until its end."""
        pending = b""
        with source:
            while piece := os.read(source.fileno(), PIECE):
                whole, newline, pending = (pending + piece).rpartition(b"\n")
                self._pass(whole + newline)
                if len(pending) > LONGEST_LINE:
                    self._pass(pending)
                    pending = b""
            self._pass(pending + b"\n" if pending else b"")

    def _pass(self, lines: bytes) -> None:
        self._last = (self._last + lines)[-KEPT_BYTES:]
        left = memoryview(lines)
        with suppress(OSError):  # the worker has no standard error, or nobody reads it any more
            while left:
                left = left[os.write(self._target, left) :]
