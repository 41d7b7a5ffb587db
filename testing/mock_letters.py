"""The dead letters that :class:`testing.mock_state.MockStateManager` keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from core.limits import check_letter, check_text
from core.listing import DeadLetterRecord, NewDeadLetter
from core.model import OutboundMessage, OutboxRow
from testing.mock_outbox import Letter
from testing.mock_tables import MockTables


class Replayed(Letter):
    """The dead letter that an outbox row sends again."""

    __slots__ = ("record_id",)

    def __init__(self, record_id: int) -> None:
        self.record_id = record_id


class MockLetters(MockTables):
    """The part of :class:`core.ports.Operations` that knows dead letters."""

    def record_dead_letters(self, letters: Sequence[NewDeadLetter], now: datetime) -> int:
        for letter in letters:
            check_letter(letter)
        return sum([self._record(letter, now) for letter in letters])

    def list_dead_letters(self, after: int, limit: int) -> Sequence[DeadLetterRecord]:
        return list(islice((letter for key, letter in self._letters.items() if key > after), limit))

    def replay_dead_letter(
        self, record_id: int, replays: int, message_id: str, actor: str, now: datetime
    ) -> OutboxRow | None:
        check_text(message_id, "message id")
        check_text(actor, "actor")
        record = self._letters.get(record_id)
        if record is None or record.replays != replays:
            self._note("replay_dead_letter", str(record_id), "refused")
            return None
        self._letters[record_id] = replace(record, replays=replays + 1, replayed_at=now, replayed_by=actor)
        letter = record.letter
        self._note("replay_dead_letter", str(record_id), "replayed")
        message = OutboundMessage(letter.queue, message_id, letter.message_type, letter.body)
        return self._outbox.add(Replayed(record_id), message, now)

    def delete_dead_letters(self, before: datetime, limit: int) -> int:
        waiting = {owner.record_id for owner in self._outbox.owners() if isinstance(owner, Replayed)}
        old = [letter for letter in self._letters.values() if letter.recorded_at < before]
        unused = [one for one in old if one.replayed_at is None or one.replayed_at < before]
        free = sorted((one.recorded_at, one.record_id) for one in unused if one.record_id not in waiting)
        for _, record_id in free[:limit]:
            del self._letters[record_id]
        return len(free[:limit])

    def _record(self, letter: NewDeadLetter, now: datetime) -> bool:
        if any(_same(known.letter, letter) for known in self._letters.values()):
            return False
        record_id = next(self._letter_numbers)
        self._letters[record_id] = DeadLetterRecord(record_id, letter, now)
        return True


def _same(one: NewDeadLetter, other: NewDeadLetter) -> bool:
    return (one.queue, one.message_id, one.body) == (other.queue, other.message_id, other.body)
