"""What the broker refuses, each with the AMQP condition by which the SDKs know it.

::

    BrokerError                  condition, description
    +-- EntityNotFound           there is no such queue
    +-- EntityDisabled           the queue does not take, or give, messages now
    +-- EntityQuotaExceeded      the queue is full
    +-- MessageNotFound          no message of that sequence number, in the state that is asked for
    +-- MessageLockLost          the message's lock ended, or was never given
    +-- MessageSizeExceeded      a message or batch over the tier's limit
    +-- SessionLockLost          the session's lock ended, or was never given
    +-- SessionCannotBeLocked    somebody else holds the session
    +-- OperationTimeout         nothing came in time
    +-- OperationNotAllowed      sessions where there are none, or none where they are required
    +-- ArgumentInvalid          a value is missing
    |   +-- ArgumentOutOfRange
    +-- Unauthorized             the token does not grant it
    +-- ServerBusy               throttled; the same call may succeed later
    +-- JournalFailed            the disk did not take the change; what was done may be gone after a restart

The conditions are those of ``azure.servicebus._transport._pyamqp_transport`` and ``_common.constants`` (7.14).
"""

from __future__ import annotations

from typing import ClassVar


class BrokerError(Exception):
    """Base of the tree. ``condition`` is an AMQP symbol, ``description`` is for people."""

    condition: ClassVar[str] = "amqp:internal-error"
    status_code: ClassVar[int] = 500
    """What the management node answers in ``statusCode``."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class EntityNotFound(BrokerError):
    condition = "amqp:not-found"
    status_code = 404


class EntityDisabled(BrokerError):
    condition = "com.microsoft:entity-disabled"
    status_code = 403


class EntityQuotaExceeded(BrokerError):
    condition = "amqp:resource-limit-exceeded"
    status_code = 403


class MessageNotFound(BrokerError):
    condition = "com.microsoft:message-not-found"
    status_code = 404


class MessageLockLost(BrokerError):
    condition = "com.microsoft:message-lock-lost"
    status_code = 410


class MessageSizeExceeded(BrokerError):
    condition = "amqp:link:message-size-exceeded"
    status_code = 413


class SessionLockLost(BrokerError):
    condition = "com.microsoft:session-lock-lost"
    status_code = 410


class SessionCannotBeLocked(BrokerError):
    condition = "com.microsoft:session-cannot-be-locked"
    status_code = 410


class OperationTimeout(BrokerError):
    condition = "com.microsoft:timeout"
    status_code = 408


class OperationNotAllowed(BrokerError):
    condition = "amqp:not-allowed"
    status_code = 400


class ArgumentInvalid(BrokerError):
    condition = "com.microsoft:argument-error"
    status_code = 400


class ArgumentOutOfRange(ArgumentInvalid):
    condition = "com.microsoft:argument-out-of-range"


class Unauthorized(BrokerError):
    condition = "amqp:unauthorized-access"
    status_code = 401


class ServerBusy(BrokerError):
    condition = "com.microsoft:server-busy"
    status_code = 503


class JournalFailed(BrokerError):
    pass
