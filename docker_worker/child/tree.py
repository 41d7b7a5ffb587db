"""A process with all that it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MAX_ROUNDS = 100
"""Of looking for what was started meanwhile."""

Tree = frozenset[psutil.Process]


def tree_of(root: psutil.Process) -> Tree:
    """``root`` and those below it; without those that ended while they were looked for."""
    with suppress(psutil.Error):
        return frozenset([root, *(_below(root.pid) if _KERNEL_LISTS_CHILDREN else root.children(recursive=True))])
    return frozenset([root])


_KERNEL_LISTS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""proc_tid_children(5). Else each process of the machine has to be asked for its parent, several times a second."""


def _below(pid: int) -> Iterator[psutil.Process]:
    for child in _children(pid):
        with suppress(psutil.Error):
            yield psutil.Process(child)
        yield from _below(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_bytes().split())
    return found


def resident(tree: Iterable[psutil.Process]) -> int:
    """Bytes. What processes share counts once for each: rather too much than too little."""
    return sum(map(_resident, tree))


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more, without collecting its exit code."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return True


def kill(root: psutil.Process, known: Tree) -> None:
    """End ``root``, which leads a process group, those below it, and of ``known`` what still runs.

    They are all stopped first, so that none starts another while the others are killed.
    """
    stopped: set[psutil.Process] = set()
    found = known | tree_of(root)
    for _ in range(MAX_ROUNDS):
        if not found - stopped:
            break
        for process in found - stopped:
            with suppress(psutil.Error):
                process.suspend()
        stopped |= found
        found = tree_of(root)
    for process in stopped:
        with suppress(psutil.Error):
            process.kill()
    kill_group(root.pid)


def kill_group(leader: int) -> None:
    """Those of the group whose parents ended before them; there is none on Windows."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
