"""Every exception of the SDK has its rule, and leaves as one of ours, from its cause."""

from __future__ import annotations

import importlib
import pkgutil
import ssl
from collections.abc import Iterator
from typing import Any, cast

import azure.core.exceptions
import azure.identity
import azure.servicebus
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.servicebus import exceptions as bus
from azure.servicebus._common import constants
from azure.servicebus._pyamqp import error as amqp
from azure.servicebus._transport._pyamqp_transport import PyamqpTransport

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
from infrastructure.service_bus.errors import (
    AWAY,
    BY_CLASS,
    BY_CONDITION,
    NO_TOKEN,
    SDK_ERRORS,
    SIGN_IN,
    TLS,
    guarded,
    rule_for,
    translate,
)

OURS = ("azure.core", "azure.servicebus", "azure.identity")

NOT_MET = {
    "azure.core.pipeline.transport._base_async",  # the sync client has no asyncio
    "azure.servicebus._pyamqp._message_backcompat",  # of messages in the form of the SDK before this one
    "azure.servicebus._pyamqp._transport",  # declared, and raised by nothing
}


def subclasses(base: type[BaseException]) -> Iterator[type[BaseException]]:
    yield base
    for below in base.__subclasses__():
        yield from subclasses(below)


def sdk_exceptions() -> list[type[Exception]]:
    for module in pkgutil.walk_packages(azure.servicebus.__path__, "azure.servicebus."):
        if not any(part in module.name for part in (".aio", "async", "uamqp")):
            importlib.import_module(module.name)
    importlib.import_module("azure.core.exceptions")
    importlib.import_module("azure.identity")
    found = {cls for cls in subclasses(Exception) if cls.__module__.startswith(OURS)}
    return sorted(cast(Any, found), key=lambda cls: (cls.__module__, cls.__name__))


def made(cls: type[Exception]) -> Exception:
    error = cls.__new__(cls)
    Exception.__init__(error, "hunter2")
    return error


def refused(status: int) -> HttpResponseError:
    error = HttpResponseError("hunter2")
    error.status_code = status
    return error


def with_condition(condition: str) -> bus.ServiceBusError:
    """As the SDK gives what a management node answered."""
    return PyamqpTransport._handle_amqp_exception_with_condition(
        cast(Any, NoLog()), condition.encode(), description="hunter2"
    )


class NoLog:
    def info(self, *_: object) -> None: ...


def test_the_tree_of_the_sdk_is_walked() -> None:
    names = {cls.__name__ for cls in sdk_exceptions()}

    assert {"ServiceBusError", "AMQPLinkRedirect", "TokenExpired", "AutoLockRenewTimeout", "AzureError"} <= names
    assert len(names) > 50


