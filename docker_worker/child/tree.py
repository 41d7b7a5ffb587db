"""A process with all that it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "COREMACHINE_CHILD"
"""Of the environment: its value tells the processes of one child, also those that lost it as their parent."""

MAX_ROUNDS = 100
"""Of looking for what was started meanwhile."""

Tree = frozenset[psutil.Process]


def tree_of(root: psutil.Process) -> Tree:
    """``root`` and those below it; without those that ended while they were looked for."""
    with suppress(psutil.Error):
        if root.is_running():  # else its number may be another's
            return frozenset([root, *(_below(root.pid) if _KERNEL_LISTS_CHILDREN else root.children(recursive=True))])
    return frozenset([root])


_KERNEL_LISTS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()
"""proc_tid_children(5). Else each process of the machine has to be asked for its parent, several times a second."""


def _below(pid: int) -> Iterator[psutil.Process]:
    pending = _children(pid)
    while pending:
        child = pending.pop()
        with suppress(psutil.Error):
            yield psutil.Process(child)
        pending += _children(child)


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

    ``root``'s exit code must not have been collected: its number is the group's.
    """
    _kill_all(known, lambda: tree_of(root))
    _kill_group(root.pid)


def kill_left(root: psutil.Process, before: Tree) -> None:
    """End those below ``root`` that are not of ``before``."""
    _kill_all(frozenset(), lambda: tree_of(root) - before - {root})


def kill_marked(mark: str) -> None:
    """End those that were started with ``mark`` as their :data:`MARK`, whoever's children they are by now."""
    _kill_all(frozenset(), lambda: _marked(mark))


def _kill_all(known: Tree, find: Callable[[], Tree]) -> None:
    """They are all stopped first, so that none starts another while the others are killed."""
    stopped: set[psutil.Process] = set()
    found = known | find()
    for _ in range(MAX_ROUNDS):
        if not found - stopped:
            break
        for process in found - stopped:
            with suppress(psutil.Error):
                process.suspend()
        stopped |= found
        found = find()
    for process in stopped:
        with suppress(psutil.Error):
            process.kill()


def _marked(mark: str) -> Tree:
    """Where the system tells what the environment of a process was when it began."""
    return frozenset(filter(lambda process: _has(process, mark), _all())) if _KERNEL_LISTS_CHILDREN else frozenset()


def _all() -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        with suppress(psutil.Error):
            yield psutil.Process(pid)


def _has(process: psutil.Process, mark: str) -> bool:
    with suppress(OSError):
        return f"{MARK}={mark}".encode() in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    return False


def _kill_group(leader: int) -> None:
    """Those of the group whose parents ended before them; there is none on Windows."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
