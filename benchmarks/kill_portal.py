"""What SIGKILL costs a portal's document: processes that are killed at every checkpoint and at random moments.

``python -m benchmarks.kill_portal``. Each life of a job is a process that goes on with what the one before left: its
checkpoint and its sealed files, in a folder. It is killed right before or right after one of its checkpoints is
written, and at random moments of its time, some times in a row, and then let live. Afterwards its files, opened, are
compared with those of a job that nobody disturbed, byte for byte; no file may have been written over one that was
there, and no stage begun that a checkpoint says is done. Stages and adapter are the worker's, the engine is scripted.

``--stack`` does the same on a real stack (embedded PostgreSQL, the Service Bus emulator, Azurite, the Functions host),
whose workers are killed, or the processes that their tasks run in, at random moments.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import cast

from benchmarks.kill_portal_life import (
    DONE,
    FolderBlobs,
    begun_stages,
    live,
    overwritten,
    portrait,
    saves_of,
    validated,
)
from benchmarks.report import Goal, at_least, finish, parser
from core.ports import BlobStore
from handlers.portal.sealing import owner_of_job
from tests.support.portal import JOB, USER, sealed_store

AT_MOST = 6
"""Kills in a row of one job at random moments: it comes to its end then."""

MAX_BYTES = 1 << 30


@dataclass(slots=True)
class Found:
    """``during`` counts the kills by the stage that was begun last."""

    jobs: int = 0
    kills: int = 0
    at_checkpoints: int = 0
    during: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Jobs:
    """Jobs of the same document, a folder each, held against ``reference``."""

    def __init__(self, root: Path, seed: int) -> None:
        self._root = root
        self._random = Random(seed)  # noqa: S311 - to repeat
        self._found = Found()
        self._reference: Mapping[str, bytes] = {}
        self._seconds = 0.0
        self._saves = 0

    def kill(self, kills: int) -> Found:
        """``kills`` at least: of a job each at each checkpoint, before and after it is written, of one job at all of
        them, one after the other, and the others at random.
        """
        portrait()
        began = time.perf_counter()
        undisturbed = self._folder()
        self._life(undisturbed)
        self._seconds = time.perf_counter() - began
        self._reference = files_of(undisturbed)
        self._saves = saves_of(undisturbed)
        for number in range(1, self._saves + 1):
            for before in (True, False):
                self._job(partial(self._life, at=(number, before)), 1)
        self._job(partial(self._life, at=(1, False)), self._saves)
        while self._found.kills < kills:
            self._job(self._random_life, self._random.randint(1, AT_MOST))
        return self._found

    def _job(self, killed_life: Callable[[Path], bool], times: int) -> None:
        folder = self._folder()
        for _ in range(times):
            done = validated(folder)
            killed = killed_life(folder)
            self._found.kills += killed
            self._found.during.update((begun_stages(folder) or ["before the first"])[-1:] if killed else ())
            self._check_life(folder, done)
            if not killed:
                break
        done = validated(folder)
        if self._life(folder):
            self._found.faults.append(f"{folder.name}: it died by itself")
        self._check_life(folder, done)
        self._check(folder)

    def _random_life(self, folder: Path) -> bool:
        return self._life(folder, after=self._random.uniform(0.0, self._seconds))

    def _life(self, folder: Path, at: tuple[int, bool] | None = None, after: float | None = None) -> bool:
        """Whether it was killed: ``at`` a checkpoint, its number and whether before it is written, or seconds later."""
        child = os.fork()
        if child == 0:
            live(folder, at)
        if after is not None:
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, -signal.SIGKILL):
            self._found.faults.append(f"{folder.name}: a life ended with {code}")
        self._found.at_checkpoints += code == -signal.SIGKILL and at is not None
        return code == -signal.SIGKILL

    def _check_life(self, folder: Path, done: set[str]) -> None:
        for stage in done.intersection(begun_stages(folder)):
            self._found.faults.append(f"{folder.name}: {stage} was begun again, which was done")

    def _check(self, folder: Path) -> None:
        self._found.jobs += 1
        self._found.faults += [f"{folder.name}: {name} was written twice" for name in overwritten(folder)]
        found = files_of(folder)
        for name in found.keys() | self._reference.keys():
            if found.get(name) != self._reference.get(name):
                self._found.faults.append(f"{folder.name}: {name.rpartition('_')[2]} is another than undisturbed")
        if self._found.jobs % 50 == 0:
            print(f"  {self._found.kills} kills", flush=True)

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._root))


def files_of(folder: Path) -> dict[str, bytes]:
    """What a job has stored, opened, and what it answered."""
    blobs = FolderBlobs(folder)
    store, owner = sealed_store(cast(BlobStore, blobs)), owner_of_job(USER, JOB)
    stored = {name: store.read(name, owner, MAX_BYTES) for name in blobs.names("")}
    return {**stored, DONE: _answer(folder)}


def _answer(folder: Path) -> bytes:
    path = folder / DONE
    return path.read_bytes() if path.exists() else b""


def measure(kills: int, seed: int) -> dict[str, object]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kill-portal-") as root:
        found = Jobs(Path(root), seed).kill(kills)
    for line in found.faults[:20]:
        print(line, file=sys.stderr)
    return {
        "kills": found.kills,
        "kills_at_checkpoints": found.at_checkpoints,
        "kills_by_stage": dict(found.during),
        "jobs": found.jobs,
        "faults": len(found.faults),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options().parse_args(arguments)
    logging.disable(logging.CRITICAL)
    if chosen.stack:
        from benchmarks import kill_portal_stack  # noqa: PLC0415 - the stack's parts, which no other life may have

        measured = kill_portal_stack.measure(chosen.kills, chosen.seed)
    else:
        measured = measure(chosen.kills, chosen.seed)
    for name, value in measured.items():
        print(f"  {name}: {value}")
    goals = (Goal("kills", ">=", chosen.kills), Goal("faults", "<=", 0))
    return finish(chosen, {"python": platform.python_version(), "seed": chosen.seed, **measured}, goals)


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__ or "")
    options.add_argument("--kills", type=at_least(1), default=700)
    options.add_argument("--stack", action="store_true", help="of workers on a real stack; some dozens take minutes")
    options.add_argument("--seed", type=at_least(0), default=1, help="of the moments")
    return options


if __name__ == "__main__":
    sys.exit(main())
