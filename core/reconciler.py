"""The reconciler: a small idempotent pass that repairs what a crash, a lost message or too much time left behind.

It ends runs that are overdue and attempts whose lease ran out, publishes what stayed in the outbox, and sends wake-ups
again that never led to a claim. A backlog is not repaired: a wake-up is sent again only after ``stale_after``, and
claiming by either copy is a no-op for the other. Any number of passes may run at once. A pass that finds nothing to do
asks the store one question.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import partial
from typing import TypeVar

from core.attempts import APPLIED
from core.errors import CoreMachineError, StoreBusy, TransientError
from core.ids import JobId
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import LeaseExpired, RunStatus
from core.outcome import ErrorInfo
from core.ports import MessageBus
from core.relay import OutboxRelay

_log = logging.getLogger(__name__)

T = TypeVar("T")

RUN_DEADLINE_EXCEEDED = ErrorInfo("RUN_DEADLINE_EXCEEDED", "the run had not ended at its deadline")


@dataclass(frozen=True, slots=True)
class ReconcilerPolicy:
    """Seconds. ``stale_after`` is longer than the bus's duplicate-detection window (10 minutes by default).

    ``limit`` bounds what one pass does of each kind, and ``publish_limit`` how many rows it publishes.
    """

    unpublished_after: float = 10.0
    stale_after: float = 900.0
    limit: int = 1_000
    publish_limit: int = 10_000


@dataclass(frozen=True, slots=True)
class Repairs:
    """What one pass repaired, and how many repairs it could not make, which the next will try again."""

    runs_expired: int = 0
    leases_ended: int = 0
    published: int = 0
    wakeups_resent: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.runs_expired + self.leases_ended + self.published + self.wakeups_resent


class Reconciler:
    def __init__(self, machine: CoreMachine, bus: MessageBus, policy: ReconcilerPolicy | None = None) -> None:
        self._machine = machine
        self._relay = OutboxRelay(machine.store, bus, machine.clock)
        self._policy = policy or ReconcilerPolicy()
        self._spares_leases = False

    def run_once(self) -> Repairs:
        """One pass. Raises :class:`core.errors.StoreUnavailable` where the store is away.

        The pass after one that did so ends no lease: while the store was away nobody could renew one.
        """
        spares, self._spares_leases = self._spares_leases, True
        repairs = self._pass(spares)
        self._spares_leases = False
        if repairs.total or repairs.failed:
            _log.info("repaired", extra={field.name: getattr(repairs, field.name) for field in fields(repairs)})
        return repairs

    def _pass(self, spares_leases: bool) -> Repairs:
        store, policy, now = self._machine.store, self._policy, self._machine.clock.now()
        unpublished_before = now - timedelta(seconds=policy.unpublished_after)
        stale_before = now - timedelta(seconds=policy.stale_after)
        known = frozenset(self._machine.handlers)
        found = store.attention(now, unpublished_before, stale_before, known)
        overdue = store.overdue_runs(now, policy.limit) if found.overdue else ()
        runs_expired, runs_failed = _each(self._expire, overdue)
        expired = store.expired_leases(now, policy.limit, known) if found.expired_leases and not spares_leases else ()
        leases_ended, leases_failed = end_expired(self._machine, expired)
        published = (
            self._relay.publish_unpublished(unpublished_before, policy.publish_limit) if found.unpublished else 0
        )
        stale = store.reissue_stale(stale_before, now, policy.limit) if found.stale_wakeups else ()
        return Repairs(runs_expired, leases_ended, published, self._relay.publish(stale), runs_failed + leases_failed)

    def _expire(self, run: tuple[JobId, int]) -> bool:
        status, now = RunStatus.FAILED, self._machine.clock.now()
        ended = self._machine.store.finish_run(*run, status, None, RUN_DEADLINE_EXCEEDED, now)
        if ended:
            _log.warning("run_expired", extra={"job_id": run[0], "run": run[1], "code": RUN_DEADLINE_EXCEEDED.code})
        return ended


def end_expired(machine: CoreMachine, expired: Iterable[LeaseExpired]) -> tuple[int, int]:
    """End attempts whose leases ran out; how many were ended, and how many could not be.

    One whose holder was heard of since is neither. Raises :class:`core.errors.TransientError` where the store is away.
    """
    return _each(partial(_end_lease, machine), expired)


def _end_lease(machine: CoreMachine, expired: LeaseExpired) -> bool:
    job_id, run, stage, _ = expired.lease.task_id.split(":", 3)
    message = TaskQueueMessage.model_validate(
        {
            "job_id": job_id,
            "run": run,
            "job_type": expired.job_type,
            "stage": stage,
            "task_id": expired.lease.task_id,
            "task_type": expired.task_type,
            "attempt": expired.lease.attempt,
        }
    )
    return machine.end_lost_attempt(message, expired).effect == APPLIED


def _each(repair: Callable[[T], bool], found: Iterable[T]) -> tuple[int, int]:
    """How many repairs were made, and how many failed: one that fails does not hold up the others."""
    made = failed = 0
    for one in found:
        try:
            made += repair(one)
        except CoreMachineError as error:
            if isinstance(error, TransientError) and not isinstance(error, StoreBusy):
                raise
            _log.error("not_repaired", extra={"subject": str(one)[:200], "code": error.code})
            failed += 1
    return made, failed
