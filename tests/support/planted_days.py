"""Bugs that a simulated day sees through: each changes a process of the worker before it begins."""

from __future__ import annotations

from collections.abc import Mapping

from azure.core.credentials import AccessToken

from core.errors import LockLost
from tests.support.day_surroundings import HOUR
from tests.support.worker_day import Plant, Process


def forgets_outcomes(process: Process) -> None:
    """What could not be committed is gone."""
    attempts = process.machine.attempts
    attempts.commit_kept = attempts._kept.clear  # type: ignore[method-assign]


def takes_a_lost_lock_for_a_failure(process: Process) -> None:
    """What renews the lock raises where it is lost, into the work."""
    lock, keep = process.worker._lock, process.worker._lock.keep
    lost = process.worker._slot.status

    def keeps() -> None:
        before = lost.snapshot().locks_lost
        keep()
        if lost.snapshot().locks_lost > before:
            raise LockLost("the message is not ours any more")

    lock.keep = keeps  # type: ignore[method-assign]
    process.patient.while_waiting = keeps


def never_renews_its_token(process: Process) -> None:
    """The first token is shown for ever."""
    first = process.tokens.get_token("database") if not process._day.identity_service.now else AccessToken("", 0)
    process.tokens.get_token = lambda *_, **__: first  # type: ignore[method-assign]
    process.tokens.renew_due = lambda: None  # type: ignore[method-assign]


def ends_leases_as_soon_as_the_store_is_back(process: Process) -> None:
    process.watch._spares = lambda now: False  # type: ignore[method-assign]


def fails_where_a_checkpoint_cannot_be_saved(process: Process) -> None:
    process.machine.attempts._runner = process.runner


def never_watches_leases(process: Process) -> None:
    process.watch.step = lambda: HOUR  # type: ignore[method-assign]


PLANTS: Mapping[str, Plant] = {
    plant.__name__: plant
    for plant in (
        forgets_outcomes,
        takes_a_lost_lock_for_a_failure,
        never_renews_its_token,
        ends_leases_as_soon_as_the_store_is_back,
        fails_where_a_checkpoint_cannot_be_saved,
        never_watches_leases,
    )
}
