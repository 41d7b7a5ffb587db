"""The queues of one namespace, found by path, with the journal that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from core.errors import InvalidInput
from testing.service_bus_emulator.broker.changes import Change
from testing.service_bus_emulator.broker.errors import EntityNotFound
from testing.service_bus_emulator.broker.journal import Journal
from testing.service_bus_emulator.broker.queue import DEAD_LETTER_SUFFIX, Queue, create_queue
from testing.service_bus_emulator.broker.restore import Remains, replayed
from testing.service_bus_emulator.broker.rules import QueueRules

MIN_COMPACTED_BYTES = 1 << 20
"""A journal smaller than this is not worth compacting."""


class Namespace:
    """Queues by name; names do not tell case apart.

    With a journal, what it holds is restored at once, held by nobody, and every change is in it before the method that
    made it returns. Raises :class:`core.errors.InvalidInput` where the journal holds what no queue can take.
    """

    def __init__(
        self,
        rules: Mapping[str, QueueRules],
        *,
        journal: Journal | None = None,
        new_token: Callable[[], UUID] = uuid4,
        min_compacted_bytes: int = MIN_COMPACTED_BYTES,
    ) -> None:
        self._journal = journal
        self._min_compacted_bytes = min_compacted_bytes
        self._queues = {
            name.lower(): create_queue(name, one, recorder=self if journal is not None else None, new_token=new_token)
            for name, one in rules.items()
        }
        if journal is not None:
            self._restore(replayed(journal.read()))
        self._compacted_bytes = journal.size if journal is not None else 0

    def __iter__(self) -> Iterator[Queue]:
        """The queues, without their dead-letter queues."""
        return iter(self._queues.values())

    def find(self, path: str) -> Queue:
        """The queue of this path, which may be a dead-letter queue's. Raises :class:`EntityNotFound`."""
        name = path.strip("/").lower()
        found = self._queues.get(name.removesuffix(DEAD_LETTER_SUFFIX))
        if found is None:
            raise EntityNotFound(f"there is no queue {path}")
        return found.dead_letter_queue if name.endswith(DEAD_LETTER_SUFFIX) else found

    def advance(self, now: datetime) -> None:
        """Do in every queue what came due."""
        for queue in self:
            queue.advance(now)

    def next_event(self, now: datetime) -> datetime | None:
        """When :meth:`advance` will next have something to do; None: not by the passing of time alone."""
        times = [one.next_event(now) for queue in self for one in (queue, queue.dead_letter_queue)]
        return min((at for at in times if at is not None), default=None)

    def record(self, changes: Sequence[Change]) -> None:
        """See :class:`.changes.Recorder`. Compacts the journal once it is twice what it was after the last time.

        Where there was no room to do that it is tried again when the journal is twice as large.
        """
        assert self._journal is not None, "without a journal nobody records"
        self._journal.append(changes)
        if self._journal.size > max(2 * self._compacted_bytes, self._min_compacted_bytes):
            self._journal.compact(self._snapshot())
            self._compacted_bytes = self._journal.size

    def _snapshot(self) -> Iterator[Change]:
        for queue in self:
            yield from queue.snapshot()

    def _restore(self, remains: dict[str, Remains]) -> None:
        for path, left in remains.items():
            try:
                self.find(path).restore(left)
            except EntityNotFound as error:
                if left.messages:
                    raise InvalidInput(f"the journal holds messages of {path}, which is not configured") from error
