"""What ``azure.storage.blob`` raises, in the words of :mod:`core.errors`.

A rule is looked up by the service's error code, then by the HTTP status, then by the exception's class
(https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes).

The messages are our own, and the SDK's exception is not kept as the cause: it holds the request, and with it a bearer
token or a shared access signature. What helps to find the cause is in the details: class, status, code, request id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from azure.core import exceptions as azure

from core.errors import (
    BlobConflict,
    BlobNotFound,
    BlobRequestRefused,
    BlobStoreMisconfigured,
    BlobStoreUnavailable,
    CapacityExceeded,
    CoreMachineError,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    error: type[CoreMachineError]
    message: str


AWAY = Rule(
    BlobStoreUnavailable, "the blob storage does not answer: check that it runs and can be reached, then try again"
)
CUT_OFF = Rule(BlobStoreUnavailable, "the blob storage's answer did not arrive whole: try again")
BUSY = Rule(BlobStoreUnavailable, "the blob storage is busy or has trouble of its own: try again")
NOT_READY = Rule(
    BlobStoreUnavailable, "the container is being deleted or the account being made: try again in a minute"
)
ABSENT = Rule(BlobNotFound, "there is no such blob")
CONFLICT = Rule(BlobConflict, "somebody else replaced, removed or holds the blob meanwhile: try again")
TOO_LARGE = Rule(CapacityExceeded, "the blob is larger, or of more blocks, than the storage takes")
SIGN_IN = Rule(
    BlobStoreMisconfigured,
    "the blob storage refused the sign-in: check the key in AZURE_STORAGE_CONNECTION_STRING, or the identity that "
    "this process runs as, and that the clock is right",
)
NO_TOKEN = Rule(BlobStoreMisconfigured, "no Microsoft Entra token: check the identity that this process runs as")
FORBIDDEN = Rule(
    BlobStoreMisconfigured,
    "the blob storage allows this not: give the identity the role Storage Blob Data Contributor, and let the account's "
    "firewall pass",
)
DISABLED = Rule(BlobStoreMisconfigured, "the storage account or the container is disabled: look at it in the portal")
OTHER_VERSION = Rule(
    BlobStoreMisconfigured, "the blob storage is older than the SDK: start Azurite with --skipApiVersionCheck"
)
TLS = Rule(
    BlobStoreMisconfigured, "no trusted TLS connection to the blob storage: check the account's URL and certificates"
)
BLOCKED = Rule(
    BlobStoreMisconfigured, "the blob is archived, or of a kind that is none of ours: remove it, or rehydrate it"
)
REDIRECTED = Rule(BlobStoreMisconfigured, "the account's URL leads elsewhere and on: check AZURE_STORAGE_ACCOUNT_URL")
WRONG_REQUEST = Rule(BlobRequestRefused, "the blob storage refused our request: this is a bug, nothing was written")

BY_CODE: Mapping[str, Rule] = {
    "AccountBeingCreated": NOT_READY,
    "AccountIsDisabled": DISABLED,
    "AuthenticationFailed": SIGN_IN,
    "AuthorizationFailure": FORBIDDEN,
    "AuthorizationPermissionMismatch": FORBIDDEN,
    "AuthorizationProtocolMismatch": FORBIDDEN,
    "AuthorizationSourceIPMismatch": FORBIDDEN,
    "BlobAlreadyExists": CONFLICT,
    "BlobArchived": BLOCKED,
    "BlobBeingRehydrated": BLOCKED,
    "BlobImmutableDueToPolicy": FORBIDDEN,
    "BlobNotFound": ABSENT,
    "BlobOverwritten": CONFLICT,
    "BlockCountExceedsLimit": TOO_LARGE,
    "BlockListTooLong": TOO_LARGE,
    "ConditionNotMet": CONFLICT,
    "ContainerBeingDeleted": NOT_READY,
    "ContainerDisabled": DISABLED,
    "ContainerNotFound": ABSENT,
    "FeatureVersionMismatch": OTHER_VERSION,
    "InsufficientAccountPermissions": FORBIDDEN,
    "InternalError": BUSY,
    "InvalidAuthenticationInfo": SIGN_IN,
    "InvalidBlobOrBlock": CONFLICT,
    "InvalidBlobType": BLOCKED,
    "InvalidBlockList": CONFLICT,
    "LeaseIdMissing": CONFLICT,
    "LeaseLost": CONFLICT,
    "NoAuthenticationInformation": SIGN_IN,
    "OperationTimedOut": BUSY,
    "RequestBodyTooLarge": TOO_LARGE,
    "ResourceNotFound": ABSENT,
    "ServerBusy": BUSY,
    "SnapshotsPresent": FORBIDDEN,
    "TargetConditionNotMet": CONFLICT,
    "UnauthorizedBlobOverwrite": FORBIDDEN,
    "UnsupportedRestVersion": OTHER_VERSION,
}

BY_STATUS: Mapping[int, Rule] = {
    401: SIGN_IN,
    403: FORBIDDEN,
    404: ABSENT,
    408: BUSY,
    409: CONFLICT,
    412: CONFLICT,
    413: TOO_LARGE,
    429: BUSY,
}

BY_CLASS: Mapping[type[Exception], Rule] = {
    azure.AzureError: AWAY,
    azure.ServiceRequestError: AWAY,
    azure.ServiceResponseError: CUT_OFF,
    azure.HttpResponseError: WRONG_REQUEST,
    azure.DecodeError: CUT_OFF,
    azure.IncompleteReadError: CUT_OFF,
    azure.ResourceExistsError: CONFLICT,
    azure.ResourceNotFoundError: ABSENT,
    azure.ResourceModifiedError: CONFLICT,
    azure.ResourceNotModifiedError: CONFLICT,
    azure.ClientAuthenticationError: NO_TOKEN,
    azure.TooManyRedirectsError: REDIRECTED,
    azure.ODataV4Error: WRONG_REQUEST,
    azure.StreamConsumedError: CUT_OFF,
    azure.StreamClosedError: CUT_OFF,
    azure.ResponseNotReadError: CUT_OFF,
    azure.SerializationError: WRONG_REQUEST,
    azure.DeserializationError: CUT_OFF,
}

UNTRUSTED = "SSLError"
"""What both ``ssl`` and ``requests`` call it where a TLS connection is not made."""

SdkError = azure.AzureError | azure.SerializationError | azure.DeserializationError
SDK_ERRORS = (azure.AzureError, azure.SerializationError, azure.DeserializationError)


def guarded(call: Callable[[], T]) -> T:
    """What ``call`` gives; what the SDK raises leaves as an error of :mod:`core.errors`, without cause or context."""
    try:
        return call()
    except SDK_ERRORS as error:
        failure = translate(error)
    raise failure


def guarded_each(items: Iterator[T]) -> Iterator[T]:
    """``items``, each fetched under :func:`guarded`."""
    end = object()
    while (item := guarded(lambda: next(items, end))) is not end:
        yield item  # type: ignore[misc] # only the end is no T


def translate(error: SdkError) -> CoreMachineError:
    """The error that ``error`` is outside."""
    rule = rule_for(error)
    details = {
        "sdk_error": type(error).__name__,
        "status": _status(error),
        "azure_code": error_code(error) or None,
        "request_id": _header(error, "x-ms-request-id"),
        "reason": _innermost(error),
    }
    return rule.error(rule.message, **{name: value for name, value in details.items() if value is not None})


def rule_for(error: SdkError) -> Rule:
    """The one rule that applies to ``error``. A refusal that is not known is not retryable."""
    status = _status(error)
    if status is not None and status >= 400:
        known = BY_CODE.get(error_code(error)) or BY_STATUS.get(status)
        return known or (BUSY if status >= 500 else WRONG_REQUEST)
    if any(type(found).__name__ == UNTRUSTED for found in _chain(error)):
        return TLS
    return next(BY_CLASS[cls] for cls in type(error).__mro__ if cls in BY_CLASS)


def error_code(error: BaseException) -> str:
    """The service's own code, as ``ContainerNotFound``; empty where it sent none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) else None


def _header(error: BaseException, name: str) -> str | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return headers.get(name) if headers else None


def _innermost(error: BaseException) -> str | None:
    """The class of the first cause, as ``NameResolutionError``; its text may quote a URL with a signature."""
    *_, last = _chain(error)
    return type(last).__name__ if last is not error else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it was raised from, through the SDK's and urllib3's own ways of keeping it."""
    seen: set[int] = set()
    found: object = error
    while isinstance(found, BaseException) and id(found) not in seen:
        seen.add(id(found))
        yield found
        inner = getattr(found, "inner_exception", None) or getattr(found, "reason", None)
        inside = next((arg for arg in found.args if isinstance(arg, BaseException)), None)
        found = inner if isinstance(inner, BaseException) else inside or found.__cause__ or found.__context__
