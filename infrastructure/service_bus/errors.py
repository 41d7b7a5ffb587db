"""What ``azure.servicebus`` raises, in the words of :mod:`core.errors`.

A rule is looked up by what the exception was raised from (a certificate that is not trusted, an identity without a
token), then by the AMQP condition, then by the exception's class
(https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-troubleshoot lists the conditions).

The messages are our own; the SDK's exception is the cause.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from azure.core import exceptions as azure
from azure.servicebus import exceptions as bus
from azure.servicebus._pyamqp import error as amqp

from core.errors import (
    BusBusy,
    BusFull,
    BusMisconfigured,
    BusRequestRefused,
    BusUnavailable,
    CoreMachineError,
    LockLost,
    MessageTooLarge,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    error: type[CoreMachineError]
    message: str


AWAY = Rule(BusUnavailable, "the service bus does not answer: check that it runs and can be reached, then try again")
SLOW = Rule(BusUnavailable, "the service bus did not answer in time: try again")
CLOSED = Rule(BusUnavailable, "the connection to the service bus was closed: try again")
BUSY = Rule(BusBusy, "the service bus is throttled: try again later, or move to a larger tier")
FULL = Rule(BusFull, "the queue, or what the namespace may hold, is full: take messages out, or make it larger")
SIGN_IN = Rule(
    BusMisconfigured,
    "the service bus refused the sign-in: check the key in SERVICE_BUS_CONNECTION, or the identity that this process "
    "runs as, and that the clock is right",
)
NO_TOKEN = Rule(BusMisconfigured, "no Microsoft Entra token: check the identity that this process runs as")
FORBIDDEN = Rule(
    BusMisconfigured,
    "the service bus allows this not: give the identity the roles Azure Service Bus Data Sender and Receiver, or the "
    "key the claims Send and Listen, and let the namespace's firewall pass",
)
NO_QUEUE = Rule(
    BusMisconfigured, "there is no such queue: make it, or check JOBS_QUEUE, TASKS_QUEUE, LONG_RUNNING_QUEUE"
)
DISABLED = Rule(BusMisconfigured, "the queue is disabled: look at it in the portal")
SESSIONS = Rule(
    BusMisconfigured, "the queue does not allow this, as one that requires sessions: make it anew without them"
)
REDIRECTED = Rule(BusMisconfigured, "the service bus leads elsewhere: check SERVICE_BUS_CONNECTION, SERVICE_BUS_FQDN")
TLS = Rule(BusMisconfigured, "no trusted TLS connection to the service bus: check its host name and the certificates")
TOO_LARGE = Rule(MessageTooLarge, "a message over the limit of the bus's tier")
LOCK_LOST = Rule(LockLost, "the message's lock has ended")
WRONG_REQUEST = Rule(BusRequestRefused, "the service bus refused our request: this is a bug")

BY_CONDITION: Mapping[str, Rule] = {
    "amqp:connection:forced": CLOSED,
    "amqp:connection:framing-error": AWAY,
    "amqp:connection:redirect": REDIRECTED,
    "amqp:decode-error": WRONG_REQUEST,
    "amqp:frame-size-too-small": WRONG_REQUEST,
    "amqp:illegal-state": AWAY,
    "amqp:internal-error": AWAY,
    "amqp:invalid-field": WRONG_REQUEST,
    "amqp:link:detach-forced": CLOSED,
    "amqp:link:message-size-exceeded": TOO_LARGE,
    "amqp:link:redirect": REDIRECTED,
    "amqp:link:stolen": CLOSED,
    "amqp:link:transfer-limit-exceeded": AWAY,
    "amqp:not-allowed": SESSIONS,
    "amqp:not-found": NO_QUEUE,
    "amqp:not-implemented": WRONG_REQUEST,
    "amqp:precondition-failed": WRONG_REQUEST,
    "amqp:resource-deleted": NO_QUEUE,
    "amqp:resource-limit-exceeded": FULL,
    "amqp:resource-locked": AWAY,
    "amqp:session:errant-link": AWAY,
    "amqp:session:handle-in-use": AWAY,
    "amqp:session:unattached-handle": AWAY,
    "amqp:session:window-violation": AWAY,
    "amqp:socket-error": AWAY,
    "amqp:unauthorized-access": FORBIDDEN,
    "com.microsoft:argument-error": WRONG_REQUEST,
    "com.microsoft:argument-out-of-range": WRONG_REQUEST,
    "com.microsoft:auth-failed": SIGN_IN,
    "com.microsoft:container-close": CLOSED,
    "com.microsoft:entity-already-exists": WRONG_REQUEST,
    "com.microsoft:entity-disabled": DISABLED,
    "com.microsoft:message-lock-lost": LOCK_LOST,
    "com.microsoft:message-not-found": LOCK_LOST,
    "com.microsoft:operation-cancelled": AWAY,
    "com.microsoft:precondition-failed": WRONG_REQUEST,
    "com.microsoft:server-busy": BUSY,
    "com.microsoft:session-cannot-be-locked": SESSIONS,
    "com.microsoft:session-lock-lost": LOCK_LOST,
    "com.microsoft:timeout": SLOW,
}

BY_CLASS: Mapping[type[Exception], Rule] = {
    bus.ServiceBusError: AWAY,
    bus.ServiceBusConnectionError: AWAY,
    bus.ServiceBusAuthenticationError: SIGN_IN,
    bus.ServiceBusAuthorizationError: FORBIDDEN,
    bus.ServiceBusCommunicationError: AWAY,
    bus.ServiceBusQuotaExceededError: FULL,
    bus.ServiceBusServerBusyError: BUSY,
    bus.OperationTimeoutError: SLOW,
    bus.MessageSizeExceededError: TOO_LARGE,
    bus.MessageAlreadySettled: LOCK_LOST,
    bus.MessageLockLostError: LOCK_LOST,
    bus.MessageNotFoundError: LOCK_LOST,
    bus.SessionLockLostError: LOCK_LOST,
    bus.SessionCannotBeLockedError: SESSIONS,
    bus.MessagingEntityNotFoundError: NO_QUEUE,
    bus.MessagingEntityDisabledError: DISABLED,
    bus.MessagingEntityAlreadyExistsError: WRONG_REQUEST,
    bus.AutoLockRenewFailed: LOCK_LOST,
    bus.AutoLockRenewTimeout: LOCK_LOST,
    amqp.AMQPException: AWAY,
    amqp.AMQPConnectionRedirect: REDIRECTED,
    amqp.AMQPLinkRedirect: REDIRECTED,
    amqp.AuthenticationException: SIGN_IN,
    azure.AzureError: AWAY,
    azure.ClientAuthenticationError: NO_TOKEN,
    azure.ResourceNotFoundError: NO_QUEUE,
    azure.SerializationError: WRONG_REQUEST,
    azure.DeserializationError: AWAY,
    ValueError: CLOSED,
    TypeError: WRONG_REQUEST,
    RuntimeError: AWAY,
    AttributeError: AWAY,
    LookupError: AWAY,
    OSError: AWAY,
}

BY_STATUS: Mapping[int, Rule] = {401: SIGN_IN, 403: FORBIDDEN, 404: NO_QUEUE, 429: BUSY}
"""Of the administration's answers over HTTP."""

