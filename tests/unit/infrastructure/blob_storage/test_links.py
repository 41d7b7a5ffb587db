"""Links: what they carry, for how long, and by which key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import UserDelegationKey

from core.errors import BlobNameInvalid, BlobStoreMisconfigured
from infrastructure.blob_storage.connection import blob_service
from infrastructure.blob_storage.links import BlobLinks
from infrastructure.settings import Settings
from testing.clock import FakeClock

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
WITH_KEY = "AccountName=engine;AccountKey=aHVudGVyMg=="


class Identity:
    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        return AccessToken("token", 4_000_000_000)


@pytest.fixture(autouse=True)
def _has_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.blob_storage.links.make_container", lambda container: None)


def links(clock: FakeClock, **environment: str) -> BlobLinks:
    settings = Settings.from_environment(environment)
    return BlobLinks(blob_service(settings, credential=Identity()), "things", clock)


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_link_by_key_reads_one_blob_over_tls_until_it_ends() -> None:
    url = links(FakeClock(START), AZURE_STORAGE_CONNECTION_STRING=WITH_KEY).read_url("a/b", 600)

    assert url.startswith("https://engine.blob.core.windows.net/things/a/b?")
    found = query(url)
    assert (found["sp"], found["sr"], found["spr"]) == ("r", "b", "https")
    assert (found["st"], found["se"]) == ("2030-01-02T02:49:05Z", "2030-01-02T03:14:05Z")
    assert "hunter2" not in url


def test_a_link_to_write_creates_and_writes_one_blob_and_reads_none() -> None:
    url = links(FakeClock(START), AZURE_STORAGE_CONNECTION_STRING=WITH_KEY).write_url("a/b", 600)

    found = query(url)
    assert url.startswith("https://engine.blob.core.windows.net/things/a/b?")
    assert (found["sp"], found["sr"], found["spr"]) == ("cw", "b", "https")
    assert found["se"] == "2030-01-02T03:14:05Z"


def test_a_link_may_say_under_which_name_a_file_is_saved() -> None:
    signer = links(FakeClock(START), AZURE_STORAGE_CONNECTION_STRING=WITH_KEY)

    assert query(signer.read_url("a", 1, "photo.jpg"))["rscd"] == 'attachment; filename="photo.jpg"'
    assert "rscd" not in query(signer.read_url("a", 1))
    for name in ("", 'a"; b', "a\r\nb", "a/b", "\u00e4"):
        with pytest.raises(ValueError, match="saved under a name"):
            signer.read_url("a", 1, name)


def test_a_link_by_identity_is_signed_with_a_key_that_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(START)
    found = links(clock, AZURE_STORAGE_ACCOUNT_URL="https://engine.blob.core.windows.net")
    asked: list[tuple[datetime, datetime]] = []

    def key(start: datetime, expiry: datetime) -> UserDelegationKey:
        asked.append((start, expiry))
        return _delegation_key(start, expiry)

    monkeypatch.setattr(found._service, "get_user_delegation_key", key)

    first = query(found.read_url("a", 3_600))
    clock.advance(timedelta(hours=24).total_seconds())
    found.read_url("a", 24 * 3_600)
    assert len(asked) == 1
    clock.advance(1)
    found.read_url("a", 24 * 3_600)

    assert len(asked) == 2
    assert asked[0] == (START - timedelta(minutes=15), START + timedelta(hours=48))
    assert (first["skoid"], first["sp"]) == ("object", "r")


def test_a_signature_signs_nothing() -> None:
    text = "BlobEndpoint=https://engine.blob.core.windows.net;SharedAccessSignature=sv=1&sig=hunter2"

    with pytest.raises(BlobStoreMisconfigured) as caught:
        links(FakeClock(START), AZURE_STORAGE_CONNECTION_STRING=text).read_url("a", 1)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_a_time_that_cannot_be_is_refused(seconds: float) -> None:
    signer = links(FakeClock(START), AZURE_STORAGE_CONNECTION_STRING=WITH_KEY)

    for sign in (signer.read_url, signer.write_url):
        with pytest.raises(ValueError, match="up to 86400 seconds"):
            sign("a", seconds)


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(BlobNameInvalid):
        links(FakeClock(START), AZURE_STORAGE_CONNECTION_STRING=WITH_KEY).read_url("../a", 1)


def _delegation_key(start: datetime, expiry: datetime) -> UserDelegationKey:
    key: UserDelegationKey = UserDelegationKey()  # type: ignore[no-untyped-call]
    key.signed_oid, key.signed_tid, key.signed_service, key.signed_version = "object", "tenant", "b", "2024-11-04"
    key.signed_start, key.signed_expiry = start.isoformat(), expiry.isoformat()
    key.value = "aHVudGVyMg=="
    return key
