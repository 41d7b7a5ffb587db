"""Many seeds over several processes."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

from testing.simulation.script import Script
from testing.simulation.simulate import simulate
from testing.simulation.world import System

CHUNK = 500
SOUND_NAME = "testing.simulation.world:SOUND"


@dataclass(slots=True)
class Campaign:
    """``failed`` holds the scripts that failed, as text; ``seconds`` is what ``schedules`` of them took in all."""

    schedules: int = 0
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Schedules a second."""
        return self.schedules / self.seconds if self.seconds else 0.0


Progress = Callable[[Campaign], None]


def run_seeds(
    seeds: range, processes: int | None = None, system: str = SOUND_NAME, progress: Progress | None = None
) -> Campaign:
    """Simulate each seed. ``system`` is ``module:name``; ``progress`` hears of what is done so far, now and then."""
    chunks = (range(start, min(start + CHUNK, seeds.stop)) for start in range(seeds.start, seeds.stop, CHUNK))
    started = time.perf_counter()
    campaign = Campaign()
    with workers(processes) as pool:
        for chunk, failed in _spread(pool, chunks, system):
            campaign.schedules += len(chunk)
            campaign.failed += failed
            campaign.seconds = time.perf_counter() - started
            if progress is not None:
                progress(campaign)
    return campaign


def _spread(pool: ProcessPoolExecutor, chunks: Iterator[range], system: str) -> Iterator[tuple[range, Sequence[str]]]:
    """The failures of each chunk, as they come in. No more are handed out than keep the processes busy."""
    running: dict[Future[Sequence[str]], range] = {}
    while True:
        for chunk in islice(chunks, 2 * (os.cpu_count() or 1) - len(running)):
            running[pool.submit(_failures, chunk, system)] = chunk
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(done), done.result()


@contextmanager
def workers(processes: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Processes that start from nothing, so that it does not matter what threads this one has."""
    context = get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count(), context, _start) as pool:
        yield pool


def load_system(name: str) -> System:
    """The :class:`System` that ``module:name`` names. Raises :class:`ValueError`."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name!r} names nothing: {error}") from error
    if not isinstance(found, System):
        raise ValueError(f"{name!r} is not a System")  # noqa: TRY004 - what is wrong is the name that was given
    return found


def _start() -> None:
    """A process of a campaign: without a log, and without going through what was imported at every collection."""
    logging.disable(logging.CRITICAL)
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def _failures(seeds: range, name: str) -> Sequence[str]:
    system = load_system(name)
    return [str(seed) for seed in seeds if simulate(Script.drawn(seed), system) is not None]
