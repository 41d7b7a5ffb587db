"""The systems that the simulation must see through, by name: each is sound but for one planted bug."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.ports import Clock
from testing.mock_state import MockStateManager
from testing.simulation.world import System
from tests.support import planted_machines as machines
from tests.support import planted_races as races
from tests.support import planted_stores as stores


def _with_store(store: type[MockStateManager]) -> System:
    def make(clock: Clock, yield_point: Callable[[], None]) -> MockStateManager:
        return store(clock)

    return System(store=make)


SYSTEMS: Mapping[str, System] = {
    **{store.__name__: _with_store(store) for store in stores.PLANTED},
    **{
        store.__name__: System(store=store)
        for store in (races.CountsWithoutALock, races.ClaimsWithoutComparing, races.OpensWithoutComparing)
    },
    **{
        attempts.__name__: System(machine=machines.with_attempts(attempts))
        for attempts in (
            machines.InterruptedIsDone,
            machines.NeverRetries,
            machines.InterruptedIsCharged,
            machines.UsesAResultTwice,
            machines.RetryKeepsItsMessageId,
            machines.LostLeaseIsFinal,
            machines.LostLeaseIsFree,
            machines.SendsBeforeItCommits,
        )
    },
    **{
        relay.__name__: System(machine=machines.with_relay(relay))
        for relay in (machines.MarksThenSends, machines.MarksWhatWasNotSent)
    },
    "DuplicateFailsTheJob": System(machine=machines.DuplicateFailsTheJob),
    **{
        reconciler.__name__: System(reconciler=reconciler)
        for reconciler in (
            machines.LeavesTheOutbox,
            machines.ResendsNothing,
            machines.EndsNoLeases,
            machines.EndsLiveLeases,
        )
    },
    **{
        consume.__name__: System(consume=consume)
        for consume in (machines.settles_first, machines.settles_what_failed, machines.buries_what_failed)
    },
}
"""By the name of what is broken."""


def __getattr__(name: str) -> System:
    """A system by its name, for ``--system tests.support.planted_systems:NoOutbox``."""
    try:
        return SYSTEMS[name]
    except KeyError as error:
        raise AttributeError(name) from error
