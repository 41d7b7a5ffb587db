"""Which claimed bodies no message can need any more, and their removal.

A body is kept while its run goes on, however old it is; while any dead letter refers to it, on the bus or written down;
and for ``keep_seconds`` after its message was due and its run ended. By then a copy that might still be on a queue has
outlived the queue's time to live, or does nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day

from core.claim_check import FOLDER, Claim, claim_in, claim_of
from core.errors import CoreMachineError
from core.ids import JobId
from core.paging import MAX_LIMIT
from core.ports import BlobStore, MessageBus, StateStore

_log = logging.getLogger(__name__)

KEEP_SECONDS = 14 * 86_400.0
"""Service Bus's time to live, as the portal sets it for a new queue."""

MAX_LETTERS = 10_000
"""How many letters of a queue are looked at, at most: those that were not moved into the store yet."""


class ClaimGarbage:
    """Safe to run anywhere, any number at once, and to be killed at any instant.

    ``queues`` are all whose messages may have claimed bodies. ``keep_seconds`` is at least their time to live and their
    window of duplicate detection.
    """

    def __init__(
        self,
        store: StateStore,
        bus: MessageBus,
        blobs: BlobStore,
        queues: Sequence[str],
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._store = store
        self._bus = bus
        self._blobs = blobs
        self._queues = queues
        self._keep = timedelta(seconds=keep_seconds)

    def collect(self, now: datetime, limit: int = 10_000) -> int:
        """Delete up to ``limit`` bodies that nobody needs; how many. One whose deletion fails is there for the next.

        Raises :class:`core.errors.TransientError` where the store, the bus or the blobs are away.
        """
        removed = 0
        needed: set[str] | None = None
        for claim in self._old(now - self._keep):
            if needed is None:
                needed = self._referred_to()
                if needed is None:
                    return 0
            if claim.name not in needed:
                self._blobs.delete(claim.name)
                removed += 1
            if removed >= limit:
                break
        if removed:
            _log.info("claims_collected", extra={"removed": removed})
        return removed

    def _old(self, before: datetime) -> Iterator[Claim]:
        """Those whose message was due before, and whose run ended before or is gone."""
        last: tuple[JobId | None, int] | None = None
        over = False
        for claim in (claim_of(name) for name in self._blobs.names(FOLDER)):
            if claim is None or _end_of(claim) > before:
                continue
            if last != (claim.job_id, claim.run):
                last = (claim.job_id, claim.run)
                over = claim.job_id is None or self._is_over(claim.job_id, claim.run, before)
            if over:
                yield claim

    def _is_over(self, job_id: JobId, run: int, before: datetime) -> bool:
        record = self._store.load_run(job_id, run)
        return record is None or (record.ended and record.updated_at <= before)

    def _referred_to(self) -> set[str] | None:
        """By any dead letter; ``None`` where there are more than can be looked at.

        The bus is asked first: what leaves it was written down before.
        """
        needed: set[str] = set()
        for queue in self._queues:
            letters = self._bus.dead_letters(queue, MAX_LETTERS)
            if len(letters) >= MAX_LETTERS:
                _log.warning("claims_not_collected", extra={"queue": queue, "letters": len(letters)})
                return None
            needed |= _names(letter.body for letter in letters)
        return needed | _names(self._written_down())

    def _written_down(self) -> Iterator[bytes]:
        after = 0
        while records := self._store.list_dead_letters(after, MAX_LIMIT):
            yield from (record.letter.body for record in records)
            after = records[-1].record_id


def _names(bodies: Iterable[bytes]) -> set[str]:
    found = set()
    for body in bodies:
        try:
            claim = claim_in(body)
        except CoreMachineError:
            continue
        if claim is not None:
            found.add(claim.name)
    return found


def _end_of(claim: Claim) -> datetime:
    return datetime.combine(claim.day, time_of_day.max, UTC)
