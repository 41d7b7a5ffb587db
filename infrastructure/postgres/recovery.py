"""What the relay and the reconciler ask of the store."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from core.decisions import MAX_GRACE
from core.errors import StoreBusy
from core.ids import JobId
from core.model import LeaseExpired, OutboxRow
from core.ports import Attention
from infrastructure.postgres.database import SEPARATOR, Database, Parameters, Statements
from infrastructure.postgres.rows import lease_expired, outbox_row
from infrastructure.postgres.run_keys import MAX_BIG, RunKeys
from infrastructure.postgres.sql_blocks import load_blocks

_SQL = load_blocks("recovery.sql")

_log = logging.getLogger(__name__)


class RecoveryStatements:
    """The part of the store that repairs."""

    def __init__(self, database: Database, keys: RunKeys) -> None:
        self._database = database
        self._keys = keys

    def unpublished(self, limit: int, before: datetime, after: int = 0) -> Sequence[OutboxRow]:
        if not 0 <= after <= MAX_BIG:
            return [] if after > 0 else self.unpublished(limit, before)
        rows = self._database.rows(_SQL["unpublished"], limit=limit, before=before, after=after)
        return [outbox_row(row) for row in rows]

    def still_unpublished(self, row_ids: Sequence[int]) -> set[int]:
        known = [str(row_id) for row_id in row_ids if 0 < row_id <= MAX_BIG]
        if not known:
            return set()
        rows = self._database.rows(_SQL["still_unpublished"], row_ids=SEPARATOR.join(known))
        return {row.row_id for row in rows}

    def mark_published(self, row_ids: Sequence[int], now: datetime) -> None:
        known = [str(row_id) for row_id in row_ids if 0 < row_id <= MAX_BIG]
        if known:
            self._database.execute(_SQL["mark_published"], row_ids=SEPARATOR.join(known), now=now)

    def expired_leases(self, now: datetime, limit: int, task_types: Collection[str]) -> Sequence[LeaseExpired]:
        rows = self._database.rows(_SQL["expired_leases"], now=now, limit=limit, task_types=list(task_types))
        for row in rows:
            self._keys.remember(JobId(row.job_id), row.run, row.run_key)
        return [lease_expired(row) for row in rows]

    def reissue_stale(self, before: datetime, now: datetime, limit: int) -> Sequence[OutboxRow]:
        window = max(now - before, timedelta(0))
        asked = {"before": before, "now": now, "window": window, "max_grace": MAX_GRACE}
        with self._database.transaction() as statements:
            row_ids = _taken(statements, "reissue_runs", limit=limit, **asked)
            row_ids += _taken(statements, "reissue_ends", limit=limit - len(row_ids), **asked)
            found = outbox_rows(statements, row_ids)
        stages = self._database.rows(_SQL["stages_to_look_at"], before=before, limit=limit - len(found))
        for index, stage in enumerate(stages):
            share = -(-(limit - len(found)) // (len(stages) - index))
            found += self._reissue_tasks({"run_key": stage.run_key, "stage": stage.number}, share, asked)
        return found

    def _reissue_tasks(self, stage: Parameters, limit: int, asked: Parameters) -> list[OutboxRow]:
        """Of one stage. What cannot be had of it now is left to the next pass, and does not hold up the others."""
        try:
            with self._database.transaction() as statements:
                if statements.row(_SQL["hold_stage_to_look_at"], before=asked["before"], **stage) is None:
                    return []
                return outbox_rows(statements, _taken(statements, "reissue_tasks", limit=limit, **stage, **asked))
        except StoreBusy as error:
            _log.warning("stage_not_looked_at", extra={**stage, "code": error.code})
            return []

    def overdue_runs(self, now: datetime, limit: int) -> Sequence[tuple[JobId, int]]:
        rows = self._database.rows(_SQL["overdue_runs"], now=now, limit=limit)
        for row in rows:
            self._keys.remember(JobId(row.job_id), row.run, row.run_key)
        return [(JobId(row.job_id), row.run) for row in rows]

    def attention(
        self, now: datetime, unpublished_before: datetime, stale_before: datetime, task_types: Collection[str]
    ) -> Attention:
        row = self._database.row(
            _SQL["attention"],
            now=now,
            unpublished_before=unpublished_before,
            stale_before=stale_before,
            task_types=list(task_types),
        )
        assert row is not None
        return Attention(*row)


def _taken(statements: Statements, block: str, **parameters: object) -> list[int]:
    """Put stale wake-ups back into the outbox; the numbers of their rows."""
    return [row.row_id for row in statements.rows(_SQL[block], **parameters)]


def outbox_rows(statements: Statements, row_ids: Sequence[int]) -> list[OutboxRow]:
    """Rows of the outbox by number, in the order of their age."""
    if not row_ids:
        return []
    return [outbox_row(row) for row in statements.rows(_SQL["outbox_rows"], row_ids=list(row_ids))]
