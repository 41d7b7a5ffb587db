"""How a claimed attempt's handler is called: the seam between the engine and the process that the handler runs in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.boundary import run_handler
from core.context import AttemptWrites, StopSignal, TaskContext
from core.handlers import TaskHandler
from core.messages import TaskQueueMessage
from core.outcome import Outcome
from core.ports import BlobStore, Clock
from core.scratch import Scratch


@dataclass(frozen=True, slots=True)
class HandlerCall:
    """One attempt, ready to be run.

    ``stop`` is the attempt's own: whoever runs it may set it, with the reason for which it was told to stop. ``writes``
    go to the store under the attempt's lease.
    """

    handler: TaskHandler
    message: TaskQueueMessage
    parameters_json: str
    checkpoint_json: str | None
    stop: StopSignal
    writes: AttemptWrites
    blobs: BlobStore
    clock: Clock


class HandlerRunner(Protocol):
    def __call__(self, call: HandlerCall) -> Outcome:
        """Run the handler to its end, or until it is given up.

        Raises :class:`core.errors.LeaseLost` where a write was refused, and :class:`core.errors.HandlerLost` where the
        handler's process ended, or had to be ended, without an outcome.
        """
        ...


class InProcess:
    """Calls handlers in the thread that asks. ``scratch_root`` is where their folders are made."""

    def __init__(self, scratch_root: Path | None = None) -> None:
        self._scratch_root = scratch_root

    def __call__(self, call: HandlerCall) -> Outcome:
        with Scratch(self._scratch_root) as scratch:
            context = TaskContext(
                call.message,
                timeout=call.handler.timeout,
                blobs=call.blobs,
                clock=call.clock,
                stop=call.stop,
                writes=call.writes,
                scratch=scratch,
                checkpoint_json=call.checkpoint_json,
            )
            return run_handler(call.handler, call.parameters_json, context)
