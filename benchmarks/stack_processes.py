"""What the machine says about the processes of a stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.service_bus_process import rss_mb
from local.stack import Stack

_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)  # of the fields of /proc/PID/stat behind the name: proc(5)


def cpu_of_parts(stack: Stack) -> dict[str, float]:
    """CPU seconds of each part since it began: its process, what that has started, and what of that has ended."""
    table = _processes()
    return {name: _cpu_of_tree(keeper.pid, table) for name, keeper in stack.parts.items()}


def memory_of(stack: Stack, part: str) -> float:
    """The resident set of a part's own process, MB of 10**6 bytes."""
    return rss_mb(next(keeper.pid for name, keeper in stack.parts.items() if name == part))


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: round(after[name] - seconds, 2) for name, seconds in before.items()}


def _cpu_of_tree(pid: int, table: Mapping[int, tuple[int, float]]) -> float:
    own = table.get(pid, (0, 0.0))[1]
    return own + sum(_cpu_of_tree(child, table) for child, (parent, _) in table.items() if parent == pid)


def _processes() -> dict[int, tuple[int, float]]:
    """The parent of each process, and its CPU seconds with those of its children that have ended."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            found[int(folder.name)] = (int(fields[_PARENT]), sum(map(int, fields[_TIMES])) / _TICKS)
    return found
