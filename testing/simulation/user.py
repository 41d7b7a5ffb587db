"""Somebody who pauses, resumes and cancels jobs, and runs them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.errors import InvalidInput, TransientError
from core.ids import JobId
from core.operations import JobOperations
from testing.simulation.actors import NEVER, Actor

if TYPE_CHECKING:
    from testing.simulation.world import World

NAME = "somebody"
AGAIN_AFTER = 30.0
DEMANDS = ("pause", "resume", "cancel", "resubmit", "reuse", "replay")
PATIENCE = 12
"""How often what cannot be done yet is asked for again."""


class Demand(NamedTuple):
    """What to ask for, ``seconds`` after what was asked for before."""

    what: str
    seconds: float


class User(Actor):
    """Makes its demands one after the other, each until it is met or refused for good, and leaves nothing paused."""

    def __init__(self, world: World, name: str, skew: float, demands: Sequence[Demand]) -> None:
        super().__init__(world, name, skew)
        self._demands = [*demands, Demand("resume", 0.0)]

    @property
    def at_rest(self) -> bool:
        return self.wake_at == NEVER

    def live(self) -> None:
        while self._demands:
            self.sleep(self._demands[0].seconds, early=True)
            self._insist(self._demands[0].what)
            del self._demands[0]

    def _insist(self, what: str) -> None:
        tries = 0
        while not self._ask(what) and (tries < PATIENCE or what == "resume"):
            tries += 1
            self.sleep(AGAIN_AFTER, early=True)

    def _ask(self, what: str) -> bool:
        """Whether it is done, or cannot be."""
        job_id = next((job_id for job_id, _ in self.world.witness.runs), None)
        if job_id is None:
            return False
        try:
            self._demand(JobOperations(self.machine), what, job_id)
        except TransientError:
            return False
        except InvalidInput:
            return what not in ("resubmit", "reuse", "replay")
        return True

    def _demand(self, operations: JobOperations, what: str, job_id: JobId) -> None:
        match what:
            case "pause":
                operations.pause(job_id, NAME)
            case "resume":
                operations.resume(job_id, NAME)
            case "cancel":
                operations.cancel(job_id, NAME)
            case "resubmit":
                operations.resubmit(job_id, NAME)
            case "reuse":
                operations.resubmit(job_id, NAME, reuse_finished_stages=True)
            case "replay":
                operations.replay(job_id, NAME)
            case _:
                raise ValueError(what)
