"""What can stop a client, each with the exit code that it ends the command with.

::

    LocalError
    +-- ClientError              1
        +-- CallRefused          1   the service answered with an error; has its code and request id
        |   +-- KeyRefused       2   it wants another function key
        +-- FileUnusable         1   a file cannot be read, or is empty
        +-- WrongUse             2   what was asked for cannot be
        +-- ServiceNotReached    3   nobody answers, or somebody else does
"""

from __future__ import annotations

from typing import ClassVar

from local.errors import LocalError

ALL_WELL, SOME_FAILED, WRONG_USE, NOT_REACHED, INTERRUPTED = 0, 1, 2, 3, 130

READER_GONE = 141
"""What a shell gives for a command that SIGPIPE ended, as it does with most: 128 + 13."""


class ClientError(LocalError):
    exit_code: ClassVar[int] = SOME_FAILED


class CallRefused(ClientError):
    """``retry_after`` is in seconds, where the service said when to ask again."""

    def __init__(
        self, status: int, code: str, message: str, request_id: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {message}" + (f" (request {request_id})" if request_id else ""))
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class KeyRefused(CallRefused):
    exit_code: ClassVar[int] = WRONG_USE


class FileUnusable(ClientError):
    pass


class WrongUse(ClientError):
    exit_code: ClassVar[int] = WRONG_USE


class ServiceNotReached(ClientError):
    exit_code: ClassVar[int] = NOT_REACHED
