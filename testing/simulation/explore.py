"""Every schedule of a small world with few faults: no sampling.

The world is the calm one: two workers, a reconciler, a job of two stages of three tasks. Its schedule is deviated
from at every step in every way, up to a number of preemptions and a number of crashes. A preemption lets another actor
go on first, or takes the actor away for longer than its lease. Few preemptions show most bugs of interleaving
(Musuvathi and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

from testing.simulation.actions import Action
from testing.simulation.campaign import SOUND_NAME, Campaign, Progress, load_system, workers
from testing.simulation.recorder import Entry, Recorder
from testing.simulation.script import CALM, Deviation, Script
from testing.simulation.simulate import simulate
from testing.simulation.world import System

LOOKS = frozenset(
    {
        "attention",
        "expired_leases",
        "get",
        "latest_run",
        "load_run",
        "load_task",
        "overdue_runs",
        "receive",
        "stage_results",
        "unpublished",
        "work",
    }
)
"""What changes nothing that others see, but by locking messages: a crash there is one before the actor's next step."""

CRASHES = (Action.CRASH_BEFORE, Action.CRASH_AFTER)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many preemptions and how many crashes a schedule has at most."""

    preemptions: int = 1
    crashes: int = 1

    def left(self, deviations: Sequence[Deviation]) -> Bounds:
        """What may still happen after ``deviations``."""
        crashes = sum([deviation.value in CRASHES for deviation in deviations])
        return Bounds(self.preemptions - len(deviations) + crashes, self.crashes - crashes)

    def ways(self, entries: Sequence[Entry]) -> Iterator[Deviation]:
        """What else could happen at each of the steps, one thing at a time; each has an effect there.

        A crash before an actor's step is the one after its step before, and comes once.
        """
        may_crash_after: set[str] = set()
        for entry in entries:
            if self.preemptions:
                yield from _deviations(entry, [*entry.others, Action.STALL_PAST_THE_LEASE])
            if self.crashes and entry.key.operation not in LOOKS:
                yield from _deviations(entry, CRASHES[entry.stream in may_crash_after :])
                may_crash_after.add(entry.stream)
            else:
                may_crash_after.discard(entry.stream)


def explore(
    bounds: Bounds, processes: int | None = None, system: str = SOUND_NAME, progress: Progress | None = None
) -> Campaign:
    """Run every schedule within ``bounds``. ``system`` is ``module:name``."""
    started = time.perf_counter()
    campaign, firsts = _first(bounds, load_system(system))
    with workers(processes) as pool:
        running = [pool.submit(_subtree, first, bounds, system) for first in firsts]
        for done in as_completed(running):
            found = done.result()
            campaign.schedules += found.schedules
            campaign.failed += found.failed
            campaign.seconds = time.perf_counter() - started
            if progress is not None:
                progress(campaign)
    return campaign


def _first(bounds: Bounds, system: System) -> tuple[Campaign, Sequence[Script]]:
    """The schedule without deviations, and the scripts that deviate from it once."""
    campaign = Campaign()
    return campaign, list(_run(CALM, bounds, system, campaign))


def _subtree(script: Script, bounds: Bounds, name: str) -> Campaign:
    """The schedules that begin with the deviations of ``script``."""
    campaign, system = Campaign(), load_system(name)
    pending = [script]
    while pending:
        pending += _run(pending.pop(), bounds, system, campaign)
    return campaign


def _run(script: Script, bounds: Bounds, system: System, campaign: Campaign) -> Iterator[Script]:
    """Run a schedule; the scripts that deviate from it once more, after its last deviation."""
    deviations = script.deviations
    left = bounds.left(deviations)
    recorder = Recorder() if left.preemptions or left.crashes else None
    failure = simulate(script, system, recorder)
    campaign.schedules += 1
    if failure is not None:
        campaign.failed.append(str(script))
    elif recorder is not None:
        newest = max([at for at, entry in enumerate(recorder.log) if entry.effective], default=-1)
        for deviation in left.ways(recorder.log[newest + 1 :]):
            yield Script.of([*deviations, deviation])


def _deviations(entry: Entry, actions: Sequence[int]) -> Iterator[Deviation]:
    return (Deviation(entry.stream, entry.at, action) for action in actions)
