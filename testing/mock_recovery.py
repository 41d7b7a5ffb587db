"""What the relay and the reconciler ask of :class:`testing.mock_state.MockStateManager`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from core.decisions import next_grace
from core.ids import JobId
from core.model import LeaseExpired, OutboxRow, StageStatus, TaskStatus
from core.ports import Attention
from testing.mock_tables import MockTables
from testing.rows import RunRow, StageRow, TaskRow

Waiting = RunRow | StageRow | TaskRow
"""What waits for a wake-up."""


class MockRecovery(MockTables):
    """:class:`core.ports.Recovery`."""

    def unpublished(self, limit: int, before: datetime, after: int = 0) -> Sequence[OutboxRow]:
        return self._outbox.oldest(limit, before, after)

    def still_unpublished(self, row_ids: Sequence[int]) -> set[int]:
        return self._outbox.wanted(row_ids)

    def mark_published(self, row_ids: Sequence[int], now: datetime) -> None:
        self._outbox.publish(row_ids, now)

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        held = [task for task in self._tasks.values() if task.lease and task.stage.task_type in task_types]
        expired = [task.expired() for task in held if task.lease and task.lease.expires_at <= now]
        return sorted(expired, key=lambda found: (found.lease.expires_at, found.lease.token))[:limit]

    def reissue_stale(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboxRow]:
        found = self._stale_advances(before)[:limit]
        stages = self._stale_stages(before, limit - len(found))
        for index, tasks in enumerate(stages):
            share = -(-(limit - len(found)) // (len(stages) - index))
            found += tasks[:share]
        return [self._reissue(owner, before, now) for owner in found]

    def overdue_runs(self, now: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        due = [(run.deadline, run.key) for run in self._runs.values() if run.deadline is not None and not run.ended]
        overdue = [found for found in due if found[0] <= now]
        return [key for _, key in sorted(overdue, key=lambda found: found[0])[:limit]]

    def attention(
        self, now: datetime, unpublished_before: datetime, stale_before: datetime, task_types: Collection[str]
    ) -> Attention:
        return Attention(
            expired_leases=bool(self.expired_leases(now, 1, task_types)),
            unpublished=bool(self.unpublished(1, unpublished_before)),
            stale_wakeups=bool(self._stale_advances(stale_before) or self._stale_stages(stale_before, 1)),
            overdue=bool(self.overdue_runs(now, 1)),
        )

    def _reissue(self, owner: Waiting, before: datetime, now: datetime) -> OutboxRow:
        message, grace = owner.wakeup, next_grace(owner.grace, now - before)
        assert message is not None
        again = message._replace(not_before=None)
        if isinstance(owner, TaskRow):
            owner.wake(again, grace)
        else:
            owner.grace = grace
        return self._outbox.add(owner, again, now)

    def _stale_advances(self, before: datetime) -> list[Waiting]:
        """Runs, then stages that ended, whose wake-up was due before ``before`` and is still needed."""
        going_on = [run for run in self._runs.values() if not run.ended]
        runs = [run for run in going_on if not run.stages]
        newest = [stage for run in going_on for stage in run.stages[-1:]]
        ended = [stage for stage in newest if stage.status is not StageStatus.RUNNING]
        return [*self._stale(runs, before), *self._stale(ended, before)]

    def _stale_stages(self, before: datetime, limit: int) -> list[list[Waiting]]:
        """The same tasks of each stage that runs, of ``limit`` stages."""
        going_on = [run for run in self._runs.values() if not run.ended and not run.paused]
        tasks = [
            [task for stage in run.stages[-1:] for task in stage.tasks if task.status is TaskStatus.QUEUED]
            for run in going_on
        ]
        stages = [found for found in (self._stale(some, before) for some in tasks) if found]
        oldest = sorted(range(len(stages)), key=lambda index: _due(stages[index][0]))[:limit]
        return [stages[index] for index in sorted(oldest)]

    def _stale(self, owners: Iterable[Waiting], before: datetime) -> list[Waiting]:
        """Of ``owners`` those who wait since before ``before`` for a message, the longest due first."""
        waiting = self._outbox.owners()
        stale = [one for one in owners if one.wakeup and one.due is not None and one.due < before]
        return sorted((one for one in stale if one not in waiting), key=_due)


def _due(owner: Waiting) -> datetime:
    assert owner.due is not None
    return owner.due
