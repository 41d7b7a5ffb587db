"""How many pages' worth of processor this process has."""

from __future__ import annotations

import math
import os
from pathlib import Path

MOST = 8
"""What an engine reads at once at most: each page on its way takes about 150 MB."""


def page_threads(root: Path = Path("/")) -> int:
    """The cores that this process may use: its affinity, or less where its container has a quota of time."""
    return max(1, min(_allowed(), MOST, math.ceil(_quota(root / "sys/fs/cgroup"))))


def _allowed() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _quota(cgroup: Path) -> float:
    """In cores, of the cgroup that a container sees as its root, version 2 or 1; ``MOST`` where there is none."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join((cgroup / file).read_text("ascii") for file in files).split()
        except OSError:
            continue
        limit, period = (int(word) if word.isdecimal() else 0 for word in words)
        return limit / period if limit and period else MOST
    return MOST
