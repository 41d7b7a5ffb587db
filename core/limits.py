"""What a store takes: text that any database can hold, of a bounded size."""

from __future__ import annotations

from core.errors import CapacityExceeded, InvalidParameters, TextNotStorable
from core.outcome import ErrorInfo

MAX_JSON_BYTES = 16 * 1024 * 1024
"""The most that parameters, a result or a checkpoint may be as JSON text. Larger things belong in blobs."""

MAX_ACTOR = 200

_SURELY_SMALL = MAX_JSON_BYTES // 4
"""Characters: UTF-8 takes at most four bytes for one."""


def check_text(text: str, what: str) -> None:
    """Raises :class:`TextNotStorable` for NUL, which PostgreSQL's text cannot hold, and for half a surrogate pair,
    which UTF-8 cannot.
    """
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
