"""Keeps one part of the stack running: starts it, notices its end, starts it again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from local.errors import LocalError
from local.stack_errors import PartFailed
from local.stack_plan import PartName, restart_delay

LOOK_SECONDS = 0.05
STEADY_SECONDS = 10.0
"""A part that ran so long did not fail for the reason that made it fail before."""


class Part(Protocol):
    """A part, for one thread at a time, but for ``pid`` and ``kill``."""

    @property
    def name(self) -> PartName: ...

    @property
    def pid(self) -> int:
        """0 where it does not run."""

    @property
    def address(self) -> str:
        """Without a secret; empty before the first start where it is not known before."""

    def prepare(self) -> None:
        """What can be done for the first start while the parts that it needs are not ready yet. Raises OSError."""

    def start(self, stop: threading.Event) -> None:
        """Returns when it is ready, or ``stop`` was set. Raises :class:`local.errors.LocalError`, nothing left."""

    def look(self) -> str | None:
        """None while it runs; how it ended. Called every so often, also for what is to be done meanwhile."""

    def stop(self) -> bool:
        """Whether it ended by itself, in order. Without effect, and True, where it does not run."""

    def kill(self) -> None:
        """SIGKILL, to it alone."""

    def kill_all(self) -> None:
        """SIGKILL, to it and to all that it started."""


class Keeper:
    """A thread that owns a part. ``changed`` is notified at each change of what can be asked here.

    ``ready`` is called in the thread each time that the part became ready, and counts as up.
    """

    def __init__(
        self,
        part: Part,
        changed: threading.Condition,
        say: Callable[[str], None],
        ready: Callable[[], None],
        *,
        restart: bool,
    ) -> None:
        self.part = part
        self._changed = changed
        self._ready = ready
        self._say = say
        self._restart = restart
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"keeper-{part.name}", daemon=True)
        self._is_up = self._finished = False
        self.starts = 0
        """How often it became ready."""
        self.failure: LocalError | None = None
        """Why it does not run, and will not again."""
        self.ended_in_order = True

    @property
    def up(self) -> bool:
        return self._is_up

    @property
    def pid(self) -> int:
        """0 where it does not run."""
        return self.part.pid

    @property
    def address(self) -> str:
        return self.part.address

    def prepare(self) -> None:
        """Before :meth:`start`, where that has to wait for others. Raises OSError."""
        self.part.prepare()

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def join(self) -> None:
        """Until the part ended; it was asked to."""
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self.part.stop()

    def kill(self) -> None:
        """Raises :class:`PartFailed` where it is not up."""
        with self._changed:
            if not self._is_up:
                raise PartFailed(f"{self.part.name} is not up")
            self._is_up = False
            self._changed.notify_all()
        self.part.kill()

    def _run(self) -> None:
        self.ended_in_order = False
        try:
            self._keep()
        finally:
            if not self._finished:  # by an error that is a bug, which the thread's end shows
                self._down(PartFailed(f"{self.part.name} is kept no longer"))

    def _keep(self) -> None:
        failures = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            problem = self._run_once()
            if self._stop.is_set():
                break
            failures = 1 if time.monotonic() - begun > STEADY_SECONDS else failures + 1
            if problem is None or not self._goes_on(problem, failures):
                break
        self._down(self.failure)
        self.ended_in_order = self.part.stop() and self.failure is None
        self._finished = True

    def _run_once(self) -> LocalError | None:
        """Why it does not run; None where it was stopped."""
        try:
            self.part.start(self._stop)
        except LocalError as error:
            return error
        except OSError as error:
            return PartFailed(f"it cannot be started: {error.filename or 'the system'}: {error.strerror}")
        if self._stop.is_set():
            return None
        self._became_ready()
        self._ready()
        how: str | None = None
        while how is None:
            if self._stop.wait(LOOK_SECONDS):
                return None
            how = self.part.look()
        self._down(None)
        return PartFailed(f"it ended by itself: {how}")

    def _goes_on(self, problem: LocalError, failures: int) -> bool:
        if self.starts == 0 or not self._restart:
            self._down(type(problem)(f"{self.part.name}: {problem}"))
            return False
        delay = restart_delay(failures)
        self._say(f"{problem}; it is started again in {delay:.1f} s")
        return not self._stop.wait(delay)

    def _became_ready(self) -> None:
        with self._changed:
            self._is_up = True
            self.starts += 1
            self._changed.notify_all()

    def _down(self, failure: LocalError | None) -> None:
        with self._changed:
            self._is_up = False
            self.failure = failure
            self._changed.notify_all()
