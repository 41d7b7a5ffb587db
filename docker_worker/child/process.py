"""The worker's handle of a child: started, spoken to, listened to, killed."""

from __future__ import annotations

import logging
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import IO

import psutil

from docker_worker.child import tree
from docker_worker.child.channel import FrameInvalid, framed, read_frame, write_whole
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
    """How a child ended. ``killed`` is ``None`` where it ended by itself, ``returncode`` where it never began."""

    killed: KillReason | None
    returncode: int | None
    fault: str

    def describe(self) -> str:
        if self.returncode is None:
            return f"could not be started: {self.fault}"
        how = _described(self.returncode)
        return f"{how} ({self.fault})" if self.fault else how


def _described(returncode: int) -> str:
    if returncode >= 0:
        return f"left with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


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
        self.stderr = Stderr()
        self.send(bounds)
        Thread(target=self._run, name="child", daemon=True).start()
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
        return self._killed is None and self._handle is not None and not tree.has_ended(self._handle)

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
        if self._handle is not None:
            tree.kill(self._handle, self.tree)

    # --- the thread ---

    def _run(self) -> None:
        try:
            process = self._start()
        except OSError as error:
            self._fault = f"{type(error).__name__} {error.errno}"
            self._finish()
            self._begun.set()
            return
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        Thread(target=self._write, args=(process.stdin,), name="child-writes", daemon=True).start()
        forwarding = Thread(target=self.stderr.forward, args=(process.stderr,), name="child-stderr", daemon=True)
        forwarding.start()
        self._begun.set()
        with process.stdout as stdout:
            self._listen(stdout.fileno())
            self._see_off(process)
        forwarding.join(LEAVING_SECONDS)
        self._finish()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=self._environment,
            start_new_session=True,
        )
        self._process = process
        with suppress(psutil.Error):
            self._handle = psutil.Process(process.pid)
        return process

    def _listen(self, descriptor: int) -> None:
        try:
            while (body := read_frame(descriptor)) is not None:
                self._inbox.put(from_child(body))
        except FrameInvalid as error:
            self._fault = error.message
            self.kill(KillReason.PROTOCOL)

    def _see_off(self, process: subprocess.Popen[bytes]) -> None:
        """The channel's end is the process's, or is made so."""
        try:
            process.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            self._fault = self._fault or "it closed its channel"
            self.kill(KillReason.PROTOCOL)
            process.wait()
        self._kill_tree()

    def _finish(self) -> None:
        self._outbox.put(None)
        self._ended.set()
        self._inbox.finish()

    def _write(self, stdin: IO[bytes]) -> None:
        with suppress(OSError), stdin:
            while (data := self._outbox.get()) is not None:
                write_whole(stdin.fileno(), data)
