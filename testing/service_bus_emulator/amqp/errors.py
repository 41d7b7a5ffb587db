"""What can be wrong with bytes, or with a peer.

::

    AmqpError                     condition (a symbol of the specification), description
    +-- DecodeError               bytes that are no AMQP value, or not the value that belongs there
    +-- FramingError              no frame, or one over the agreed size: ends the connection
    +-- LinkError                 ends a link
    +-- SessionError              ends a session
    +-- ConnectionLost            ends a connection

Conditions: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html, section 2.8.15 on.
"""

from __future__ import annotations

from collections.abc import Mapping

from testing.service_bus_emulator.amqp.types import Described, Symbol, Value

DECODE_ERROR = "amqp:decode-error"
FRAMING_ERROR = "amqp:connection:framing-error"
INVALID_FIELD = "amqp:invalid-field"
NOT_ALLOWED = "amqp:not-allowed"
NOT_FOUND = "amqp:not-found"
NOT_IMPLEMENTED = "amqp:not-implemented"
ILLEGAL_STATE = "amqp:illegal-state"
RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
UNAUTHORIZED_ACCESS = "amqp:unauthorized-access"
CONNECTION_FORCED = "amqp:connection:forced"
WINDOW_VIOLATION = "amqp:session:window-violation"
HANDLE_IN_USE = "amqp:session:handle-in-use"
UNATTACHED_HANDLE = "amqp:session:unattached-handle"
TRANSFER_LIMIT_EXCEEDED = "amqp:link:transfer-limit-exceeded"
MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded"

_ERROR_CODE = 0x1D


class AmqpError(Exception):
    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


class DecodeError(AmqpError):
    def __init__(self, description: str, condition: str = DECODE_ERROR) -> None:
        super().__init__(condition, description)


class FramingError(AmqpError):
    def __init__(self, description: str) -> None:
        super().__init__(FRAMING_ERROR, description)


class LinkError(AmqpError):
    """Detaches the link with its condition; the session goes on."""


class SessionError(AmqpError):
    """Ends the session with its condition; the connection goes on."""


class ConnectionLost(AmqpError):
    """Closes the connection with its condition."""


def error_value(condition: str, description: str, info: Mapping[str, Value] | None = None) -> Described:
    """The error that goes into a close, end, detach or rejected: always with all three fields.

    The Python SDK reads the third without asking whether it is there, and waits for ever when it is not.
    """
    fields: dict[Value, Value] = {Symbol(key): value for key, value in (info or {}).items()}
    return Described(_ERROR_CODE, [Symbol(condition), description, fields])
