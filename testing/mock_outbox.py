"""The outbox of :class:`testing.mock_state.MockStateManager`: what each row wakes, and what its publication changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import count, islice
from typing import assert_never

from core.model import OutboundMessage, OutboxRow
from testing.rows import RunRow, StageRow, TaskRow


class Letter:
    """What wakes nothing here: a dead letter that is sent again."""

    __slots__ = ()

    def published(self, message: OutboundMessage, now: datetime, single: bool) -> None:
        """A letter is not waited for."""


LETTER = Letter()

Owner = RunRow | StageRow | TaskRow | Letter
"""Whom a message wakes. A stage is woken by the message that advances it."""


class Outbox:
    """Committed messages that are not known to be published, by row id."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[Owner, OutboundMessage, datetime, bool]] = {}
        self._ids = count(1)

    def add(self, owner: Owner, message: OutboundMessage, now: datetime, single: bool = True) -> OutboxRow:
        """``single`` is false for the wake-ups of a stage's first attempts, which have one time of publication."""
        row_id = next(self._ids)
        self._rows[row_id] = (owner, message, now, single)
        return OutboxRow(row_id, message)

    def oldest(self, limit: int, before: datetime, after: int) -> Sequence[OutboxRow]:
        found = (
            OutboxRow(row_id, message)
            for row_id, (owner, message, at, _) in self._rows.items()
            if row_id > after and at < before and not _held_back(owner)
        )
        return list(islice(found, limit))

    def wanted(self, row_ids: Sequence[int]) -> set[int]:
        """Those of the rows that are there and may be published."""
        return {row_id for row_id in row_ids if row_id in self._rows and not _held_back(self._rows[row_id][0])}

    def publish(self, row_ids: Sequence[int], now: datetime) -> None:
        for row_id in row_ids:
            row = self._rows.pop(row_id, None)
            if row is not None:
                row[0].published(row[1], now, row[3])

    def of_tasks(self, run: RunRow) -> list[OutboxRow]:
        """The rows that wake tasks of ``run``, oldest first."""
        return [
            OutboxRow(row_id, message)
            for row_id, (owner, message, _, _) in self._rows.items()
            if isinstance(owner, TaskRow) and owner.stage.run is run
        ]

    def owners(self) -> set[Owner]:
        return {owner for owner, _, _, _ in self._rows.values()}

    def drop(self, run: RunRow) -> None:
        for row_id in list(self._row_ids(run)):
            del self._rows[row_id]

    def _row_ids(self, run: RunRow) -> Iterator[int]:
        for row_id, (owner, _, _, _) in self._rows.items():
            if _run_of(owner) is run:
                yield row_id


def _held_back(owner: Owner) -> bool:
    """Whether a pause holds its message back."""
    return isinstance(owner, TaskRow) and owner.stage.run.paused


def _run_of(owner: Owner) -> RunRow | None:
    match owner:
        case RunRow():
            return owner
        case StageRow():
            return owner.run
        case TaskRow():
            return owner.stage.run
        case Letter():
            return None
    assert_never(owner)
