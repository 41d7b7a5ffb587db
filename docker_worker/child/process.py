"""The worker's handle of a child: started, spoken to, listened to, killed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import IO

import psutil

from docker_worker.child import tree
from docker_worker.child.channel import FrameInvalid, framed, read_frame, write_whole
from docker_worker.child.ending import Ending
from docker_worker.child.inbox import Inbox
from docker_worker.child.protocol import Bounds, FromChild, ToChild, from_child
from docker_worker.child.server import MAX_FROM_PARENT
from docker_worker.child.stderr import Stderr

_log = logging.getLogger(__name__)

LEAVING_SECONDS = 5.0
"""How long a child may take from the end of its channel to its own end."""


class KillReason(StrEnum):
    """Why a child was killed."""

    DEADLINE = "deadline"
    MEMORY = "memory"
    SCRATCH = "scratch"
    STOP_IGNORED = "stop_ignored"
    NOT_STARTED = "not_started"
    PROTOCOL = "protocol"
    HURRIED = "hurried"
    ABANDONED = "abandoned"
    RECYCLED = "recycled"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended. ``killed`` is ``None`` where it ended by itself, ``returncode`` where it never began, or
    has not ended.
    """

    killed: KillReason | None
    returncode: int | None
    fault: str

    def describe(self) -> str:
        if self.returncode is None:
            return f"could not be started: {self.fault}" if self.fault else "did not end when it was killed"
        how = _described(self.returncode)
        return f"{how} ({self.fault})" if self.fault else how


def _described(returncode: int) -> str:
    if returncode >= 0:
        return f"left with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def _with_stream(name: str, work: Callable[[IO[bytes]], None], stream: IO[bytes]) -> Thread:
    """A thread that does ``work``, which closes ``stream``; it is closed as well where no thread can be started."""
    thread = Thread(target=work, args=(stream,), name=name, daemon=True)
    with ExitStack() as unused:
        unused.enter_context(stream)
        thread.start()
        unused.pop_all()
    return thread


class ChildProcess:
    """Begins at once. For one thread that calls, and any that kill.

    One thread of it starts the process and lives for as long as that does: Linux ends a child that asked for it when
    the thread ends that started it.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], bounds: Bounds) -> None:
        self.tree: tree.Tree = frozenset()
        self.ready = False
        self._command = list(command)
        self._environment = dict(environment)
        self._inbox = Inbox()
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = Lock()
        self._killed: KillReason | None = None
        self._fault = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._handle: psutil.Process | None = None
        self._begun, self._ended = Event(), Event()
        self._signalling = Lock()
        self._reaped = False
        self._mark = uuid.uuid4().hex
        self.stderr = Stderr()
        self.send(bounds)
        try:
            Thread(target=self._run, name="child", daemon=True).start()
        except RuntimeError as error:
            self._failed(error)
            self._finish()
        self._begun.wait()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def handle(self) -> psutil.Process | None:
        """``None`` where it could not be started."""
        return self._handle

    @property
    def ended(self) -> bool:
        """Whether it is gone, with all that it started."""
        return self._ended.is_set()

    @property
    def usable(self) -> bool:
        running = self._handle is not None and not self._reaped and not tree.has_ended(self._handle)
        return running and self._killed is None

    def death(self) -> Death:
        """Of a child that :attr:`ended`."""
        code = None if self._process is None else self._process.returncode
        return Death(self._killed, code, self._fault)

    def send(self, frame: ToChild) -> None:
        """Does not wait. What a child that has ended is told is lost."""
        self._outbox.put(framed(frame.encode(), MAX_FROM_PARENT))

    def take(self, seconds: float) -> FromChild | None:
        """What it says next; ``None`` where it said nothing for so long, or has :attr:`ended`."""
        return self._inbox.take(seconds)

    def kill(self, reason: KillReason) -> None:
        """End it with all that it started, now. The first reason stays; one that ended by itself keeps that."""
        with self._lock:
            if self.usable:
                self._killed = reason
                self._inbox.abandon()
        self._kill_tree()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        return self._ended.wait(seconds)

    def _kill_tree(self) -> None:
        """Once its exit code was collected, its number may be another's."""
        with self._signalling:
            if self._handle is not None and not self._reaped:
                tree.kill(self._handle, self.tree)

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._live(*self._start())
        except (OSError, RuntimeError, psutil.Error) as error:  # no process, or no thread for it
            self._failed(error)
            self._kill_tree()
            if self._process is not None:
                self._process.kill()
            self._reap()
        finally:
            self._finish()

    def _failed(self, error: Exception) -> None:
        number = error.errno if isinstance(error, OSError) else error
        self._fault = f"{type(error).__name__} {number}"

    def _live(self, process: subprocess.Popen[bytes], handle: psutil.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdout as stdout, Ending(handle) as ending:
            with ExitStack() as unused:
                unused.enter_context(process.stdin)
                forwarding = _with_stream("child-stderr", self.stderr.forward, process.stderr)
                _with_stream("child-writes", self._write, process.stdin)
                unused.pop_all()
            self._begun.set()
            self._listen(stdout.fileno(), ending)
            self._see_off(ending)
        forwarding.join(LEAVING_SECONDS)

    def _start(self) -> tuple[subprocess.Popen[bytes], psutil.Process]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=self._environment | {tree.MARK: self._mark},
            start_new_session=True,
        )
        self._process = process
        self._handle = psutil.Process(process.pid)
        return process, self._handle

    def _listen(self, descriptor: int, ending: Ending) -> None:
        """Until there is no more, or the process has ended and what it said is taken: what it left may hold the channel
        open.
        """

        def read(descriptor: int, size: int) -> bytes:
            return b"" if ending.comes_before(descriptor) else os.read(descriptor, size)

        try:
            while (body := read_frame(descriptor, read=read)) is not None:
                self._inbox.put(from_child(body))
        except FrameInvalid as error:
            self._fault = error.message
            self.kill(KillReason.PROTOCOL)

    def _see_off(self, ending: Ending) -> None:
        """The channel's end is the process's, or is made so."""
        if not ending.comes(LEAVING_SECONDS):
            self._fault = self._fault or "it closed its channel"
            self.kill(KillReason.PROTOCOL)
        while not ending.comes(LEAVING_SECONDS):
            self._kill_tree()
        self._kill_tree()
        tree.kill_marked(self._mark)
        self._reap()

    def _reap(self) -> None:
        with self._signalling:
            self._reaped = True
            if self._process is not None:
                self._process.wait()

    def _finish(self) -> None:
        self._outbox.put(None)
        self._ended.set()
        self._begun.set()
        self._inbox.finish()

    def _write(self, stdin: IO[bytes]) -> None:
        with suppress(OSError), stdin:
            while (data := self._outbox.get()) is not None:
                write_whole(stdin.fileno(), data)
