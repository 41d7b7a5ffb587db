"""``python stack_reaper.py PID GRACE``: waits until the process ended, or GRACE seconds, and kills what is left.

That is the process and those that it started: its process group. Run as a script with nothing but the standard
library, in a session of its own, so that it outlives them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

LOOK_SECONDS = 0.02


def reap(pid: int, grace: float) -> None:
    until = time.monotonic() + grace
    with suppress(ProcessLookupError):
        while time.monotonic() < until:
            os.kill(pid, 0)
            time.sleep(LOOK_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    reap(int(sys.argv[1]), float(sys.argv[2]))
