"""The keys of a setting: read strictly, told to nobody."""

from __future__ import annotations

import base64

import pytest

from handlers.portal.errors import SealedDamaged, SealingKeyUnknown
from infrastructure.sealed.header import WrapMethod, WrappedKey
from infrastructure.sealed.keys import KeyRing, LocalKeys, parse_local_keys
from infrastructure.settings import SettingsInvalid
from tests.support.sealed import key_ring, key_text

OBJECT_KEY = bytes(range(32))


def test_what_was_wrapped_is_unwrapped() -> None:
    ring = key_ring(key_text("a"), key_text("b", 2))

    wrapped = ring.wrap(OBJECT_KEY)

    assert (wrapped.key_id, wrapped.method, ring.current_id()) == ("a", WrapMethod.AES_KEY_WRAP, "a")
    assert OBJECT_KEY not in wrapped.data
    assert ring.unwrap(wrapped) == key_ring(key_text("b", 2), key_text("a")).unwrap(wrapped) == OBJECT_KEY


def test_places_are_asked_for_their_own_keys() -> None:
    first, second = LocalKeys({"a": bytes(32)}, "a"), LocalKeys({"b": bytes(32)}, "b")

    assert KeyRing([first, second]).unwrap(second.wrap(OBJECT_KEY)) == OBJECT_KEY
    for place in (KeyRing([first]), first):
        with pytest.raises(SealingKeyUnknown):
            place.unwrap(second.wrap(OBJECT_KEY))


@pytest.mark.parametrize("data", [b"", bytes(8), bytes(39), bytes(40), bytes(48)])
def test_what_no_key_wrapped_is_damaged(data: bytes) -> None:
    with pytest.raises(SealedDamaged):
        key_ring(key_text("a")).unwrap(WrappedKey("a", WrapMethod.AES_KEY_WRAP, data))


def test_a_key_of_another_length_is_none() -> None:
    keys = LocalKeys({"a": bytes(32)}, "a")

    with pytest.raises(SealedDamaged):
        KeyRing([keys]).unwrap(keys.wrap(bytes(16)))


@pytest.mark.parametrize(
    "texts",
    [
        ["a"],
        ["a="],
        ["=" + base64.b64encode(bytes(32)).decode()],
        ["a=" + base64.b64encode(bytes(31)).decode()],
        ["a=" + base64.b64encode(bytes(33)).decode()],
        ["a=hunter2"],
        ["a b=" + base64.b64encode(bytes(32)).decode()],
        ["vault:a=" + base64.b64encode(bytes(32)).decode()],
        ["x" * 251 + "=" + base64.b64encode(bytes(32)).decode()],
        [key_text("a"), key_text("a", 2)],
    ],
)
def test_keys_that_cannot_be_are_refused_untold(texts: list[str]) -> None:
    with pytest.raises(SettingsInvalid, match="PORTAL_KEYS") as caught:
        parse_local_keys(texts)

    assert all(text.partition("=")[2] not in str(caught.value) for text in texts if len(text) > 3)


def test_no_keys_are_no_error() -> None:
    assert parse_local_keys([]) is None
