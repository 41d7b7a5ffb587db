"""What Linux does for a process that asks for it, by prctl(2). Elsewhere than on Linux nothing is done."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""


def end_with_parent() -> None:
    """From now on this process is killed when the thread ends that started it."""
    _set(_PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """From now on this process, and not init, is the parent of what its children leave behind."""
    _set(_PR_SET_CHILD_SUBREAPER, 1)


def _set(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
