"""What a task leaves running when its process has ended."""

from __future__ import annotations

import os
import time

from docker_worker.prctl import adopt_orphans


def inherit() -> bool:
    """From now on this process is the parent of what its children leave behind; elsewhere than on Linux that is init.

    False, and nothing is done, where there are children already: of the program that became this one.
    """
    if _any_left():
        return False
    adopt_orphans()
    return True


def end(seconds: float) -> None:
    """Kill and collect all children of this process with what they started; not for longer than ``seconds``."""
    until = time.monotonic() + seconds
    while _any_left() and time.monotonic() < until:
        _end_once(until)


def _any_left() -> bool:
    """Collects those that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _end_once(until: float) -> None:
    import psutil  # noqa: PLC0415 - most tasks leave nothing

    from docker_worker.child.tree import kill, tree_of  # noqa: PLC0415

    left = psutil.Process().children()
    for child in left:
        kill(child, tree_of(child))
    psutil.wait_procs(left, timeout=max(0.0, until - time.monotonic()))
