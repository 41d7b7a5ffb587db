"""The process of ``--once`` and the one that it runs the task in.

The task runs in a fork of this process that has no standard output but standard error. So nothing that the task does to
its process, up to ending it, comes between the caller and the answer, and nobody but the parent can write there. What
the task came to is handed over in a file that has no name.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO

from core.context import StopReason, StopSignal
from docker_worker.child.own_process import settle
from docker_worker.once import leftovers
from docker_worker.reserved_output import STDERR, STDIN, STDOUT, reserve_stdout

if TYPE_CHECKING:
    from testing.factories import Registries

TOLD = (signal.SIGTERM, signal.SIGINT)
TO_END = (*TOLD, signal.SIGALRM)
"""The last is for the end of the grace period."""

LOOK_SECONDS = 0.2
"""How often it is looked whether to end, while nobody takes the answer."""

ENDING_SECONDS = 5.0
"""How long the task's process may take to end once its answer is handed over, as where it left threads; and then what
it leaves running.
"""


def main(registries: Callable[[], Registries] | None = None) -> int:
    """Exit codes: 0 with an answer, whatever it says; 1 where it could not be written, as where it is told to end and
    nobody reads.

    ``registries`` gives what is registered, by default everything of this project.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
    try:
        os.fstat(STDOUT)
        _fill(STDIN)
        _fill(STDERR)
        output = reserve_stdout()
    except OSError as error:
        _complain(f"there is no standard output: {os.strerror(error.errno or 0)}")
        return 1
    alone = leftovers.inherit()
    with _nameless() as answer:
        child = os.fork()
        if child == 0:
            os.close(output)
            _task(answer, registries)
            return 0
        code, told = _supervised(child)
        if alone:
            leftovers.end(ENDING_SECONDS)
        return _pass_on(_written(answer) or _without_answer(code, told), output)


def _nameless() -> BinaryIO:
    """In memory where the system has such files: there may be no folder that can be written to."""
    in_memory: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    return tempfile.TemporaryFile() if in_memory is None else os.fdopen(in_memory("answer"), "w+b")


def _fill(number: int) -> None:
    """Where ``number`` is closed, the next file that is opened would take its place."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)


def _complain(text: str) -> None:
    with suppress(OSError):
        os.write(STDERR, f"{text}\n".encode())


# --- the task's process ---


def _task(answer: BinaryIO, registries: Callable[[], Registries] | None) -> None:
    """Returns with the answer handed over, so that what was registered for the process's end is done; else ends it."""
    code, handed_over = 1, False
    try:
        _answer(answer, registries)
        handed_over = True
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except OSError as error:
        _complain(f"the answer was not handed over: {os.strerror(error.errno or 0)}")
    finally:
        if not handed_over:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(code)


def _answer(answer: BinaryIO, registries: Callable[[], Registries] | None) -> None:
    settle()
    stop = StopSignal()
    for number in TOLD:
        signal.signal(number, lambda _number, _frame: stop.set(StopReason.SHUTDOWN))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
    from docker_worker.once.answer import end_at  # noqa: PLC0415
    from docker_worker.once.task import document_of, registered  # noqa: PLC0415 - signals are taken before this takes its time

    _write(answer, document_of(STDIN, stop, registries or registered, lambda content: _write(answer, content)))
    end_at(ENDING_SECONDS)


def _write(answer: BinaryIO, content: bytes) -> None:
    answer.seek(0)
    answer.truncate()  # also of what the task wrote there, which has the descriptor
    answer.write(content)
    answer.flush()


# --- the parent ---


def _supervised(child: int) -> tuple[int, bool]:
    """The child's exit code, or minus its signal's number, and whether it was told to end.

    A signal is passed on once; a second one, or the end of the grace period, ends the child.
    """
    told: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        os.kill(child, signal.SIGTERM if len(told) == 1 else signal.SIGKILL)
        if len(told) == 1:
            signal.setitimer(signal.ITIMER_REAL, _grace_seconds())

    signal.signal(signal.SIGALRM, lambda _number, _frame: os.kill(child, signal.SIGKILL))
    for number in TOLD:
        signal.signal(number, on_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it keeps its number while a handler may still run
    signal.pthread_sigmask(signal.SIG_BLOCK, TO_END)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), bool(told)


def _grace_seconds() -> float:
    from infrastructure.settings import Settings, SettingsInvalid  # noqa: PLC0415 - for whom it is asked

    try:
        return Settings.from_environment(os.environ).docker_grace_seconds
    except SettingsInvalid:
        return Settings.from_environment({}).docker_grace_seconds


def _written(answer: BinaryIO) -> bytes:
    """Empty unless all of it was written."""
    answer.seek(0)
    content = answer.read()
    return content if content.endswith(b"\n") else b""


def _without_answer(code: int, told: bool) -> bytes:
    from docker_worker.once.answer import without_answer  # noqa: PLC0415 - for whom it is asked
    from docker_worker.once.document import encoded  # noqa: PLC0415

    return encoded(without_answer(code, told))


def _pass_on(content: bytes, output: int) -> int:
    left = memoryview(content)
    room = select.poll()
    room.register(output, select.POLLOUT)
    try:
        os.set_blocking(output, True)
        while left:
            if room.poll(LOOK_SECONDS * 1_000):
                left = left[os.write(output, left[: select.PIPE_BUF]) :]  # of which there is room for no less
            elif signal.sigpending() & set(TO_END):
                _complain("the answer was not taken: told to end")
                return 1
    except OSError as error:
        _complain(f"the answer was not taken: {os.strerror(error.errno or 0)}")
        return 1
    return 0
