"""What the relay and the reconciler ask of :class:`testing.mock_state.MockStateManager`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice

from core.decisions import next_grace
from core.ids import JobId
from core.model import LeaseExpired, OutboundMessage, OutboxRow, StageStatus
from core.ports import Attention
from testing.mock_tables import MockTables
from testing.rows import RunRow, StageRow, TaskRow

Waiting = RunRow | StageRow | TaskRow
"""What waits for a wake-up."""

Found = tuple[Waiting, OutboundMessage]


class MockRecovery(MockTables):
    """:class:`core.ports.Recovery`."""

    def unpublished(self, limit: int, before: datetime) -> Sequence[OutboxRow]:
        return self._outbox.oldest(limit, before)

    def still_unpublished(self, row_ids: Sequence[int]) -> set[int]:
        return self._outbox.wanted(row_ids)

    def mark_published(self, row_ids: Sequence[int], now: datetime) -> None:
        self._outbox.publish(row_ids, now)

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        held = [task for task in self._tasks.values() if task.lease and task.stage.task_type in task_types]
        expired = [task.expired() for task in held if task.lease and task.lease.expires_at <= now]
        return sorted(expired, key=lambda found: (found.lease.expires_at, found.lease.token))[:limit]

    def reissue_stale(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboxRow]:
        found = list(islice(self._stale_advances(before), limit))
        stages = [stage for stage in map(list, self._stale_stages(before)) if stage]
        for index, tasks in enumerate(stages):
            share = -(-(limit - len(found)) // (len(stages) - index))
            found += tasks[:share]
        return [self._reissue(owner, message, before, now) for owner, message in found]

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
            stale_wakeups=next(self._stale(stale_before), None) is not None,
            overdue=bool(self.overdue_runs(now, 1)),
        )

    def _reissue(self, owner: Waiting, message: OutboundMessage, before: datetime, now: datetime) -> OutboxRow:
        again, grace = message._replace(not_before=None), next_grace(owner.grace, now - before)
        if isinstance(owner, TaskRow):
            owner.wake(again, grace)
        else:
            owner.grace = grace
        return self._outbox.add(owner, again, now)

    def _stale(self, before: datetime) -> Iterator[Found]:
        yield from self._stale_advances(before)
        yield from chain.from_iterable(self._stale_stages(before))

    def _stale_advances(self, before: datetime) -> Iterator[Found]:
        """What was published before ``before`` and is still needed of runs, then of stages that ended."""
        waiting = self._outbox.owners()
        going_on = [run for run in self._runs.values() if not run.ended]
        for run in going_on:
            if not run.stages and run.message and _before(run.woken_at, before) and run not in waiting:
                yield run, run.message
        for run in going_on:
            for last in run.stages[-1:]:
                ended = last.status is not StageStatus.RUNNING
                if ended and last.on_end and _before(last.woken_at, before) and last not in waiting:
                    yield last, last.on_end

    def _stale_stages(self, before: datetime) -> Iterator[Iterator[Found]]:
        """The same of the tasks of each stage that runs."""
        waiting = self._outbox.owners()
        for run in self._runs.values():
            if not run.ended:
                stale = _stale_tasks(run, before)
                yield ((task, task.message) for task in stale if task.message and task not in waiting)


def _stale_tasks(run: RunRow, before: datetime) -> Iterator[TaskRow]:
    if run.stages and not run.paused and run.stages[-1].status is StageStatus.RUNNING:
        yield from (task for task in run.stages[-1].tasks if task.stale(before))


def _before(woken_at: datetime | None, before: datetime) -> bool:
    return woken_at is not None and woken_at < before
