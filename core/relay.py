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
            sent = self._publish_batch(wanted) if wanted is not None else None
            if sent is None:
                break
            published += sent
        return published

    def publish_unpublished(self, before: datetime, limit: int = 10_000) -> int:
        """Publish up to ``limit`` rows committed before ``before``, the oldest first; how many the bus took."""
        published = after = 0
        while limit > 0:
            rows = self._store.unpublished(min(self._batch, limit), before, after)
            sent = self._publish_batch(rows) if rows else None
            if sent is None:
                break
            published += sent
            limit -= len(rows)
            after = rows[-1].row_id
        return published

    def _still_wanted(self, rows: Sequence[OutboxRow]) -> Sequence[OutboxRow] | None:
        """``None`` where the store is away."""
        try:
            wanted = self._store.still_unpublished([row.row_id for row in rows])
        except TransientError as error:
            _log.warning("outbox_not_published", extra={"rows": len(rows), "code": error.code})
            return None
        return [row for row in rows if row.row_id in wanted]

    def _publish_batch(self, rows: Sequence[OutboxRow]) -> int | None:
        """How many rows were published; ``None`` where the bus or the store is away.

        A row that the bus can never take is left, and does not hold up the others.
        """
        if not rows:
            return 0
        try:
            self._bus.send([row.message for row in rows])
            self._store.mark_published([row.row_id for row in rows], self._clock.now())
        except TransientError as error:
            _log.warning("outbox_not_published", extra={"rows": len(rows), "code": error.code})
            return None
        except CoreMachineError as error:
            if len(rows) > 1:
                return self._publish_each(rows)
            extra = {"message_id": rows[0].message.message_id, "code": error.code}
            _log.error("message_refused_by_the_bus", extra=extra)
            return 0
        return len(rows)

    def _publish_each(self, rows: Sequence[OutboxRow]) -> int | None:
        published = 0
        for row in rows:
            sent = self._publish_batch([row])
            if sent is None:
                return None
            published += sent
        return published
