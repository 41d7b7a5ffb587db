"""The child's side: one call after the other, until the worker ends or says no more."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import assert_never

from core.boundary import guarded, run_handler
from core.context import StopSignal
from core.errors import CapacityExceeded, LeaseLost, UnknownTaskType
from core.outcome import Failed, Outcome, describe
from core.ports import BlobStore, Clock
from core.registry import HandlerRegistry
from core.scratch import Scratch
from docker_worker.child.channel import MAX_FRAME, FrameInvalid, framed, read_frame, write_whole
from docker_worker.child.own_process import restrict, settle
from docker_worker.child.protocol import (
    Asked,
    Began,
    Bounds,
    Call,
    Done,
    Ended,
    FoundLeaseLost,
    FromChild,
    Ready,
    Refused,
    ReportProgress,
    SaveCheckpoint,
    Stop,
    ToChild,
    ended,
    error_of,
    to_child,
)
from docker_worker.child.surroundings import Surroundings
from docker_worker.context import DockerTaskContext
from docker_worker.reserved_output import reserve_stdin, reserve_stdout

_log = logging.getLogger(__name__)

MAX_FROM_PARENT = 2 * MAX_FRAME
"""Bytes: a call carries parameters and a checkpoint."""


class Channel:
    """The child's way to its worker, over what were its standard input and output. The first frame are its bounds."""

    def __init__(self) -> None:
        self._in, self._out = reserve_stdin(), reserve_stdout()
        self._write = threading.Lock()
        settle()
        bounds = self.read()
        if not isinstance(bounds, Bounds):
            raise FrameInvalid("the first frame has to say the bounds")
        restrict(bounds)

    def read(self) -> ToChild | None:
        """``None`` where the worker has ended. Raises :class:`FrameInvalid`."""
        body = read_frame(self._in, MAX_FROM_PARENT)
        return None if body is None else to_child(body)

    def send(self, frame: FromChild) -> None:
        """Raises :class:`CapacityExceeded`, with nothing sent, for a frame that is too large."""
        data = framed(frame.encode())
        with self._write:
            write_whole(self._out, data)


def serve(
    handlers: HandlerRegistry,
    blobs: BlobStore,
    clock: Clock,
    *,
    warm_up: Callable[[], object] = lambda: None,
    channel: Channel | None = None,
) -> None:
    """Run the worker's calls of ``handlers`` until the worker ends, and the process with it.

    ``warm_up`` is called once before the first of them; it may fail. A ``channel`` that was opened before the handlers
    were imported keeps what their modules print out of it.
    """
    server = _Server(handlers, blobs, clock, channel or Channel())
    try:
        server.run(warm_up)
    except SystemExit as left:  # of a handler: at once, whatever threads it has left behind
        os._exit(left.code if isinstance(left.code, int) else 1)
    except BaseException as error:  # noqa: BLE001 - the top of the process, which ends with it
        frames = "".join(traceback.format_tb(error.__traceback__))  # without its text, which a document may have given
        _log.critical("%s was raised, most recent call last:\n%s", type(error).__name__, frames)
        with suppress(OSError, ValueError, AttributeError):  # there may be no standard error
            sys.stderr.flush()
        os._exit(1)


class _Server:
    def __init__(self, handlers: HandlerRegistry, blobs: BlobStore, clock: Clock, channel: Channel) -> None:
        self._handlers = handlers
        self._blobs = blobs
        self._clock = clock
        self._channel = channel
        self._calls: SimpleQueue[tuple[Call, StopSignal]] = SimpleQueue()
        self._answers: SimpleQueue[Done | Refused] = SimpleQueue()
        self._asking = threading.Lock()
        self._current: tuple[int, StopSignal] | None = None
        self._surroundings = Surroundings()

    def run(self, warm_up: Callable[[], object]) -> None:
        threading.Thread(target=self._listen, name="worker-channel", daemon=True).start()
        failed = guarded(warm_up)
        if isinstance(failed, Failed):
            _log.warning("warm_up_failed", extra={"code": failed.error.code, "reason": failed.error.message})
        self._surroundings = Surroundings()
        self._channel.send(Ready())
        while True:
            call, stop = self._calls.get()
            self._end(call.number, self._outcome(call, stop))

    def _listen(self) -> None:
        """Take in what the worker says, also while a handler computes."""
        try:
            while (frame := self._channel.read()) is not None:
                self._take(frame)
        finally:  # without a worker, or one that is not understood, there is nothing to save
            sys.stderr.flush()
            os._exit(0)

    def _take(self, frame: ToChild) -> None:
        match frame:
            case Call():
                stop = StopSignal()
                self._current = frame.number, stop
                self._calls.put((frame, stop))
            case Stop(number=number, reason=reason):
                if self._current is not None and self._current[0] == number:
                    self._current[1].set(reason)
            case Done() | Refused():
                self._answers.put(frame)
            case Bounds():
                raise FrameInvalid("the bounds are said once")
            case _:
                assert_never(frame)

    def _outcome(self, call: Call, stop: StopSignal) -> Outcome | None:
        """``None`` where the lease was lost."""
        try:
            handler = self._handlers.find(call.message.task_type)
        except UnknownTaskType as error:
            return Failed(describe(error), error)
        with self._surroundings.with_temporary_files_in(call.scratch):
            context = DockerTaskContext(
                call.message,
                timeout=handler.timeout,
                blobs=self._blobs,
                clock=self._clock,
                stop=stop,
                writes=_Writes(call.number, self._ask),
                scratch=Scratch(Path(call.scratch)),
                checkpoint_json=call.checkpoint_json,
            )
            self._channel.send(Began(number=call.number))
            try:
                return run_handler(handler, call.parameters_json, context)
            except LeaseLost:
                return None

    def _end(self, number: int, outcome: Outcome | None) -> None:
        said: Ended = FoundLeaseLost(number=number) if outcome is None else ended(number, outcome)
        try:
            self._channel.send(said)
        except CapacityExceeded as error:
            self._channel.send(ended(number, Failed(describe(error), error)))

    def _ask(self, asked: Asked) -> None:
        with self._asking:
            self._channel.send(asked)
            answer = self._answers.get()
        if isinstance(answer, Refused):
            raise error_of(answer)


class _Writes:
    """:class:`core.context.AttemptWrites` by asking the worker, who alone has the lease."""

    def __init__(self, number: int, ask: Callable[[Asked], None]) -> None:
        self._number = number
        self._ask = ask

    def save_checkpoint(self, checkpoint_json: str) -> None:
        self._ask(SaveCheckpoint(number=self._number, checkpoint_json=checkpoint_json))

    def report_progress(self, percent: float, message: str) -> None:
        self._ask(ReportProgress(number=self._number, percent=percent, message=message))
