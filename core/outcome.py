"""What a handler's call came to: a closed union, matched exhaustively with ``assert_never``.

A handler returns its result model (``Succeeded``), or one of :class:`RetryLater` and
:class:`Interrupted`; what it raises becomes :class:`Failed`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.errors import CoreMachineError

MAX_ERROR_CODE = 100
MAX_ERROR_MESSAGE = 2_000

CUT = " [cut]"
"""Ends a text that was longer."""

HANDLER_ERROR = "HANDLER_ERROR"
"""The code of an exception that is not of our tree."""


_NOT_STORABLE = re.compile("[\\0\ud800-\udfff]")


def shortened(text: str, longest: int) -> str:
    """``text`` in at most ``longest`` characters; what was longer says at its end that it was cut."""
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def storable(text: str, longest: int = MAX_ERROR_MESSAGE) -> str:
    """``text`` as any store takes it and nobody minds: :func:`shortened`, U+FFFD for NUL and for half a surrogate pair.

    For what is told on the way, which must not fail for how it is told.
    """
    return shortened(_NOT_STORABLE.sub("\ufffd", text[: longest + 1]), longest)


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is stored and shown: a stable code, a message, whether a retry may help.

    Code and message are :func:`shortened` to 100 and 2,000 characters: no outcome is lost over the length of its error.
    """

    code: str
    message: str
    retryable: bool = False

    def __post_init__(self) -> None:
        if len(self.code) > MAX_ERROR_CODE or len(self.message) > MAX_ERROR_MESSAGE:
            object.__setattr__(self, "code", shortened(self.code, MAX_ERROR_CODE))
            object.__setattr__(self, "message", shortened(self.message, MAX_ERROR_MESSAGE))


@dataclass(frozen=True, slots=True)
class Succeeded:
    """``result_json`` is the handler's result model as JSON text."""

    result_json: str


@dataclass(frozen=True, slots=True)
class Failed:
    """``cause`` is the exception itself, for the harness and the log; it is never stored."""

    error: ErrorInfo
    cause: BaseException | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The handler asks to be called again after ``delay`` seconds. It costs an attempt."""

    delay: float
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", storable(self.reason))
        if not 0 <= self.delay <= 86_400 * 7:
            raise ValueError("delay: 0 to 604,800 seconds")


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The handler stopped because it was asked to. It is resumable, costs no attempt, and is never completion."""

    reason: str = ""


Outcome = Succeeded | Failed | RetryLater | Interrupted


def describe(error: BaseException) -> ErrorInfo:
    """The public form of an exception. Outside our tree only the class name is shown, never the text."""
    if isinstance(error, CoreMachineError):
        message = getattr(error, "message", "")  # not there where a subclass's __init__ did not call ours
        return ErrorInfo(storable(str(error.code), MAX_ERROR_CODE), storable(str(message)), error.retryable)
    if isinstance(error, MemoryError):
        return ErrorInfo("OUT_OF_MEMORY", "the handler ran out of memory", False)
    return ErrorInfo(HANDLER_ERROR, f"the handler raised {type(error).__name__}", False)
