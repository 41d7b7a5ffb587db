"""Dead letters: written down from the bus, looked at, and sent again on request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from core.errors import DeadLetterNotFound, OperationConflict
from core.ids import bounded_message_id
from core.limits import LONGEST, MAX_LETTER_TEXT, check_actor
from core.listing import DeadLetterRecord, NewDeadLetter
from core.outcome import storable
from core.paging import checked_after, checked_limit
from core.ports import Clock, DeadLetter, StateStore
from core.relay import OutboxRelay

_ANY_LENGTH = 1 << 20


class DeadLetters:
    """What became undeliverable. Sending a letter again is safe at any time: what it asks for may have been done."""

    def __init__(self, store: StateStore, relay: OutboxRelay, clock: Clock) -> None:
        self._store = store
        self._relay = relay
        self._clock = clock

    def record(self, letters: Sequence[DeadLetter]) -> int:
        """Write letters down, all or none; how many were new. What it has returned from is safe to take off the bus."""
        return self._store.record_dead_letters([storable_letter(letter) for letter in letters], self._clock.now())

    def listed(self, after: int = 0, limit: int = 100) -> Sequence[DeadLetterRecord]:
        """In the order in which they were written down, from behind record ``after``.

        Raises :class:`core.errors.InvalidCursor` and :class:`core.errors.InvalidParameters` for numbers that can be
        none.
        """
        return self._store.list_dead_letters(checked_after(after), checked_limit(limit))

    def replay(self, record_id: int, actor: str) -> DeadLetterRecord:
        """Send a letter's message again, under an id that the bus has not seen; the letter as it is then.

        Raises :class:`DeadLetterNotFound`, :class:`core.errors.InvalidParameters` for an actor that is nobody, and
        :class:`OperationConflict` where somebody did the same at the same time.
        """
        check_actor(actor)
        letter = self._find(record_id)
        message_id = replay_message_id(letter.letter.message_id, record_id, letter.replays + 1)
        row = self._store.replay_dead_letter(record_id, letter.replays, message_id, actor, self._clock.now())
        if row is None:
            self._find(record_id)
            raise OperationConflict(f"dead letter {record_id} was sent again by somebody else just now")
        self._relay.publish([row])
        return self._find(record_id)

    def _find(self, record_id: int) -> DeadLetterRecord:
        found = self._store.list_dead_letters(record_id - 1, 1)
        if not found or found[0].record_id != record_id:
            raise DeadLetterNotFound(f"there is no dead letter {record_id}")
        return found[0]


def replay_message_id(message_id: str, record_id: int, replay: int) -> str:
    """``message_id:rRECORD.N``, at most 128 characters: of what is longer, the end is in a digest.

    The record is in it since letters of one message id may have different bodies.
    """
    return bounded_message_id(message_id, f":r{record_id}.{replay}")


def storable_letter(letter: DeadLetter) -> NewDeadLetter:
    """What anybody sent may hold any text; what is written down is what a store takes.

    A message without an id gets one made of its content.
    """
    message_id = letter.message_id or f"no-id:{hashlib.sha256(letter.body).hexdigest()}"
    return NewDeadLetter(
        letter.queue,
        bounded_message_id(storable(message_id, _ANY_LENGTH)),
        storable(letter.message_type, LONGEST["message type"]),
        letter.body,
        storable(letter.reason, MAX_LETTER_TEXT),
        storable(letter.description, MAX_LETTER_TEXT),
    )
