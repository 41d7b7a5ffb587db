"""Watches messages: from the transition that causes one, through the outbox and the bus, to its settlement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.ids import JobId, TaskId
from core.model import OutboundMessage, OutboxRow
from core.ports import ReceivedMessage
from testing.simulation.bus import SimulatedBus
from testing.simulation.rules import Violation
from testing.simulation.run_book import RunBook
from testing.simulation.task_book import TaskBook


class MessageWitness:
    """The hooks have the parameters of the calls that they watch, after the result."""

    def __init__(self, bus: SimulatedBus) -> None:
        self.runs: dict[tuple[JobId, int], RunBook] = {}
        self.tasks: dict[TaskId, TaskBook] = {}
        self._bus = bus
        self._rows: dict[int, str] = {}
        self._issued: set[str] = set()
        self._known: set[str] = set()
        self._published_at: dict[str, datetime] = {}

    def needed(self, message_id: str) -> bool:
        """Whether what the message wakes still waits for it."""
        job_id, number, stage, name, attempt = message_id.split(":")
        run = self.runs.get((JobId(job_id), int(number)))
        if run is None or run.ended is not None:
            return False
        if name == "-job":
            return not run.stages
        if name == "-stage_complete":
            return len(run.stages) == int(stage) and run.stage_ended
        task = self.tasks.get(TaskId(message_id.rpartition(":")[0]))
        return task is not None and task.waiting and task.attempt == int(attempt)

    def issue(self, rows: Sequence[OutboxRow]) -> None:
        """Rows of a transition's own: a message id that was used before might be dropped as a duplicate."""
        for row in rows:
            if row.message.message_id in self._issued:
                raise Violation("a message id is used once", row.message.message_id)
            self._issued.add(row.message.message_id)
        self.note_rows(rows)

    def note_rows(self, rows: Sequence[OutboxRow]) -> None:
        for row in rows:
            self._rows[row.row_id] = row.message.message_id
            self._known.add(row.message.message_id)

    def listed(self, result: Sequence[OutboxRow], limit: int, before: datetime, after: int = 0) -> None:
        self.note_rows(result)
        for row in result:
            message_id = row.message.message_id
            job_id, run, _ = message_id.split(":", 2)
            if self.runs[(JobId(job_id), int(run))].ended is not None:
                raise Violation("nothing is published for a run that has ended", message_id)

    def published(self, result: None, row_ids: Sequence[int], now: datetime) -> None:
        for row_id in row_ids:
            message_id = self._rows.pop(row_id, None)
            if message_id is None:  # somebody else published it too, and was first
                continue
            if message_id not in self._bus.accepted:
                raise Violation("a message leaves the outbox once the bus has it", message_id)
            self._published_at[message_id] = now

    def reissued(self, result: Sequence[OutboxRow], before: datetime, now: datetime, limit: int) -> None:
        """What waits since ``before``, and nothing else, is put into the outbox again."""
        for row in result:
            message_id = row.message.message_id
            at = self._published_at.get(message_id)
            if at is None or at >= before or not self.needed(message_id):
                raise Violation("waiting is not lost", f"{message_id}, published at {at}")
        self.note_rows(result)

    def sent(self, result: None, messages: Sequence[OutboundMessage]) -> None:
        for message in messages:
            if message.message_id not in self._known:
                raise Violation("a message is sent after what it tells of is committed", message.message_id)

    def settled(self, result: None, message: ReceivedMessage) -> None:
        if self.needed(message.message_id):
            raise Violation("a message is settled after what it asked for", message.message_id)

    def dead_lettered(self, result: None, message: ReceivedMessage, reason: str, description: str) -> None:
        raise Violation("a healthy message is not dead-lettered", f"{message.message_id}: {reason}, {description}")
