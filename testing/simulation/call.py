"""A call of a handler, as the witness remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from core.errors import CoreMachineError
from core.jsontext import dump_json
from core.model import Lease
from core.outcome import Interrupted, RetryLater
from testing.simulation.actions import Conduct
from testing.simulation.task_book import Ending, TaskBook

if TYPE_CHECKING:
    from testing.simulation.worker import Worker


class Call:
    """A call of a handler: what it did, and so what the attempt must come to."""

    __slots__ = ("conduct", "ending", "lease", "number", "result_json", "task", "worker")

    def __init__(self, number: int, worker: Worker, lease: Lease, task: TaskBook, conduct: Conduct) -> None:
        self.number = number
        self.worker = worker
        self.lease = lease
        self.task = task
        self.conduct = conduct
        self.ending: Ending | None = None
        self.result_json: str | None = None

    def succeeded(self, result: BaseModel) -> None:
        self.ending = Ending.COMPLETED
        self.result_json = dump_json(result)

    def raised(self, error: CoreMachineError) -> None:
        self.ending = Ending.CHARGED if error.retryable else Ending.FAILED

    def answered(self, answer: RetryLater | Interrupted, stop_reason: str | None) -> None:
        """An interruption by nothing but the deadline is a failure, unless a checkpoint was saved."""
        timed_out = stop_reason == "deadline" and not self.task.progressed
        free = isinstance(answer, Interrupted) and not timed_out
        self.ending = Ending.FREE if free else Ending.CHARGED
