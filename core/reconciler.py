"""The reconciler: a small idempotent pass that repairs what a crash or a lost message left behind.

It repairs expired leases, unpublished outbox rows and wake-ups that never led to a claim. A backlog is not
repaired: a wake-up is sent again only after ``stale_after``, and claiming by either copy is a no-op for
the other. Any number of passes may run at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from core.attempts import APPLIED
from core.machine import CoreMachine
from core.messages import TaskQueueMessage
from core.model import LeaseExpired
from core.ports import MessageBus
from core.relay import OutboxRelay

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReconcilerPolicy:
    """Seconds. ``stale_after`` is longer than the bus's duplicate-detection window (10 minutes by default)."""

    unpublished_after: float = 10.0
    stale_after: float = 900.0
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class Repairs:
    """What one pass repaired."""

    published: int
    leases_ended: int
    wakeups_resent: int

    @property
    def total(self) -> int:
        return self.published + self.leases_ended + self.wakeups_resent


class Reconciler:
    def __init__(self, machine: CoreMachine, bus: MessageBus, policy: ReconcilerPolicy | None = None) -> None:
        self._machine = machine
        self._relay = OutboxRelay(machine.store, bus, machine.clock)
        self._policy = policy or ReconcilerPolicy()

    def run_once(self) -> Repairs:
        """One pass. Raises :class:`core.errors.StoreUnavailable` where the store is away."""
        known = frozenset(self._machine.handlers)
        expired = self._machine.store.expired_leases(self._machine.clock.now(), self._policy.limit, known)
        ended = sum(map(self._end, expired))
        before = self._machine.clock.now() - timedelta(seconds=self._policy.unpublished_after)
        published = self._relay.publish_unpublished(before, self._policy.limit)
        return Repairs(published, ended, self._resend())

    def _end(self, expired: LeaseExpired) -> bool:
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
        return self._machine.end_lost_attempt(message, expired).effect == APPLIED

    def _resend(self) -> int:
        now = self._machine.clock.now()
        before = now - timedelta(seconds=self._policy.stale_after)
        return self._relay.publish(self._machine.store.reissue_stale(before, now, self._policy.limit))
