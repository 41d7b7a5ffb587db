"""Keys of Azure Key Vault, by its real SDK, over TLS, against a vault on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from handlers.portal.errors import SealedDamaged, SealingKeyUnavailable, SealingKeyUnknown
from handlers.portal.paths import raw_path
from infrastructure.sealed.header import WrapMethod, WrappedKey
from infrastructure.sealed.key_vault import KeyVaultKeys
from infrastructure.sealed.keys import KeyRing, parse_local_keys
from infrastructure.sealed.rotation import KeyRotation
from infrastructure.sealed.store import SealedBlobStore
from infrastructure.settings import SettingsInvalid
from testing.clock import FakeClock
from testing.memory_blobs import MemoryBlobStore
from tests.support.certificates import own_certificate
from tests.support.key_vault import TOKEN, KeyVault, key_vault
from tests.support.sealed import JOB, OWNER, USER, key_text, sealed_store

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
OBJECT_KEY = bytes(range(32))
RAW = raw_path(USER, JOB, 1, "photo.jpg")


class Identity:
    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        return AccessToken(TOKEN, 4_000_000_000)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def vault(certificate: Path) -> Iterator[KeyVault]:
    with key_vault(certificate, "portal") as vault:
        yield vault


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def keys(vault: KeyVault, certificate: Path, clock: FakeClock) -> Iterator[KeyVaultKeys]:
    found = keys_of(f"{vault.url}/keys/portal", certificate, clock)
    yield found
    found.close()


def keys_of(url: str, certificate: Path, clock: FakeClock) -> KeyVaultKeys:
    return KeyVaultKeys(
        url, Identity(), clock, connection_verify=str(certificate), verify_challenge_resource=False, retry_total=0
    )


def test_the_vault_unwraps_what_its_key_wrapped(vault: KeyVault, keys: KeyVaultKeys) -> None:
    wrapped = keys.wrap(OBJECT_KEY)

    host = vault.url.removeprefix("https://")
    assert wrapped.key_id == keys.current_id() == f"vault:{host}/portal/{1:032x}"
    assert (wrapped.method, len(wrapped.data)) == (WrapMethod.RSA_OAEP_256, 256)
    assert keys.unwrap(wrapped) == OBJECT_KEY
    assert vault.calls.count("unwrapkey") == 1


def test_a_sealed_object_opens_by_the_vault_and_keeps_no_local_key(vault: KeyVault, keys: KeyVaultKeys) -> None:
    store = SealedBlobStore(MemoryBlobStore(), KeyRing([keys]))

    store.put(RAW, [b"x" * 200_000], OWNER, 1_000_000)

    assert store.read(RAW, OWNER, 1_000_000) == b"x" * 200_000


def test_a_version_that_the_vault_rotated_in_wraps_within_the_hour_and_the_old_one_opens(
    vault: KeyVault, keys: KeyVaultKeys, clock: FakeClock
) -> None:
    old = keys.wrap(OBJECT_KEY)
    second = vault.rotate()
    assert keys.wrap(OBJECT_KEY).key_id == old.key_id

    clock.advance(3_600)

    new = keys.wrap(OBJECT_KEY)
    assert new.key_id.endswith(second)
    assert keys.unwrap(old) == keys.unwrap(new) == OBJECT_KEY


def test_a_pinned_version_stays(vault: KeyVault, certificate: Path, clock: FakeClock) -> None:
    pinned = keys_of(f"{vault.url}/keys/portal/{1:032x}", certificate, clock)
    vault.rotate()

    assert pinned.wrap(OBJECT_KEY).key_id.endswith(f"{1:032x}")
    pinned.close()


def test_objects_move_from_keys_of_the_environment_to_the_vault(vault: KeyVault, keys: KeyVaultKeys) -> None:
    blobs, local = MemoryBlobStore(), parse_local_keys([key_text("2026")])
    assert local is not None
    sealed_store(blobs).put(RAW, [b"a photo"], OWNER, 100)

    done = KeyRotation(blobs, KeyRing([keys, local])).rotate_all()

    assert done.wrapped == 1
    assert SealedBlobStore(blobs, KeyRing([keys])).read(RAW, OWNER, 100) == b"a photo"


def test_every_byte_of_a_wrapped_key_counts(vault: KeyVault, keys: KeyVaultKeys) -> None:
    wrapped = keys.wrap(OBJECT_KEY)

    for place in (0, 100, 255):
        data = bytearray(wrapped.data)
        data[place] ^= 1
        with pytest.raises(SealedDamaged):
            keys.unwrap(WrappedKey(wrapped.key_id, wrapped.method, bytes(data)))


def test_what_an_object_says_chooses_neither_the_vault_nor_the_key(vault: KeyVault, keys: KeyVaultKeys) -> None:
    host = vault.url.removeprefix("https://")
    data = keys.wrap(OBJECT_KEY).data
    vault.calls.clear()

    for key_id in (
        f"vault:elsewhere.example/portal/{1:032x}",
        f"vault:{host}/other/{1:032x}",
        f"vault:{host}/portal/../other",
        f"vault:{host}/portal/",
        f"vault:{host}/portal/{'A' * 32}",
        "2026",
    ):
        with pytest.raises(SealingKeyUnknown):
            keys.unwrap(WrappedKey(key_id, WrapMethod.RSA_OAEP_256, data))
    assert vault.calls == []

    with pytest.raises(SealingKeyUnknown) as caught:
        keys.unwrap(WrappedKey(f"vault:{host}/portal/{9:032x}", WrapMethod.RSA_OAEP_256, data))
    assert caught.value.details == {"key_id": f"vault:{host}/portal/{9:032x}"}


@pytest.mark.parametrize(("status", "words"), [(403, "refuses"), (429, "busy"), (500, "busy"), (503, "busy")])
def test_a_vault_that_refuses_or_is_away_is_tried_again_later(
    vault: KeyVault, keys: KeyVaultKeys, status: int, words: str
) -> None:
    wrapped = keys.wrap(OBJECT_KEY)
    vault.status = status

    with pytest.raises(SealingKeyUnavailable, match=words) as caught:
        keys.unwrap(wrapped)

    assert caught.value.retryable
    assert caught.value.details["status"] == status
    assert TOKEN not in f"{caught.value}{caught.value.details}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_vault_that_nobody_reaches_is_said_to_be_away(certificate: Path, clock: FakeClock) -> None:
    with key_vault(certificate, "portal") as vault:
        url = f"{vault.url}/keys/portal"
    gone = keys_of(url, certificate, clock)

    for call in (gone.current_id, lambda: gone.wrap(OBJECT_KEY)):
        with pytest.raises(SealingKeyUnavailable, match="does not answer"):
            call()
    gone.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://name.vault.azure.net/keys/portal",
        "https://name.vault.azure.net/secrets/portal",
        "https://name.vault.azure.net/keys/portal/latest",
        "https://user:hunter2@name.vault.azure.net/keys/portal",
        "https://name.vault.azure.net/keys/portal?sig=hunter2",
        "https://name.vault.azure.net/keys/a/b/c",
        "https:///keys/portal",
    ],
)
def test_what_is_no_key_of_a_vault_is_refused(url: str, clock: FakeClock) -> None:
    with pytest.raises(SettingsInvalid, match="PORTAL_KEY_VAULT_KEYS") as caught:
        KeyVaultKeys(url, Identity(), clock)

    assert "hunter2" not in str(caught.value)
