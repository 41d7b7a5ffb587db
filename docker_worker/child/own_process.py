"""What the child does to itself before it runs any handler. What its system does not have is left out."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import suppress

from docker_worker.child.protocol import Bounds
from docker_worker.prctl import adopt_orphans, end_with_parent

OOM_SCORE = "500"
"""Of -1000 to 1000 (proc_pid_oom_score_adj(5)): where the kernel has to choose, it takes the child, not the worker."""


def settle() -> None:
    """Leave it to the worker when to end, end with it, and be the first to go where memory is short."""
    # Not SIG_IGN, which the programs that a handler starts would inherit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    with suppress(OSError, ValueError, RuntimeError):  # there may be no standard error
        faulthandler.enable()
    end_with_parent()
    adopt_orphans()  # so that no process of a handler gets out of sight
    if sys.platform == "linux":
        with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
            score.write(OOM_SCORE)


def restrict(bounds: Bounds) -> None:
    """Take on ``bounds``. A bound that is tighter already stays."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows

    _lower(resource.RLIMIT_CORE, 0)  # it would hold the document
    if bounds.data_bytes is not None:
        _lower(resource.RLIMIT_DATA, bounds.data_bytes)
    if bounds.file_bytes is not None:
        _lower(resource.RLIMIT_FSIZE, bounds.file_bytes)
    if bounds.open_files is not None:
        _lower(resource.RLIMIT_NOFILE, bounds.open_files)
    if bounds.threads is not None and sys.platform == "linux":
        _use_cores(bounds.threads)


def _lower(which: int, wanted: int) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    hard = resource.getrlimit(which)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):  # a system may have the name and not the limit
        resource.setrlimit(which, (limit, limit))


def _use_cores(count: int) -> None:
    """Some of the cores there are; which of them differs from child to child, so that no two workers share them all."""
    if sys.platform == "linux":
        there = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(there)
        if count < len(there):
            os.sched_setaffinity(0, (there[first:] + there[:first])[:count])
