"""Ends the server of a process that vanished. Run as a script with nothing but the standard library.

``python postgres_guard.py FOLDER``: reads lines from its standard input, each the id of the server's process, 0 for
none. The input ends with its owner, however that ends: then the server is stopped and the folder removed. The line
``done`` releases the guard with nothing done.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

FAST_SECONDS = 30.0
DONE = "done"


def watch(lines: Iterable[str], folder: str) -> None:
    server = 0
    for line in lines:
        if line.strip() == DONE:
            return
        server = int(line)
    if server:
        end(server)
    shutil.rmtree(folder, ignore_errors=True)


def end(server: int) -> None:
    """A fast shutdown, and SIGKILL where that takes too long."""
    for number, seconds in ((signal.SIGINT, FAST_SECONDS), (signal.SIGKILL, 1.0)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(server, number)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                os.kill(server, 0)
                time.sleep(0.02)


if __name__ == "__main__":
    watch(sys.stdin, sys.argv[1])
