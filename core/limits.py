"""What a store takes: text that any database can hold, of a bounded size."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import CapacityExceeded, InvalidParameters, TextNotStorable, TextTooLong
from core.ids import MAX_MESSAGE_ID
from core.listing import NewDeadLetter
from core.outcome import MAX_ERROR_CODE, ErrorInfo

MAX_JSON_BYTES = 16 * 1024 * 1024
"""The most that parameters, a result or a checkpoint may be as JSON text. Larger things belong in blobs."""

MAX_ACTOR = 200
MAX_PROGRESS_MESSAGE = 1_000

MAX_RESUMED = 10_000
"""How many messages that a pause held back are sent by who ends it; the others are left to the relay."""

MAX_LETTER_TEXT = 4_096
"""Of the reason and the description of a dead letter: what Service Bus takes."""

LONGEST: Mapping[str, int] = {
    "tenant": 200,
    "idempotency key": 200,
    "actor": MAX_ACTOR,
    "worker id": 200,
    "progress message": MAX_PROGRESS_MESSAGE,
    "cause": MAX_ERROR_CODE,
    "message id": MAX_MESSAGE_ID,
    "message type": MAX_MESSAGE_ID,
    "queue": 260,
    "dead letter reason": MAX_LETTER_TEXT,
    "dead letter description": MAX_LETTER_TEXT,
}
"""Characters that a store takes, by what the text is. Codes and messages of errors are bounded where they are made."""

_SURELY_SMALL = MAX_JSON_BYTES // 4
"""Characters: UTF-8 takes at most four bytes for one."""


def check_text(text: str, what: str) -> None:
    """Raises :class:`TextNotStorable` for NUL, which PostgreSQL's text cannot hold, and for half a surrogate pair,
    which UTF-8 cannot; :class:`TextTooLong` over what :data:`LONGEST` says of ``what``.
    """
    longest = LONGEST.get(what)
    if longest is not None and len(text) > longest:
        raise TextTooLong(f"{what}: {len(text)} characters; give one of at most {longest}", limit=longest)
    if "\0" in text:
        raise TextNotStorable(f"{what}: holds the character NUL")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise TextNotStorable(f"{what}: holds half of a surrogate pair") from error


def check_json(text: str, what: str) -> None:
    """:func:`check_text`, and :class:`CapacityExceeded` over :data:`MAX_JSON_BYTES`."""
    if len(text) < _SURELY_SMALL and text.isascii() and "\0" not in text:
        return
    if len(text) > MAX_JSON_BYTES or (
        len(text) >= _SURELY_SMALL and len(text.encode(errors="replace")) > MAX_JSON_BYTES
    ):
        raise CapacityExceeded(
            f"{what}: more than {MAX_JSON_BYTES} bytes as JSON; put it into a blob", limit=MAX_JSON_BYTES
        )
    check_text(text, what)


def check_actor(actor: str) -> None:
    """:func:`check_text`, and :class:`InvalidParameters` for what does not say who asks."""
    if not 1 <= len(actor.strip()) <= MAX_ACTOR:
        raise InvalidParameters(f"actor: 1 to {MAX_ACTOR} characters that say who asks")
    check_text(actor, "actor")


def check_error(error: ErrorInfo) -> None:
    """:func:`check_text` for an error that is to be stored."""
    check_text(error.code, "error code")
    check_text(error.message, "error message")


def check_letter(letter: NewDeadLetter) -> None:
    """:func:`check_text` for a dead letter that is to be written down."""
    check_text(letter.queue, "queue")
    check_text(letter.message_id, "message id")
    check_text(letter.message_type, "message type")
    check_text(letter.reason, "dead letter reason")
    check_text(letter.description, "dead letter description")
