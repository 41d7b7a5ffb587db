"""The conditions are words of the SDK's, which it tells apart."""

from __future__ import annotations

from enum import Enum

import pytest
from azure.servicebus import exceptions as sdk
from azure.servicebus._pyamqp.error import ErrorCondition
from azure.servicebus._transport._pyamqp_transport import _ERROR_CODE_TO_ERROR_MAPPING

from testing.service_bus_emulator.broker import errors
from testing.service_bus_emulator.broker.errors import BrokerError

EXPECTED: dict[type[BrokerError], type[Exception]] = {
    errors.EntityDisabled: sdk.MessagingEntityDisabledError,
    errors.EntityQuotaExceeded: sdk.ServiceBusQuotaExceededError,
    errors.MessageNotFound: sdk.MessageNotFoundError,
    errors.MessageLockLost: sdk.MessageLockLostError,
    errors.MessageSizeExceeded: sdk.MessageSizeExceededError,
    errors.SessionLockLost: sdk.SessionLockLostError,
    errors.SessionCannotBeLocked: sdk.SessionCannotBeLockedError,
    errors.OperationTimeout: sdk.OperationTimeoutError,
    errors.OperationNotAllowed: sdk.ServiceBusError,
    errors.ArgumentInvalid: sdk.ServiceBusError,
    errors.ArgumentOutOfRange: sdk.ServiceBusError,
    errors.Unauthorized: sdk.ServiceBusAuthorizationError,
    errors.ServerBusy: sdk.ServiceBusServerBusyError,
}
WITHOUT_ENTRY: set[type[BrokerError]] = {errors.EntityNotFound, errors.JournalFailed}
"""The SDK looks at the first by itself, and the second is a failure of ours."""


def tree(root: type[BrokerError]) -> set[type[BrokerError]]:
    return {root}.union(*(tree(child) for child in root.__subclasses__()))


def sdk_classes() -> dict[str, type[Exception]]:
    return {
        (code.value if isinstance(code, Enum) else code).decode(): error
        for code, error in _ERROR_CODE_TO_ERROR_MAPPING.items()
    }


def test_every_refusal_is_looked_at_here() -> None:
    assert tree(BrokerError) - {BrokerError} == EXPECTED.keys() | WITHOUT_ENTRY


@pytest.mark.parametrize(("ours", "theirs"), EXPECTED.items())
def test_the_sdk_raises_its_own_error_for_ours(ours: type[BrokerError], theirs: type[Exception]) -> None:
    assert sdk_classes()[ours.condition] is theirs


def test_the_others_are_conditions_of_amqp() -> None:
    known = {condition.value.decode() for condition in ErrorCondition}

    assert {error.condition for error in WITHOUT_ENTRY} <= known
    assert errors.EntityNotFound.condition == ErrorCondition.NotFound.value.decode()


def test_a_refusal_says_why() -> None:
    error = errors.ServerBusy("come back later")

    assert (error.description, str(error)) == ("come back later", "come back later")
