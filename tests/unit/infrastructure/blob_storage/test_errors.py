"""Every exception of the SDK has its rule, and what leaves holds nothing of a request."""

from __future__ import annotations

import importlib
import pkgutil
import ssl
import traceback
from collections.abc import Iterator
from typing import Any, cast

import azure.core.exceptions
import azure.identity
import azure.storage.blob
import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import StorageErrorCode

from core.errors import (
    BlobConflict,
    BlobNotFound,
    BlobRequestRefused,
    BlobStoreMisconfigured,
    BlobStoreUnavailable,
    CapacityExceeded,
    CoreMachineError,
)
from infrastructure.blob_storage.errors import (
    BY_CLASS,
    BY_CODE,
    NO_TOKEN,
    SDK_ERRORS,
    guarded,
    guarded_each,
    rule_for,
    translate,
)

OURS = ("azure.core", "azure.storage.blob", "azure.identity")

WITHOUT_RULE = {
    "azure.core.pipeline.transport._base_async",
    "azure.storage.blob._shared.avro.schema",
    "azure.storage.blob._shared.avro.avro_io",
    "azure.storage.blob._shared.avro.datafile",
    # Of queries over blobs' contents and of settings, which are not asked for; the sync client has no asyncio.
}

OF_ANOTHER_SERVICE = ("Queue", "Message", "PopReceipt", "Share", "FileShare", "Filesystem", "Path")


def subclasses(base: type[BaseException]) -> Iterator[type[BaseException]]:
    yield base
    for below in base.__subclasses__():
        yield from subclasses(below)


def modules(package: object) -> None:
    path, name = package.__path__, package.__name__  # type: ignore[attr-defined]
    for module in pkgutil.walk_packages(path, f"{name}."):
        if "async" not in module.name and ".aio" not in module.name:
            importlib.import_module(module.name)


def sdk_exceptions() -> list[type[BaseException]]:
    modules(azure.storage.blob)
    importlib.import_module("azure.core.exceptions")
    found = {cls for cls in subclasses(Exception) if cls.__module__.startswith(OURS)}
    return sorted(found, key=lambda cls: (cls.__module__, cls.__name__))


class Response:
    """What :class:`HttpResponseError` takes of a response."""

    def __init__(self, status: int) -> None:
        self.status_code = status
        self.reason = "because"
        self.headers = {"x-ms-request-id": "4711"}
        self.content_type = "application/xml"
        self.secret = "hunter2"

    def text(self) -> str:
        return ""


def refused(status: int, code: str = "") -> HttpResponseError:
    error = HttpResponseError(message="hunter2", response=cast(Any, Response(status)))
    error.error_code = code  # type: ignore[attr-defined] # as azure.storage.blob sets it
    return error


def test_the_tree_of_the_sdk_is_walked() -> None:
    names = {cls.__name__ for cls in sdk_exceptions()}

    assert {"AzureError", "IncompleteReadError", "AzureSigningError", "CredentialUnavailableError"} <= names
    assert len(names) > 20


@pytest.mark.parametrize("cls", sdk_exceptions(), ids=lambda cls: cls.__name__)
def test_each_exception_of_the_sdk_is_caught_or_known_not_to_be_met(cls: type[BaseException]) -> None:
    assert issubclass(cls, SDK_ERRORS) or cls.__module__ in WITHOUT_RULE


@pytest.mark.parametrize(
    "cls",
    [cls for cls in vars(azure.core.exceptions).values() if isinstance(cls, type) and issubclass(cls, SDK_ERRORS)],
)
def test_each_class_of_azure_core_has_a_rule_of_its_own_or_of_its_parent_on_purpose(cls: type[Exception]) -> None:
    timeouts = {"ServiceRequestTimeoutError", "ServiceResponseTimeoutError"}

    assert cls in BY_CLASS or cls.__name__ in timeouts


@pytest.mark.parametrize(
    "cls", [cls for cls in sdk_exceptions() if issubclass(cls, SDK_ERRORS)], ids=lambda cls: cls.__name__
)
def test_each_leaves_as_one_of_ours(cls: type[Exception]) -> None:
    error = cls.__new__(cls)
    Exception.__init__(error, "hunter2")

    def fail() -> None:
        raise error

    with pytest.raises(CoreMachineError) as caught:
        guarded(fail)

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert caught.value.details["sdk_error"] == cls.__name__


def test_each_code_at_each_status_leaves_as_one_of_ours() -> None:
    for code in (code.value for code in StorageErrorCode):
        for status in (400, 403, 404, 409, 412, 500, 503):
            found = translate(refused(status, code))

            assert isinstance(found, CoreMachineError)
            assert (found.details["azure_code"], found.details["status"]) == (code, status)


