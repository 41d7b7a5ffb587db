"""The keys that wrap objects' keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Protocol

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from handlers.portal.errors import SealedDamaged, SealingKeyMissing, SealingKeyUnknown
from infrastructure.sealed.header import KEY_BYTES, WrapMethod, WrappedKey, is_key_id
from infrastructure.settings import SettingsInvalid


class KeyWrapper(Protocol):
    """Keys of one place. For any number of threads."""

    def has(self, key_id: str) -> bool:
        """Whether the key of this id is one of this place, there or not."""
        ...

    def current_id(self) -> str:
        """Of the key that wraps now. Raises :class:`handlers.portal.errors.SealingKeyUnavailable`."""
        ...

    def wrap(self, object_key: bytes) -> WrappedKey:
        """By the current key. Raises :class:`handlers.portal.errors.SealingKeyUnavailable`."""
        ...

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """Raises :class:`SealingKeyUnknown`, :class:`SealedDamaged` where the key does not fit, and
        :class:`handlers.portal.errors.SealingKeyUnavailable`.
        """
        ...

    def close(self) -> None:
        """End connections, where there are any."""
        ...


class LocalKeys:
    """Keys in memory, by id, 32 bytes each; ``current`` wraps. AES key wrap has no nonce that could come twice."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        self._keys = dict(keys)
        self._current = current

    def has(self, key_id: str) -> bool:
        return key_id in self._keys

    def current_id(self) -> str:
        return self._current

    def wrap(self, object_key: bytes) -> WrappedKey:
        data = aes_key_wrap(self._keys[self._current], object_key)
        return WrappedKey(self._current, WrapMethod.AES_KEY_WRAP, data)

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        if wrapped.key_id not in self._keys:
            raise unknown_key(wrapped.key_id)
        try:
            return aes_key_unwrap(self._keys[wrapped.key_id], wrapped.data)
        except (InvalidUnwrap, ValueError):
            raise SealedDamaged(
                "the sealed object's key is damaged, or the key that wrapped it is another of the same id",
                key_id=wrapped.key_id,
            ) from None

    def close(self) -> None:
        """There is nothing to end."""


class KeyRing:
    """Keys of several places: the first one's wrap, any unwraps."""

    def __init__(self, places: Sequence[KeyWrapper]) -> None:
        self._places = tuple(places)

    def has(self, key_id: str) -> bool:
        """Whether the key of this id is one of any place, there or not."""
        return any(place.has(key_id) for place in self._places)

    def current_id(self) -> str:
        """Raises :class:`SealingKeyMissing`, and what :meth:`KeyWrapper.current_id` does."""
        return self._first().current_id()

    def wrap(self, object_key: bytes) -> WrappedKey:
        """Raises :class:`SealingKeyMissing`, and what :meth:`KeyWrapper.wrap` does."""
        return self._first().wrap(object_key)

    def unwrap(self, wrapped: WrappedKey) -> bytes:
        """32 bytes. Raises what :meth:`KeyWrapper.unwrap` does."""
        place = next((place for place in self._places if place.has(wrapped.key_id)), None)
        if place is None:
            raise unknown_key(wrapped.key_id)
        object_key = place.unwrap(wrapped)
        if len(object_key) != KEY_BYTES:
            raise SealedDamaged("the sealed object's key is none", key_id=wrapped.key_id)
        return object_key

    def close(self) -> None:
        for place in self._places:
            place.close()

    def _first(self) -> KeyWrapper:
        if not self._places:
            raise SealingKeyMissing(
                "there is no key to seal with: set PORTAL_KEYS or PORTAL_KEY_VAULT_KEYS, for each process alike"
            )
        return self._places[0]


def unknown_key(key_id: str) -> SealingKeyUnknown:
    return SealingKeyUnknown(f"sealed with the key {key_id}, which is not configured here", key_id=key_id)


def parse_local_keys(texts: Sequence[str]) -> LocalKeys | None:
    """Of ``ID=BASE64`` each, the first one current; ``None`` for none. Raises :class:`SettingsInvalid`."""
    keys: dict[str, bytes] = {}
    for text in texts:
        key_id, _, encoded = text.partition("=")
        key = _decoded(encoded)
        if not is_key_id(key_id) or ":" in key_id or key_id in keys or key is None:
            raise SettingsInvalid(
                "PORTAL_KEYS: ID=KEY, separated by ;, each id of its own and of A-Z a-z 0-9 . _ / -, each key "
                f"{KEY_BYTES} random bytes in base64"
            )
        keys[key_id] = key
    return LocalKeys(keys, next(iter(keys))) if keys else None


def _decoded(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None
