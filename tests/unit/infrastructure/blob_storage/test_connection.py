"""Which account, who signs in and how: from settings alone, without a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import HttpTransport

from core.errors import BlobStoreMisconfigured, BlobStoreUnavailable
from infrastructure.blob_storage.connection import CallLimits, blob_service
from infrastructure.blob_storage.store import AzureBlobStore
from infrastructure.settings import Settings, SettingsInvalid

KEY = "aHVudGVyMg=="
ACCOUNT_URL = "https://engine.blob.core.windows.net"
WITH_KEY = f"DefaultEndpointsProtocol=https;AccountName=engine;AccountKey={KEY};EndpointSuffix=core.windows.net"


class FakeCredential:
    """Gives a token, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.scopes: list[str] = []
        self._error = error

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        self.scopes += scopes
        if self._error is not None:
            raise self._error
        return AccessToken("hunter2", 4_000_000_000)


class Refusing(HttpTransport[Any, Any]):
    """Keeps what it is to send, and fails as a network does that is not there."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.slept: list[float] = []

    def send(self, request: Any, **more: Any) -> Any:
        self.sent.append(request)
        raise ConnectionRefusedError

    def open(self) -> None: ...
    def close(self) -> None: ...
    def __exit__(self, *given: object) -> None: ...
    def sleep(self, duration: float) -> None:
        self.slept.append(duration)


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_a_connection_string_names_account_and_key() -> None:
    service = blob_service(settings(AZURE_STORAGE_CONNECTION_STRING=WITH_KEY))

    assert (service.account_name, service.url) == ("engine", f"{ACCOUNT_URL}/")
    assert service.credential.account_key == KEY


def test_the_short_form_for_a_local_emulator_is_taken() -> None:
    service = blob_service(settings(AZURE_STORAGE_CONNECTION_STRING="UseDevelopmentStorage=true"))

    assert service.url.startswith("http://127.0.0.1:10000/devstoreaccount1")


def test_a_connection_string_with_a_signature_is_taken() -> None:
    text = f"BlobEndpoint={ACCOUNT_URL};SharedAccessSignature=sv=2024-11-04&sig=hunter2"
    service = blob_service(settings(AZURE_STORAGE_CONNECTION_STRING=text))

    assert "sig=hunter2" in service.url
    assert AzureBlobStore(service, "things").address == f"{ACCOUNT_URL}/things"


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "AccountName=engine;hunter2",
        "AccountKey=hunter2",
        "AccountName=engine",
        f"AccountName=engine;AccountKey={KEY};BlobEndpoint=http://engine.example/hunter2",
        f"AccountName=engine;AccountKey={KEY};DefaultEndpointsProtocol=http;EndpointSuffix=core.windows.net",
        "BlobEndpoint=https://engine.blob.core.windows.net",
        "BlobEndpoint=https://[hunter2;AccountName=engine;AccountKey=aHVudGVyMg==",
    ],
)
def test_a_connection_string_that_cannot_be_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="AZURE_STORAGE_CONNECTION_STRING") as caught:
        blob_service(settings(AZURE_STORAGE_CONNECTION_STRING=text))

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://engine.blob.core.windows.net",
        "engine.blob.core.windows.net",
        f"{ACCOUNT_URL}?sig=hunter2",
        f"{ACCOUNT_URL}#hunter2",
        "https://hunter2@engine.blob.core.windows.net",
        "https://",
        "https://[hunter2",
    ],
)
def test_an_account_url_that_cannot_be_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="AZURE_STORAGE_ACCOUNT_URL") as caught:
        blob_service(settings(AZURE_STORAGE_ACCOUNT_URL=url), credential=FakeCredential())

    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_no_account_is_an_error_that_names_the_settings() -> None:
    with pytest.raises(SettingsInvalid, match="AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT_URL"):
        blob_service(settings())


def test_no_secret_is_in_a_repr() -> None:
    found = settings(AZURE_STORAGE_CONNECTION_STRING=WITH_KEY)

    assert KEY not in repr(found) + str(found) + repr(blob_service(found))


@pytest.mark.parametrize("name", ["ab", "a" * 64, "A", "a--b", "-ab", "ab-", "a_b", "a/b", "$logs"])
def test_a_container_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="AZURE_STORAGE_CONTAINER"):
        settings(AZURE_STORAGE_CONTAINER=name)


def test_an_identity_signs_in_with_a_token_for_storage() -> None:
    credential, transport = FakeCredential(), Refusing()
    store = AzureBlobStore(_by_identity(credential, transport), "things")

    with pytest.raises(ConnectionRefusedError):
        store.get("a")

    assert set(credential.scopes) == {"https://storage.azure.com/.default"}
    assert transport.sent[0].headers["Authorization"] == "Bearer hunter2"
    assert transport.sent[0].url.startswith(f"{ACCOUNT_URL}/things/a")


def test_an_identity_without_a_token_is_for_a_person_and_asks_nothing_of_the_service() -> None:
    transport = Refusing()
    store = AzureBlobStore(_by_identity(FakeCredential(ClientAuthenticationError("hunter2")), transport), "things")

    for call in _calls(store):
        with pytest.raises(BlobStoreMisconfigured, match="identity") as caught:
            call()
        assert "hunter2" not in f"{caught.value}{caught.value.details}"

    assert transport.sent == []


def test_a_storage_that_is_not_there_is_unavailable_after_the_given_number_of_tries() -> None:
    limits = CallLimits(connect_seconds=1, silent_seconds=1, retries=0)
    text = f"AccountName=engine;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/engine"
    store = AzureBlobStore(blob_service(settings(AZURE_STORAGE_CONNECTION_STRING=text), limits=limits), "things")

    for call in _calls(store):
        with pytest.raises(BlobStoreUnavailable) as caught:
            call()
        assert caught.value.details["sdk_error"] == "ServiceRequestError"


def test_waits_between_tries_are_bounded() -> None:
    policy = CallLimits().retry_policy()
    waits = [[policy.get_backoff_time({"count": count}) for _ in range(200)] for count in range(policy.total_retries)]

    assert policy.total_retries == 3
    assert sum(max(wait) for wait in waits) <= 1 + 3 + 5


def _by_identity(credential: FakeCredential, transport: Refusing) -> Any:
    limits = CallLimits(retries=0)
    return blob_service(
        settings(AZURE_STORAGE_ACCOUNT_URL=ACCOUNT_URL), credential=credential, limits=limits, transport=transport
    )


def _calls(store: AzureBlobStore) -> list[Callable[[], object]]:
    return [
        lambda: store.put("a", b"1", "text/plain"),
        lambda: store.put_stream("a", [b"1"], "text/plain", 1),
        lambda: store.put("a", b"1" * 5_000_000, "text/plain"),
        lambda: store.get("a"),
        lambda: store.get_stream("a"),
        lambda: store.size("a"),
        lambda: store.content_type("a"),
        lambda: store.delete("a"),
        lambda: list(store.names("")),
    ]