SDK_ERRORS = (
    azure.AzureError,
    amqp.AMQPException,
    ValueError,
    TypeError,
    RuntimeError,
    AttributeError,
    LookupError,
    OSError,
)
"""What may leave a call of the SDK. It says ``ValueError`` of a handler that was closed, and what it meets while it
closes one after a failure leaves as it is: a socket, a frame or a link that is half gone.
"""


def guarded(call: Callable[[], T]) -> T:
    """What ``call`` gives, which calls the SDK and nothing else; what it raises leaves as an error of ours."""
    try:
        return call()
    except SDK_ERRORS as error:
        raise translate(error) from error


class _Closes(Protocol):
    def close(self) -> object: ...


def closed(*handlers: _Closes | None) -> None:
    """Close what is of no more use, whatever that says: its other side may be gone already."""
    for handler in handlers:
        with suppress(*SDK_ERRORS):
            if handler is not None:
                handler.close()


def translate(error: BaseException) -> CoreMachineError:
    """The error that ``error`` is outside."""
    rule = rule_for(error)
    details = {
        "sdk_error": type(error).__name__,
        "condition": _condition(error),
        "status": _status(error),
        "reason": _innermost(error),
    }
    return rule.error(rule.message, **{name: value for name, value in details.items() if value is not None})


def rule_for(error: BaseException) -> Rule:
    """The one rule that applies to ``error``. A condition that is not known is told by its class."""
    chain = list(_chain(error))
    if any(isinstance(found, ssl.SSLError | ssl.CertificateError) for found in chain):
        return TLS
    status = _status(error) if isinstance(error, azure.HttpResponseError) else None
    if status is not None and status in BY_STATUS:
        return BY_STATUS[status]
    if any(isinstance(found, azure.ClientAuthenticationError) for found in chain):
        return NO_TOKEN
    by_condition = BY_CONDITION.get(_condition(error) or "")
    if by_condition is not None and not isinstance(error, bus.ServiceBusCommunicationError):
        return by_condition
    return next((BY_CLASS[cls] for cls in type(error).__mro__ if cls in BY_CLASS), AWAY)


def _condition(error: BaseException) -> str | None:
    """The AMQP condition, which the SDK keeps to itself where it came from a management node."""
    for found in (getattr(error, "_condition", None), getattr(error, "condition", None)):
        if isinstance(found, bytes):
            return str(found, "ascii", "replace")
        if isinstance(found, str):
            return found
    return None


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _innermost(error: BaseException) -> str | None:
    """The class of the first cause, as ``ConnectionRefusedError``; its text may say more than is to be shown."""
    *_, last = _chain(error)
    return type(last).__name__ if last is not error else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was raised from, through the SDK's own ways of keeping it."""
    seen: set[int] = set()
    found: object = error
    while isinstance(found, BaseException) and id(found) not in seen:
        seen.add(id(found))
        yield found
        kept = [getattr(found, name, None) for name in ("inner_exception", "inner_error")]
        inner = next((one for one in kept if isinstance(one, BaseException)), None)
        found = inner or found.__cause__ or found.__context__