@pytest.mark.parametrize("cls", sdk_exceptions(), ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_each_exception_of_the_sdk_is_caught_or_known_not_to_be_met(cls: type[Exception]) -> None:
    assert issubclass(cls, SDK_ERRORS) or cls.__module__ in NOT_MET


@pytest.mark.parametrize(
    "cls", [cls for cls in vars(bus).values() if isinstance(cls, type) and cls.__module__ == bus.__name__]
)
def test_each_class_of_the_service_bus_has_a_rule_of_its_own(cls: type[Exception]) -> None:
    assert cls in BY_CLASS


@pytest.mark.parametrize(
    "cls",
    [cls for cls in sdk_exceptions() if issubclass(cls, SDK_ERRORS)],
    ids=lambda cls: f"{cls.__module__}.{cls.__name__}",
)
def test_each_leaves_as_one_of_ours_from_its_cause(cls: type[Exception]) -> None:
    error = made(cls)

    def fail() -> None:
        raise error

    with pytest.raises(CoreMachineError) as caught:
        guarded(fail)

    assert caught.value.__cause__ is error
    assert caught.value.details["sdk_error"] == cls.__name__
    assert "hunter2" not in f"{caught.value}{caught.value.details}"


def test_each_condition_of_the_sdk_has_its_rule() -> None:
    known = {condition.value.decode() for condition in amqp.ErrorCondition}
    known |= {value.decode() for name, value in vars(constants).items() if name.startswith("ERROR_CODE_")}
    of_the_client = {"amqp:client-error", "amqp:unknown-error", "amqp:vendor-error"}

    assert known - of_the_client <= set(BY_CONDITION)


def test_the_conditions_that_have_a_rule_are_ones_that_the_sdk_knows_or_the_service_documents() -> None:
    known = {condition.value.decode() for condition in amqp.ErrorCondition}
    known |= {value.decode() for name, value in vars(constants).items() if name.startswith("ERROR_CODE_")}
    documented = {"com.microsoft:container-close", "com.microsoft:operation-cancelled"}

    assert set(BY_CONDITION) - documented <= known


@pytest.mark.parametrize(
    ("condition", "kind", "retryable"),
    [
        ("com.microsoft:server-busy", BusBusy, True),
        ("com.microsoft:timeout", BusUnavailable, True),
        ("com.microsoft:message-lock-lost", LockLost, False),
        ("com.microsoft:session-lock-lost", LockLost, False),
        ("com.microsoft:entity-disabled", BusMisconfigured, True),
        ("com.microsoft:auth-failed", BusMisconfigured, True),
        ("com.microsoft:argument-error", BusRequestRefused, False),
        ("com.microsoft:of-tomorrow", BusUnavailable, True),
        ("amqp:unauthorized-access", BusMisconfigured, True),
        ("amqp:not-found", BusMisconfigured, True),
        ("amqp:not-allowed", BusMisconfigured, True),
        ("amqp:resource-limit-exceeded", BusFull, True),
        ("amqp:link:message-size-exceeded", MessageTooLarge, False),
        ("amqp:link:detach-forced", BusUnavailable, True),
        ("amqp:internal-error", BusUnavailable, True),
    ],
)
def test_a_refusal_is_told_by_its_condition(condition: str, kind: type[CoreMachineError], retryable: bool) -> None:
    found = translate(with_condition(condition))

    assert (type(found), found.retryable) == (kind, retryable)
    assert found.details["condition"] == condition


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (bus.OperationTimeoutError(), BusUnavailable),
        (bus.MessageAlreadySettled(action="complete"), LockLost),
        (bus.ServiceBusQuotaExceededError(), BusFull),
        (bus.MessagingEntityNotFoundError(), BusMisconfigured),
        (bus.SessionCannotBeLockedError(), BusMisconfigured),
        (bus.MessagingEntityAlreadyExistsError(), BusRequestRefused),
        (cast(Any, amqp.TokenAuthFailure)(401, b"hunter2"), BusMisconfigured),
        (amqp.AMQPConnectionError(b"amqp:socket-error"), BusUnavailable),
        (ValueError("The handler has already been shutdown."), BusUnavailable),
        (TypeError("hunter2"), BusRequestRefused),
        (ConnectionResetError(), BusUnavailable),
        (refused(401), BusMisconfigured),
        (refused(404), BusMisconfigured),
        (refused(429), BusBusy),
        (refused(503), BusUnavailable),
        (ServiceRequestError("no"), BusUnavailable),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_brings_no_condition_is_told_by_its_class(error: Exception, kind: type[CoreMachineError]) -> None:
    assert type(translate(error)) is kind


def test_a_host_that_is_not_found_is_no_missing_queue() -> None:
    error = bus.ServiceBusCommunicationError(condition=amqp.ErrorCondition.NotFound)

    assert rule_for(error) is AWAY


def test_a_certificate_that_is_not_trusted_is_for_a_person() -> None:
    inner = amqp.AMQPConnectionError(
        amqp.ErrorCondition.SocketError, error=cast(Any, ssl.SSLCertVerificationError("hunter2"))
    )

    assert rule_for(bus.ServiceBusConnectionError(error=inner)) is TLS


def test_an_identity_without_a_token_is_told_from_a_refused_sign_in() -> None:
    """The SDK wraps what the credential raised."""
    for inner in (ClientAuthenticationError("no"), azure.identity.CredentialUnavailableError("no")):
        assert rule_for(bus.ServiceBusError("Handler failed", error=inner)) is NO_TOKEN
    assert rule_for(bus.ServiceBusAuthenticationError()) is SIGN_IN
    assert rule_for(refused(401)) is SIGN_IN


def test_the_innermost_cause_is_named_by_its_class_alone() -> None:
    inner = amqp.AMQPConnectionError(
        amqp.ErrorCondition.SocketError, error=cast(Any, ConnectionRefusedError("hunter2"))
    )

    found = translate(bus.ServiceBusConnectionError(error=inner))

    assert found.details["reason"] == "ConnectionRefusedError"
    assert "hunter2" not in f"{found}{found.details}"


def test_what_is_not_the_sdks_passes() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)
