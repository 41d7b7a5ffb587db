"""One schedule, from its script to what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import CoreMachineError
from testing.simulation.recorder import Recorder
from testing.simulation.rules import Violation
from testing.simulation.script import Script
from testing.simulation.world import SOUND, System, World

BROKEN = (CoreMachineError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a broken engine may raise where it should not."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A script under which ``rule`` does not hold."""

    script: Script
    rule: str
    text: str


def simulate(script: Script, system: System = SOUND, recorder: Recorder | None = None) -> Failure | None:
    """Run a schedule; ``None`` where all that must hold does."""
    world = World(script, system, recorder)
    try:
        world.run()
    except Violation as violation:
        return Failure(script, violation.rule, str(violation))
    except BROKEN as error:
        return Failure(script, f"{type(error).__name__} was raised", f"{type(error).__name__}: {error}")
    finally:
        world.close()
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Without the engine's log, which tells of every fault that the script asks for."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
