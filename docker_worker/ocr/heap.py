"""Giving back to the system what reading a page has freed: glibc keeps it for the thread that had it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _trim() -> Callable[[int], object] | None:
    """malloc_trim(3), where the C library has it."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
    return trim


def give_back() -> None:
    """Takes a few milliseconds; nothing where the C library cannot."""
    trim = _trim()
    if trim is not None:
        trim(0)
