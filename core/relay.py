"""The outbox relay: publishes what was committed, after the commit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from core.errors import CoreMachineError, TransientError
from core.model import OutboxRow
from core.ports import Clock, MessageBus, StateStore

_log = logging.getLogger(__name__)


class OutboxRelay:
    """Sends outbox rows and takes them out once the bus has accepted them.

    A crash between the two publishes a row twice, which its message id makes harmless. What cannot be sent
    stays in the outbox; :meth:`publish_unpublished` sends it later, the oldest first.
    """

    def __init__(self, store: StateStore, bus: MessageBus, clock: Clock, batch: int = 500) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._batch = batch

    def publish(self, rows: Sequence[OutboxRow], late: bool = False) -> int:
        """Publish rows that this process has just committed; how many were. Never raises for an absent bus.

        Those of a later batch are asked for once more, and all where it is ``late``: their run may have been cancelled
        or paused meanwhile, and others may have published them.
        """
        published = 0
        for start in range(0, len(rows), self._batch):
            batch = rows[start : start + self._batch]
            wanted = self._still_wanted(batch) if start or late else batch
            if wanted is None or (wanted and not self._publish_batch(wanted)):
                break
            published += len(wanted)
        return published

    def publish_unpublished(self, before: datetime, limit: int = 10_000) -> int:
        """Publish up to ``limit`` rows committed before ``before``, the oldest first; how many were."""
        published = 0
        while published < limit:
            rows = self._store.unpublished(min(self._batch, limit - published), before)
            if not rows or not self._publish_batch(rows):
                break
            published += len(rows)
        return published

    def _still_wanted(self, rows: Sequence[OutboxRow]) -> Sequence[OutboxRow] | None:
        """``None`` where the store is away."""
        try:
            wanted = self._store.still_unpublished([row.row_id for row in rows])
        except TransientError as error:
            _log.warning("outbox_not_published", extra={"rows": len(rows), "code": error.code})
            return None
        return [row for row in rows if row.row_id in wanted]

    def _publish_batch(self, rows: Sequence[OutboxRow]) -> bool:
        """Whether any row was published. A row that the bus can never take is left, and does not hold up the others."""
        try:
            self._bus.send([row.message for row in rows])
            self._store.mark_published([row.row_id for row in rows], self._clock.now())
        except TransientError as error:
            _log.warning("outbox_not_published", extra={"rows": len(rows), "code": error.code})
            return False
        except CoreMachineError as error:
            if len(rows) > 1:
                return sum([self._publish_batch([row]) for row in rows]) > 0
            extra = {"message_id": rows[0].message.message_id, "code": error.code}
            _log.error("message_refused_by_the_bus", extra=extra)
            return False
        return True