def test_the_codes_that_have_a_rule_are_ones_that_the_sdk_knows_or_the_service_documents() -> None:
    documented = {
        "AuthorizationPermissionMismatch",
        "AuthorizationProtocolMismatch",
        "AuthorizationSourceIPMismatch",
        "BlobImmutableDueToPolicy",
        "UnsupportedRestVersion",
    }

    assert set(BY_CODE) - documented <= {code.value for code in StorageErrorCode}
    assert not [code for code in BY_CODE if code.startswith(OF_ANOTHER_SERVICE)]


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (404, "BlobNotFound", BlobNotFound, False),
        (404, "ContainerNotFound", BlobNotFound, False),
        (404, "", BlobNotFound, False),
        (403, "AuthenticationFailed", BlobStoreMisconfigured, True),
        (403, "AuthorizationPermissionMismatch", BlobStoreMisconfigured, True),
        (403, "", BlobStoreMisconfigured, True),
        (401, "", BlobStoreMisconfigured, True),
        (409, "ContainerBeingDeleted", BlobStoreUnavailable, True),
        (409, "BlobArchived", BlobStoreMisconfigured, True),
        (409, "InvalidBlobType", BlobStoreMisconfigured, True),
        (412, "ConditionNotMet", BlobConflict, True),
        (412, "LeaseIdMissing", BlobConflict, True),
        (400, "InvalidBlockList", BlobConflict, True),
        (400, "InvalidHeaderValue", BlobRequestRefused, False),
        (400, "", BlobRequestRefused, False),
        (416, "InvalidRange", BlobRequestRefused, False),
        (413, "RequestBodyTooLarge", CapacityExceeded, False),
        (429, "", BlobStoreUnavailable, True),
        (500, "InternalError", BlobStoreUnavailable, True),
        (503, "ServerBusy", BlobStoreUnavailable, True),
        (502, "", BlobStoreUnavailable, True),
    ],
)
def test_a_refusal_is_told_by_its_code_and_status(
    status: int, code: str, kind: type[CoreMachineError], retryable: bool
) -> None:
    found = translate(refused(status, code))

    assert (type(found), found.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServiceRequestError("no"), BlobStoreUnavailable),
        (ServiceResponseError("no"), BlobStoreUnavailable),
        (ClientAuthenticationError("no"), BlobStoreMisconfigured),
        (azure.identity.CredentialUnavailableError("no"), BlobStoreMisconfigured),
        (AzureError("no"), BlobStoreUnavailable),
    ],
)
def test_what_brings_no_status_is_told_by_its_class(error: AzureError, kind: type[CoreMachineError]) -> None:
    assert type(translate(error)) is kind


def test_no_token_is_told_from_a_refused_one() -> None:
    assert rule_for(ClientAuthenticationError("no")) is NO_TOKEN
    assert rule_for(refused(401, "InvalidAuthenticationInfo")) is not NO_TOKEN


class MaxRetryError(Exception):
    """As urllib3's: the cause is its ``reason``, and its text quotes the URL."""

    def __init__(self, reason: Exception) -> None:
        super().__init__("Max retries exceeded with url: /x?sig=hunter2")
        self.reason = reason


class NameResolutionError(Exception):
    """As urllib3's."""


def unsent(reason: Exception) -> ServiceRequestError:
    """As azure-core gives what requests raised, which has urllib3's exception as its argument."""
    inner = MaxRetryError(reason)
    return ServiceRequestError(str(inner), error=OSError(inner))


def test_a_certificate_that_is_not_trusted_is_for_a_person() -> None:
    found = translate(unsent(ssl.SSLError("certificate verify failed")))

    assert type(found) is BlobStoreMisconfigured
    assert "TLS" in found.message


def test_the_innermost_cause_is_named_by_its_class_alone() -> None:
    found = translate(unsent(NameResolutionError("hunter2")))

    assert type(found) is BlobStoreUnavailable
    assert found.details["reason"] == "NameResolutionError"
    assert "hunter2" not in f"{found}{found.details}"


def test_no_text_of_the_sdk_is_in_the_error_or_its_traceback() -> None:
    def fail() -> None:
        raise refused(403, "AuthenticationFailed")

    with pytest.raises(BlobStoreMisconfigured) as caught:
        guarded(fail)

    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value.details)
    assert "hunter2" not in shown.replace('raise refused(403, "AuthenticationFailed")', "")
    assert caught.value.details["request_id"] == "4711"


def test_an_iterator_is_guarded_at_each_step_and_its_other_errors_pass() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise refused(503, "ServerBusy")

    found = guarded_each(items())

    assert next(found) == 1
    with pytest.raises(BlobStoreUnavailable):
        next(found)
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)
