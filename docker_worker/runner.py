"""Handlers in a process of their own, kept warm: what hangs, crashes or takes all memory there harms it alone."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from threading import Event, Lock

from core.context import StopReason
from core.errors import HandlerLost
from core.outcome import Failed, Interrupted, Outcome
from core.runner import HandlerCall
from core.scratch import Scratch
from core.system import SystemClock
from docker_worker.child.evidence import NotBegun
from docker_worker.child.patience import Patience
from docker_worker.child.process import ChildProcess, KillReason
from docker_worker.child.readiness import wait_until_ready
from docker_worker.child.secret_settings import child_environment
from docker_worker.child.supervision import Asking, Supervision
from docker_worker.child.warm import WarmChild
from docker_worker.child.watch import Watch
from docker_worker.limits import TaskLimits

COMMAND = (sys.executable, "-m", "docker_worker.child")

LONGEST_PAUSE = 30.0
"""Seconds before a child is begun again after several could not start."""

OUT_OF_MEMORY = "OUT_OF_MEMORY"
"""The code of :func:`core.outcome.describe` for :class:`MemoryError`."""


@dataclass(frozen=True, slots=True)
class ChildStats:
    """Bytes and numbers. ``pid``, ``started_at`` and ``tasks`` are those of the child that there is now, if any.

    ``peak_bytes`` is the most that was seen resident of it and what it started. ``killed`` counts by reason, ``died``
    those that ended by themselves; ``failed_starts`` those since one was last ready that never were.
    """

    pid: int | None
    started_at: datetime | None
    resident_bytes: int
    peak_bytes: int
    limit_bytes: int
    tasks: int
    made: int
    recycled: int
    died: int
    failed_starts: int
    killed: Mapping[str, int]


class ChildRunner:
    """:class:`core.runner.HandlerRunner` by a child process, reused for task after task.

    For one call at a time; :meth:`hurry`, :meth:`close` and :meth:`stats` from any thread. ``while_waiting`` is called
    by the calling thread a few times a second while a handler runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: TaskLimits,
        *,
        progressed: Callable[[float, str], None] = lambda percent, message: None,
        environment: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.while_waiting: Callable[[], None] = lambda: None
        self._command = tuple(command)
        self._limits = limits
        self._progressed = progressed
        given = child_environment(os.environ) if environment is None else environment
        self._environment = {**given, **limits.environment()}
        self._patience = patience or Patience()
        self._clock = SystemClock()
        self._numbers = count(1)
        self._calling = Lock()
        self._lock = Lock()
        self._child: WarmChild | None = None
        self._supervision: Supervision | None = None
        self._closed = self._in_call = False
        self._give_up = Event()
        self._made = self._recycled = self._died = self._failed_starts = 0
        self._killed: Counter[str] = Counter()

    def start(self) -> None:
        """Begin a child, unless there is one. Does not wait until it is ready."""
        with self._lock:
            self._warm()

    def close(self) -> None:
        """End the child, with the task that it runs; calls are refused from now on."""
        with self._lock:
            self._closed = True
            self._give_up.set()
            child = self._child
        if child is not None:
            self._end(child, KillReason.CLOSED)
            with self._lock:
                self._forget(child)

    def hurry(self) -> None:
        """Give up the task that runs now, if one does: its call raises :class:`core.errors.HandlerLost`."""
        with self._lock:
            child = self._child if self._in_call else None
            if self._in_call:
                self._give_up.set()
        if child is not None:
            child.process.kill(KillReason.HURRIED)

    def look(self) -> bool:
        """Look after the task that runs, from within one of its writes that waits; whether the task goes on.

        Calls ``while_waiting`` too. One that was killed goes on no more: what its write waits for is for nobody.
        """
        if self._supervision is not None:
            return self._supervision.look()
        self.while_waiting()
        return True

    def stats(self) -> ChildStats:
        with self._lock:
            child, killed = self._child, dict(self._killed)
        resident = 0 if child is None else child.resident()
        return ChildStats(
            pid=None if child is None else child.process.pid,
            started_at=None if child is None else child.started_at,
            resident_bytes=resident,
            peak_bytes=0 if child is None else max(child.peak_bytes, resident),
            limit_bytes=self._limits.memory_bytes,
            tasks=0 if child is None else child.tasks,
            made=self._made,
            recycled=self._recycled,
            died=self._died,
            failed_starts=self._failed_starts,
            killed=killed,
        )

    def __call__(self, call: HandlerCall) -> Outcome:
        with self._calling, self._one_call():
            try:
                return self._again_if_it_died_idle(call)
            except NotBegun as not_begun:
                self._failed_starts += 1
                raise HandlerLost(not_begun.code, not_begun.message, charged=False) from not_begun

    @contextmanager
    def _one_call(self) -> Iterator[None]:
        with self._lock:
            self._in_call = True
            if not self._closed:
                self._give_up.clear()
        try:
            yield
        finally:
            with self._lock:
                self._in_call = False

    def _again_if_it_died_idle(self, call: HandlerCall) -> Outcome:
        self._hold_off(call)
        child = self._for_a_call()
        try:
            return self._run(child, call)
        except NotBegun:
            if child.tasks == 0:
                raise
        return self._run(self._for_a_call(), call)

    def _hold_off(self, call: HandlerCall) -> None:
        """Where the last children could not start, give what they lack some time to come."""
        if not self._failed_starts:
            return
        until = time.monotonic() + min(LONGEST_PAUSE, 2.0 ** (self._failed_starts - 1))
        while (left := until - time.monotonic()) > 0 and call.stop.reason is None:
            self.while_waiting()
            if self._give_up.wait(min(left, self._patience.look)):
                break

    def _for_a_call(self) -> WarmChild:
        with self._lock:
            if self._give_up.is_set():
                raise HandlerLost("HANDLER_STOPPED", "the worker ended before the handler began", charged=False)
            return self._warm()

    def _run(self, child: WarmChild, call: HandlerCall) -> Outcome:
        """A folder that a process which was killed may still write to is removed after that has ended."""
        outcome: Outcome | None = None
        try:
            with Scratch(self._limits.scratch_root) as scratch:
                try:
                    folder = self._folder(scratch)
                    outcome = wait_until_ready(child.process, call, self._patience, self.while_waiting)
                    outcome = outcome or self._supervised(child, call, folder)
                finally:
                    self._retire_if_ended(child)
        finally:
            self._recycle_if_due(child, call, outcome)
        return outcome

    def _folder(self, scratch: Scratch) -> Path:
        """Made before the child is asked, and what it is made in, too: a handler may have removed that."""
        root = self._limits.scratch_root
        try:
            if root is not None:
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = scratch.path
        except OSError as error:
            raise NotBegun(f"no folder can be made for the task: {error.strerror}") from error
        return path

    def _supervised(self, child: WarmChild, call: HandlerCall, scratch: Path) -> Outcome:
        asking = Asking(call, next(self._numbers), os.fspath(scratch), self._progressed, self.while_waiting)
        watch = Watch(self._limits, scratch)
        child.begins_task()
        try:
            self._supervision = Supervision(child.process, asking, self._limits, watch, self._patience)
            return self._supervision.run()
        finally:
            self._supervision = None
            child.ended_task(watch.peak)
            self._failed_starts = 0

    def _retire_if_ended(self, child: WarmChild) -> None:
        """Count how it ended, and begin the next one."""
        if child.process.usable:
            return
        child.process.wait(self._patience.end)
        with self._lock:
            self._forget(child)
            if child.tasks and not self._give_up.is_set():
                self._warm()

    def _recycle_if_due(self, child: WarmChild, call: HandlerCall, outcome: Outcome | None) -> None:
        """Memory may have run out in the middle of anything, so that nobody knows what state the process is in. One
        that came near its limit may keep what it took, and would fail task after task.
        """
        ran_out = isinstance(outcome, Failed) and outcome.error.code == OUT_OF_MEMORY
        ran_out = ran_out or outcome == Interrupted(StopReason.MEMORY)
        ran_out = ran_out or call.stop.reason == StopReason.MEMORY or child.nearly_full
        worn = child.tasks >= self._limits.max_tasks or child.growth > self._limits.max_growth_bytes
        if child.process.usable and (ran_out or worn):
            self._end(child, KillReason.RECYCLED)
            self._retire_if_ended(child)

    def _end(self, child: WarmChild, reason: KillReason) -> None:
        child.process.kill(reason)
        child.process.wait(self._patience.end)

    # --- with the lock held ---

    def _warm(self) -> WarmChild:
        if self._closed:
            raise HandlerLost("HANDLER_STOPPED", "the worker has ended", charged=False)
        if self._child is not None and not self._child.process.usable:
            self._forget(self._child)
        if self._child is None:
            process = ChildProcess(self._command, self._environment, self._limits.bounds())
            self._child = WarmChild(process, self._clock.now(), self._limits.memory_bytes)
            self._made += 1
        return self._child

    def _forget(self, child: WarmChild) -> None:
        if self._child is not child:
            return
        self._child = None
        match child.process.death().killed:
            case None:
                self._died += 1
            case KillReason.RECYCLED:
                self._recycled += 1
            case reason:
                self._killed[reason.value] += 1
