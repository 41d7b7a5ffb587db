"""The keys of the settings, and the command that wraps files' keys anew."""

from __future__ import annotations

import io

import pytest

import infrastructure.sealed.__main__ as command
from core.system import SystemClock
from handlers.portal.errors import SealingKeyMissing
from handlers.portal.paths import raw_path
from infrastructure.sealed.__main__ import main, rotate
from infrastructure.sealed.ring import key_ring, sealed_over
from infrastructure.settings import Settings, SettingsInvalid
from testing.memory_blobs import MemoryBlobStore
from tests.support.sealed import JOB, OWNER, USER, key_text, sealed_store

PATHS = [raw_path(USER, JOB, number, "photo.jpg") for number in range(5)]
OLD, NEW = key_text("2026", 1), key_text("2027", 2)
VAULT = "https://name.vault.azure.net/keys/portal/" + "0" * 31 + "1"


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


@pytest.fixture
def blobs() -> MemoryBlobStore:
    blobs = MemoryBlobStore()
    for path in PATHS:
        sealed_store(blobs, [OLD]).put(path, [path.encode()], OWNER, 1_000)
    return blobs


def test_a_store_over_any_blobs_seals_with_the_first_key(blobs: MemoryBlobStore) -> None:
    store = sealed_over(settings(PORTAL_KEYS=f"{NEW}; {OLD}"))(blobs)

    store.put(PATHS[0], [b"new"], OWNER, 10)

    assert store.read(PATHS[1], OWNER, 1_000) == PATHS[1].encode()
    assert sealed_store(blobs, [NEW]).read(PATHS[0], OWNER, 10) == b"new"


def test_a_vault_comes_before_the_environment_and_its_keys_open_still(blobs: MemoryBlobStore) -> None:
    ring = key_ring(settings(PORTAL_KEYS=OLD, PORTAL_KEY_VAULT_KEYS=VAULT), SystemClock())

    assert ring.current_id() == f"vault:name.vault.azure.net/portal/{1:032x}"
    ring.close()


def test_keys_that_cannot_be_are_told_when_they_are_needed(blobs: MemoryBlobStore) -> None:
    for environment in ({"PORTAL_KEYS": "hunter2"}, {"PORTAL_KEY_VAULT_KEYS": "http://hunter2"}):
        with pytest.raises(SettingsInvalid) as caught:
            sealed_over(settings(**environment))(blobs)
        assert "hunter2" not in str(caught.value)


def test_no_key_shows_in_what_is_printed_of_the_settings() -> None:
    assert OLD not in repr(settings(PORTAL_KEYS=OLD))


def test_without_keys_nothing_is_sealed(blobs: MemoryBlobStore) -> None:
    with pytest.raises(SealingKeyMissing):
        sealed_over(settings())(blobs).put(PATHS[0], [b"1"], OWNER, 10)


def test_the_command_wraps_all_and_says_how_far_it_is(blobs: MemoryBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "A_PASS", 2)
    out = io.StringIO()

    code = rotate(blobs, settings(PORTAL_KEYS=f"{NEW};{OLD}"), "raw/", "", out)

    assert code == 0
    assert out.getvalue().splitlines() == [
        f"2 wrapped anew; go on with --after {PATHS[1]}",
        f"4 wrapped anew; go on with --after {PATHS[3]}",
        "5 wrapped anew, 0 cannot be opened",
    ]
    assert sealed_store(blobs, [NEW]).read(PATHS[4], OWNER, 1_000) == PATHS[4].encode()


def test_the_command_goes_on_and_names_what_cannot_be_opened(blobs: MemoryBlobStore) -> None:
    blobs.put(PATHS[4], b"nothing sealed", "text/plain")
    out = io.StringIO()

    code = rotate(blobs, settings(PORTAL_KEYS=f"{NEW};{OLD}"), "", PATHS[2], out)

    assert code == 1
    assert out.getvalue() == f"{PATHS[4]}: SEALED_FORMAT_UNKNOWN\n1 wrapped anew, 1 cannot be opened\n"


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({}, 2, "SETTINGS_INVALID: AZURE_STORAGE"),
        ({"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=aHVudGVyMg=="}, 2, "SEALING_KEY_MISSING"),
    ],
)
def test_the_command_says_what_is_missing(environment: dict[str, str], code: int, words: str) -> None:
    out = io.StringIO()

    assert main([], environment, out) == code
    assert words in out.getvalue()
    assert "aHVudGVyMg" not in out.getvalue()
