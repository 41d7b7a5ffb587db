"""Dead letters: written down from the bus, looked at, and sent again on request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.errors import DeadLetterNotFound, OperationConflict
from core.ids import bounded_message_id
from core.limits import LONGEST, MAX_LETTER_TEXT, check_actor
from core.listing import DeadLetterRecord, NewDeadLetter
from core.outcome import storable
from core.paging import checked_after, checked_limit
from core.ports import Clock, DeadLetter, MessageBus, StateStore
from core.relay import OutboxRelay

MAX_LETTERS = 10_000
"""How many letters of a queue are looked at, at most."""

_ANY_LENGTH = 1 << 20


class DeadLetters:
    """What became undeliverable. Sending a letter again is safe at any time: what it asks for may have been done.

    A record that :mod:`core.retention` deleted while its letter is still on the bus is written down anew.
    """

    def __init__(self, store: StateStore, bus: MessageBus, relay: OutboxRelay, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._relay = relay
        self._clock = clock

    def collect(self, queues: Iterable[str], limit: int = 100) -> int:
        """Write down the oldest dead letters of each queue; how many were new. They stay where they are.

        A pass asks for ``limit`` of a queue, and for more only while it knows all of those.
        """
        return sum([self._collect(queue, limit) for queue in queues])

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
        message_id = replay_message_id(letter.letter.message_id, letter.replays + 1)
        row = self._store.replay_dead_letter(record_id, letter.replays, message_id, actor, self._clock.now())
        if row is None:
            self._find(record_id)
            raise OperationConflict(f"dead letter {record_id} was sent again by somebody else just now")
        self._relay.publish([row])
        return self._find(record_id)

    def _collect(self, queue: str, limit: int) -> int:
        letters = self._bus.dead_letters(queue, limit)
        if not letters:
            return 0
        new = self._store.record_dead_letters([storable_letter(letter) for letter in letters], self._clock.now())
        if new or len(letters) < limit or limit >= MAX_LETTERS:
            return new
        return self._collect(queue, 2 * limit)

    def _find(self, record_id: int) -> DeadLetterRecord:
        found = self._store.list_dead_letters(record_id - 1, 1)
        if not found or found[0].record_id != record_id:
            raise DeadLetterNotFound(f"there is no dead letter {record_id}")
        return found[0]


def replay_message_id(message_id: str, replay: int) -> str:
    """``message_id:rN``, at most 128 characters: of what is longer, the end is in a digest."""
    return bounded_message_id(message_id, f":r{replay}")


def storable_letter(letter: DeadLetter) -> NewDeadLetter:
    """What anybody sent may hold any text; what is written down is what a store takes."""
    return NewDeadLetter(
        letter.queue,
        bounded_message_id(storable(letter.message_id, _ANY_LENGTH)),
        storable(letter.message_type, LONGEST["message type"]),
        letter.body,
        storable(letter.reason, MAX_LETTER_TEXT),
        storable(letter.description, MAX_LETTER_TEXT),
    )
